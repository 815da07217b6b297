"""Options of single samplers; those that several share are in `sdkit.sampling`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from sdkit.sampling import AncestralOptions, SdeOptions


class Dpmpp2sCfgPpOptions(AncestralOptions):
    """For dpmpp_2s_ancestral_cfg_pp."""

    revised: bool = False
    """Whether to step in the later way, which converges, and is right for flow models; the custom is the earlier."""


class DdimOptions(BaseModel):
    """For ddim."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    eta: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)
    """How much of the noise to renew: 0 none, which is euler; 1 as in ancestral sampling."""
    s_noise: float = Field(default=1.0, ge=0, le=10, allow_inf_nan=False)
    """Factor on the new noise; a little above 1 adds detail, below 1 smooths."""


class LcmOptions(BaseModel):
    """For lcm."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    s_noise: float = Field(default=1.0, ge=0, le=10, allow_inf_nan=False)
    """Factor on the new noise in the first step."""
    s_noise_end: float | None = Field(default=None, ge=0, le=10, allow_inf_nan=False)
    """Factor on the new noise in the last step, with even changes from the first to it; None: as in the first."""
    noise_clip_std: float = Field(default=0.0, ge=0, le=100, allow_inf_nan=False)
    """So many standard deviations from 0 the new noise is clipped; 0 leaves it as it is."""


class TcdOptions(BaseModel):
    """For tcd."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    eta: float = Field(default=0.3, ge=0, le=1, allow_inf_nan=False)
    """The paper's γ: how much further to denoise than asked, and to come back with new noise; more of it for more
    steps."""
    s_noise: float = Field(default=1.0, ge=0, le=10, allow_inf_nan=False)
    """Factor on the new noise."""


class DpmFastOptions(BaseModel):
    """For dpm_fast."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    eta: float = Field(default=0.0, ge=0, le=10, allow_inf_nan=False)
    """How much of the noise to renew: 0 none, 1 as in ancestral sampling; above 1, up to all of it."""
    s_noise: float = Field(default=1.0, ge=0, le=10, allow_inf_nan=False)
    """Factor on the new noise; a little above 1 adds detail, below 1 smooths."""
    denoise_to_zero: bool = False
    """Whether to remove what noise is left at the last sigma above 0, which the custom leaves in."""


class DpmAdaptiveOptions(DpmFastOptions):
    """For dpm_adaptive."""

    order: Literal[2, 3] = 3
    """Evaluations per attempt: 2 compares steps of order 1 and 2, 3 of order 2 and 3."""
    rtol: float = Field(default=0.05, ge=0, allow_inf_nan=False)
    """Error that a step may have, as a share of the latents."""
    atol: float = Field(default=0.0078, gt=0, allow_inf_nan=False)
    """Error that a step may have in any case."""
    h_init: float = Field(default=0.05, gt=0, allow_inf_nan=False)
    """Length of the first step to try, in log σ."""
    pcoeff: float = Field(default=0.0, allow_inf_nan=False)
    """How strongly the length answers to the change of the error from step to step."""
    icoeff: float = Field(default=1.0, allow_inf_nan=False)
    """How strongly the length answers to the error itself."""
    dcoeff: float = Field(default=0.0, allow_inf_nan=False)
    """How strongly the length answers to the change of that change."""
    accept_safety: float = Field(default=0.81, ge=0, le=1, allow_inf_nan=False)
    """A step counts if the next one need not be shorter than this times its length."""
    per_image: bool = True
    """Whether each picture takes steps of its own; otherwise the error is that of the whole batch together."""


class DpmppSdeOptions(SdeOptions):
    """For dpmpp_sde."""

    r: float = Field(default=0.5, gt=0, le=1, allow_inf_nan=False)
    """Where to look in between: the share of the step, in the logarithm of the signal-to-noise ratio."""


class Dpmpp2mSdeOptions(SdeOptions):
    """For dpmpp_2m_sde."""

    solver_type: Literal["midpoint", "heun"] = "midpoint"
    """How the change between two predictions counts: "heun" integrates it exactly, "midpoint" takes its middle."""


class Dpmpp2mSdeHeunOptions(SdeOptions):
    """For dpmpp_2m_sde_heun: dpmpp_2m_sde with another default."""

    solver_type: Literal["midpoint", "heun"] = "heun"
    """How the change between two predictions counts: "heun" integrates it exactly, "midpoint" takes its middle."""


class ErSdeOptions(SdeOptions):
    """For er_sde."""

    solver_type: Literal["er_sde", "reverse_time_sde", "ode"] = "er_sde"
    """Which noise to renew at which level: the method's own choice, the reverse SDE's, or none ("ode")."""
    max_stage: int = Field(default=3, ge=1, le=3)
    """How many predictions a step may use: this one and up to two before."""


class Seeds2Options(SdeOptions):
    """For seeds_2."""

    r: float = Field(default=0.5, gt=0, le=1, allow_inf_nan=False)
    """Where to look in between: the share of the step, in the logarithm of the signal-to-noise ratio."""
    solver_type: Literal["phi_1", "phi_2"] = "phi_1"
    """How the change between two predictions counts: "phi_2" integrates it exactly, "phi_1" takes its middle."""


class Seeds3Options(SdeOptions):
    """For seeds_3."""

    r_1: float = Field(default=1 / 3, gt=0, lt=1, allow_inf_nan=False)
    """Where to look first: the share of the step, in the logarithm of the signal-to-noise ratio."""
    r_2: float = Field(default=2 / 3, gt=0, le=1, allow_inf_nan=False, validate_default=True)
    """Where to look next, beyond `r_1`."""

    @field_validator("r_2")
    @classmethod
    def _beyond_r_1(cls, r_2: float, info: ValidationInfo) -> float:
        if r_2 <= (r_1 := info.data.get("r_1", 0.0)):
            raise ValueError(f"Input should be greater than r_1, {r_1:g}")
        return r_2


class ExpHeunOptions(BaseModel):
    """For exp_heun_2_x0."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    solver_type: Literal["phi_1", "phi_2"] = "phi_2"
    """How the change between two predictions counts: "phi_2" integrates it exactly, "phi_1" takes its middle."""


