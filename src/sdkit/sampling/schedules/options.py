"""Options of the schedules; `request.schedule_options` is checked against them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class KarrasOptions(BaseModel):
    """For `karras`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    rho: float = Field(default=7.0, gt=0, le=100, allow_inf_nan=False)
    """The larger, the more steps at little noise; 1 spaces sigmas evenly."""


class PolyexponentialOptions(BaseModel):
    """For `polyexponential`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    rho: float = Field(default=1.0, gt=0, le=100, allow_inf_nan=False)
    """The larger, the more steps at little noise; 1 is the exponential schedule."""


class BetaOptions(BaseModel):
    """For `beta`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    alpha: float = Field(default=0.6, gt=0, le=50, allow_inf_nan=False)
    """The smaller, the more steps at little noise."""
    beta: float = Field(default=0.6, gt=0, le=50, allow_inf_nan=False)
    """The smaller, the more steps at much noise."""


class LinearQuadraticOptions(BaseModel):
    """For `linear_quadratic`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    threshold_noise: float = Field(default=0.025, gt=0, lt=1, allow_inf_nan=False)
    """How much of the noise to remove in the even steps."""
    linear_steps: int | None = Field(default=None, ge=1)
    """How many even steps; None for half of all."""


class AlignYourStepsOptions(BaseModel):
    """For `align_your_steps`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    table: Literal["auto", "sd1", "sdxl", "svd"] = "auto"
    """For which model the sigmas were optimised; auto goes by the model's family."""


class LaplaceOptions(BaseModel):
    """For `laplace`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    mu: float = Field(default=0.0, ge=-10, le=10, allow_inf_nan=False)
    """log σ where most steps are."""
    beta: float = Field(default=0.5, gt=0, le=10, allow_inf_nan=False)
    """How far the steps spread around it."""


class VpOptions(BaseModel):
    """For `vp`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    beta_d: float = Field(default=19.9, gt=0, le=1000, allow_inf_nan=False)
    """How much faster noise was added at the end of training than at its beginning."""
    beta_min: float = Field(default=0.1, ge=0, le=200, allow_inf_nan=False)
    """How fast noise was added at the beginning."""
    eps_s: float = Field(default=1e-3, gt=0, lt=1, allow_inf_nan=False)
    """The time of the last sigma before 0."""
