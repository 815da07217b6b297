"""Options that several samplers share, plugins' too; `request.sampler_options` is checked against them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class AncestralOptions(BaseModel):
    """For samplers that denoise further than asked in each step, and add new noise to come back."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    eta: float = Field(default=1.0, ge=0, le=10, allow_inf_nan=False)
    """How much of the noise to renew: 0 none, 1 as in ancestral sampling; above 1, up to all of it."""
    s_noise: float = Field(default=1.0, ge=0, le=10, allow_inf_nan=False)
    """Factor on the new noise; a little above 1 adds detail, below 1 smooths."""


class ChurnOptions(BaseModel):
    """For samplers that may add noise before each step (Karras et al., arXiv:2206.00364, algorithm 2)."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    s_churn: float = Field(default=0.0, ge=0, le=1000, allow_inf_nan=False)
    """How much noise to add over all steps; 0 none."""
    s_tmin: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Least sigma at which to add noise."""
    s_tmax: float = Field(default=1e6, ge=0, allow_inf_nan=False)
    """Largest sigma at which to add noise."""
    s_noise: float = Field(default=1.0, ge=0, le=10, allow_inf_nan=False)
    """Factor on the added noise; slightly above 1 makes up for detail that the model loses."""


class SdeOptions(BaseModel):
    """For samplers of the reverse SDE, which renew noise in every step."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    eta: float = Field(default=1.0, ge=0, le=100, allow_inf_nan=False)
    """How much noise to renew: 0 none, which leaves the ODE; 1 as much as the forward process added."""
    s_noise: float = Field(default=1.0, ge=0, le=100, allow_inf_nan=False)
    """Factor on the new noise; a little above 1 adds detail, below 1 smooths, 0 draws none."""
