"""Options of the schedulers: the part of each scheduler's config that says how to step. Imports no torch.

Names and meanings are diffusers'. What the rest of a config says is said elsewhere in sdkit: the model knows its betas
and its prediction type, and the request's schedule spaces the sigmas; `from_config` tells them apart.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SolverType = Literal["midpoint", "heun"]


class SchedulerOptions(BaseModel):
    """Options of schedulers that have none: also the base of the others."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ThresholdingOptions(SchedulerOptions):
    """For schedulers that can limit the predicted latents by their own quantile (arXiv:2205.11487, section 2.3)."""

    thresholding: bool = False
    """Whether to; meant for models of pixels."""
    dynamic_thresholding_ratio: float = Field(default=0.995, gt=0, le=1)
    """Which quantile of the absolute values becomes the limit."""
    sample_max_value: float = Field(default=1.0, ge=1, allow_inf_nan=False)
    """The most that the limit can be."""


class ClippingOptions(SchedulerOptions):
    """For schedulers that can clamp the predicted latents."""

    clip_sample: bool = False
    """Whether to; for models of pixels. diffusers' default is often true, configs of latent models say false."""
    clip_sample_range: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Largest absolute value."""


class _LastStepsOptions(SchedulerOptions):
    lower_order_final: bool = True
    """Whether the last steps are of lower order, for stability in few steps."""


class _DPMSolverOptions(_LastStepsOptions, ThresholdingOptions):
    solver_order: Literal[1, 2, 3] = 2
    """Order of the solver: 2 for guided sampling, 3 for unguided."""
    solver_type: SolverType = "midpoint"
    """Variant of the solver of second order."""


class DPMSolverMultistepOptions(_DPMSolverOptions):
    """Options of DPMSolverMultistepScheduler."""

    algorithm_type: Literal["dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++"] = "dpmsolver++"
    """The `sde-` ones draw noise in each step; those with `++` predict latents, the others noise."""
    euler_at_final: bool = False
    """Whether the last step is Euler's whatever the number of steps."""

    @model_validator(mode="after")
    def _orders(self) -> DPMSolverMultistepOptions:
        if self.algorithm_type == "sde-dpmsolver" and self.solver_order == 3:
            raise ValueError("sde-dpmsolver has no third order; set solver_order to 2, or use sde-dpmsolver++")
        return self


class DPMSolverSinglestepOptions(_DPMSolverOptions):
    """Options of DPMSolverSinglestepScheduler."""

    algorithm_type: Literal["dpmsolver", "dpmsolver++", "sde-dpmsolver++"] = "dpmsolver++"
    """The `sde-` one draws noise in each step; those with `++` predict latents, the other noise."""


class EDMDPMSolverOptions(_DPMSolverOptions):
    """Options of EDMDPMSolverMultistepScheduler."""

    algorithm_type: Literal["dpmsolver++", "sde-dpmsolver++"] = "dpmsolver++"
    """The `sde-` one draws noise in each step."""
    euler_at_final: bool = False
    """Whether the last step is Euler's whatever the number of steps."""

    @model_validator(mode="after")
    def _orders(self) -> EDMDPMSolverOptions:
        if self.algorithm_type == "sde-dpmsolver++" and self.solver_order == 3:
            raise ValueError("this scheduler's sde-dpmsolver++ has no third order; set solver_order to 2")
        return self


class CosineDPMSolverOptions(_LastStepsOptions):
    """Options of CosineDPMSolverMultistepScheduler."""

    solver_order: Literal[1, 2] = 2
    """Order of the solver."""
    solver_type: SolverType = "midpoint"
    """Variant of the solver of second order."""
    euler_at_final: bool = False
    """Whether the last step is Euler's whatever the number of steps."""


class DEISOptions(_LastStepsOptions, ThresholdingOptions):
    """Options of DEISMultistepScheduler."""

    solver_order: Literal[1, 2, 3] = 2
    """How many predictions each step uses."""


class UniPCOptions(_LastStepsOptions, ThresholdingOptions):
    """Options of UniPCMultistepScheduler."""

    solver_order: int = Field(default=2, ge=1, le=6)
    """Order of the solver: 2 for guided sampling, 3 for unguided."""
    solver_type: Literal["bh1", "bh2"] = "bh2"
    """bh1 for unguided sampling in fewer than 10 steps."""
    predict_x0: bool = True
    """Whether to predict latents, in place of noise."""
    disable_corrector: tuple[int, ...] = ()
    """Steps after which not to correct, against large guidance scales; such as [0]."""


class SASolverOptions(_LastStepsOptions, ThresholdingOptions):
    """Options of SASolverScheduler."""

    predictor_order: int = Field(default=2, ge=1, le=4)
    """Order of the predictor (Adams-Bashforth)."""
    corrector_order: int = Field(default=2, ge=1, le=4)
    """Order of the corrector (Adams-Moulton)."""
    algorithm_type: Literal["data_prediction", "noise_prediction"] = "data_prediction"
    """Whether to predict latents or noise."""
    tau: float | None = Field(default=None, ge=0, le=1)
    """How stochastic, 0 not at all; left out, 1 at the training timesteps from 200 to 800 and else 0, as in diffusers.
    Stands for the config's `tau_func`, which is code."""


class DDIMOptions(ClippingOptions, ThresholdingOptions):
    """Options of DDIMScheduler."""

    eta: float = Field(default=0.0, ge=0, le=1)
    """Share of the noise to renew: 0 none, 1 as in ancestral sampling."""
    use_clipped_model_output: bool = False
    """Whether noise is predicted again from clipped latents."""


class DDPMOptions(ClippingOptions, ThresholdingOptions):
    """Options of DDPMScheduler."""

    variance_type: Literal["fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log"] = "fixed_small"
    """Variance of the noise: that of the posterior (small), or of the forward step (large)."""


class LCMOptions(ClippingOptions, ThresholdingOptions):
    """Options of LCMScheduler."""

    timestep_scaling: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    """How fast the consistency function leaves its boundary condition; 10 makes it no matter at all."""


class TCDOptions(ClippingOptions, ThresholdingOptions):
    """Options of TCDScheduler."""

    eta: float = Field(default=0.3, ge=0, le=1)
    """Stochastic strength, γ of the paper: 0 none, 1 as in LCM."""


class HeunOptions(ClippingOptions):
    """Options of HeunDiscreteScheduler."""


class LMSOptions(SchedulerOptions):
    """Options of LMSDiscreteScheduler."""

    order: int = Field(default=4, ge=1, le=8)
    """How many derivatives each step uses."""


class DPMSolverSDEOptions(SchedulerOptions):
    """Options of DPMSolverSDEScheduler."""

    s_noise: float = Field(default=1.0, ge=0, le=10, allow_inf_nan=False)
    """Factor on the new noise."""


class FlowEulerOptions(SchedulerOptions):
    """Options of FlowMatchEulerDiscreteScheduler."""

    stochastic_sampling: bool = False
    """Whether to renew all of the noise in each step, as consistency models do."""


class FlowAncestralOptions(SchedulerOptions):
    """Options of LTXEulerAncestralRFScheduler."""

    eta: float = Field(default=1.0, ge=0, le=1)
    """How far past each sigma to denoise, so as to add new noise: 0 none."""
    s_noise: float = Field(default=1.0, ge=0, le=10, allow_inf_nan=False)
    """Factor on the new noise."""