class ExpHeunSdeOptions(SdeOptions):
    """For exp_heun_2_x0_sde."""

    solver_type: Literal["phi_1", "phi_2"] = "phi_2"
    """How the change between two predictions counts: "phi_2" integrates it exactly, "phi_1" takes its middle."""


class SaSolverPeceOptions(SdeOptions):
    """For sa_solver_pece. `eta` is the paper's τ between the two percents; beyond them no noise is renewed."""

    sde_start_percent: float = Field(default=0.2, ge=0, le=1, allow_inf_nan=False)
    """Where to begin to renew noise: a share of the training timesteps, from 0 (most noise) to 1 (none)."""
    sde_end_percent: float = Field(default=0.8, ge=0, le=1, allow_inf_nan=False)
    """Where to stop renewing noise."""
    predictor_order: int = Field(default=3, ge=1, le=6)
    """How many predictions a step is foretold from."""
    corrector_order: int = Field(default=4, ge=0, le=6)
    """How many predictions, the new one among them, correct the step before; 0 corrects nothing."""
    simple_order_2: bool = False
    """Use the paper's simpler formulas where two predictions are used."""


class SaSolverOptions(SaSolverPeceOptions):
    """For sa_solver."""

    use_pece: bool = False
    """Ask the model again after correcting: what sa_solver_pece does."""


class LmsOptions(BaseModel):
    """For lms."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    order: int = Field(default=4, ge=1, le=10)
    """How many slopes to extrapolate from; 1 is Euler's method, above 4 it easily gets unstable."""


class IpndmOptions(BaseModel):
    """For ipndm and ipndm_v."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    max_order: int = Field(default=4, ge=1, le=4)
    """How many slopes to extrapolate from, as soon as there are as many; 1 is Euler's method."""


class DeisOptions(BaseModel):
    """For deis."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    max_order: int = Field(default=3, ge=1, le=4)
    """How many slopes to extrapolate from, as soon as there are as many; 1 is Euler's method."""
    deis_mode: Literal["tab", "rhoab"] = "tab"
    """In what to extrapolate: tab in the time of the variance-preserving process, rhoab in sigma, as lms does."""


class GradientEstimationOptions(BaseModel):
    """For gradient_estimation and gradient_estimation_cfg_pp."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    ge_gamma: float = Field(default=2.0, ge=0, le=5, allow_inf_nan=False)
    """How far to lean to the new slope, away from the old one: 1 is Euler's method, 2 the paper's choice."""


class UniPcBh2Options(BaseModel):
    """For uni_pc_bh2."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    order: int = Field(default=3, ge=1, le=6)
    """Order of the predictor, as soon as there are as many predictions; the corrector's is one more."""


class UniPcOptions(UniPcBh2Options):
    """For uni_pc."""

    variant: Literal["bh1", "bh2"] = "bh1"
    """B(h), which counts in steps of low order: bh1 is h, bh2 is e^h - 1."""
