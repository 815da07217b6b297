"""Samplers with their options."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sdkit import node
from sdkit_comfy.missing import not_available
from sdkit_comfy.sockets import MODEL, SAMPLER, Factor, Share
from sdkit_comfy.values.samplers import SamplerChoice

CATEGORY = "sampling/custom_sampling/samplers"

NoiseDevice = Literal["gpu", "cpu"]
Eta = Annotated[float, Field(ge=0, le=10)]


def _where(name: str, noise_device: NoiseDevice) -> str:
    """The sampler's name by where its noise is drawn."""
    return name if noise_device == "cpu" else f"{name}_gpu"


@node(name="SamplerEulerAncestral", category=CATEGORY)
def euler_ancestral(*, eta: Factor = 1.0, s_noise: Factor = 1.0) -> SAMPLER:
    """Euler's method with new noise in each step."""
    return SamplerChoice("euler_ancestral", {"eta": eta, "s_noise": s_noise})


@node(name="SamplerEulerAncestralCFGPP", category=CATEGORY)
def euler_ancestral_cfg_pp(*, eta: Share = 1.0, s_noise: Eta = 1.0) -> SAMPLER:
    """Euler's method with new noise in each step, and CFG++."""
    return SamplerChoice("euler_ancestral_cfg_pp", {"eta": eta, "s_noise": s_noise})


@node(name="SamplerEulerCFGpp", category="_for_testing")
def euler_cfg_pp(*, version: Literal["regular", "alternative"] = "regular") -> SAMPLER:
    """Euler's method with CFG++."""
    if version == "alternative":
        raise not_available("the alternative version of Euler CFG++")
    return SamplerChoice("euler_cfg_pp")


@node(name="SamplerLMS", category=CATEGORY)
def lms(*, order: Annotated[int, Field(ge=1, le=100)] = 4) -> SAMPLER:
    """Linear multistep."""
    return SamplerChoice("lms", {"order": order})


@node(name="SamplerDPMPP_2S_Ancestral", category=CATEGORY)
def dpmpp_2s_ancestral(*, eta: Factor = 1.0, s_noise: Factor = 1.0) -> SAMPLER:
    """DPM-Solver++(2S) with new noise in each step."""
    return SamplerChoice("dpmpp_2s_ancestral", {"eta": eta, "s_noise": s_noise})


@node(name="SamplerDPMPP_SDE", category=CATEGORY)
def dpmpp_sde(
    *, eta: Factor = 1.0, s_noise: Factor = 1.0, r: Factor = 0.5, noise_device: NoiseDevice = "gpu"
) -> SAMPLER:
    """DPM-Solver++ for the SDE."""
    return SamplerChoice(_where("dpmpp_sde", noise_device), {"eta": eta, "s_noise": s_noise, "r": r})


@node(name="SamplerDPMPP_2M_SDE", category=CATEGORY)
def dpmpp_2m_sde(
    *,
    solver_type: Literal["midpoint", "heun"] = "midpoint",
    eta: Factor = 1.0,
    s_noise: Factor = 1.0,
    noise_device: NoiseDevice = "gpu",
) -> SAMPLER:
    """DPM-Solver++(2M) for the SDE."""
    options = {"eta": eta, "s_noise": s_noise, "solver_type": solver_type}
    return SamplerChoice(_where("dpmpp_2m_sde", noise_device), options)


@node(name="SamplerDPMPP_3M_SDE", category=CATEGORY)
def dpmpp_3m_sde(*, eta: Factor = 1.0, s_noise: Factor = 1.0, noise_device: NoiseDevice = "gpu") -> SAMPLER:
    """DPM-Solver++(3M) for the SDE."""
    return SamplerChoice(_where("dpmpp_3m_sde", noise_device), {"eta": eta, "s_noise": s_noise})


@node(name="SamplerDPMAdaptative", category=CATEGORY)
def dpm_adaptive(
    *,
    order: Annotated[int, Field(ge=2, le=3)] = 3,
    rtol: Factor = 0.05,
    atol: Factor = 0.0078,
    h_init: Factor = 0.05,
    pcoeff: Factor = 0.0,
    icoeff: Factor = 1.0,
    dcoeff: Factor = 0.0,
    accept_safety: Factor = 0.81,
    eta: Factor = 0.0,
    s_noise: Factor = 1.0,
) -> SAMPLER:
    """DPM-Solver with steps of its own choice, a whole batch under one control."""
    return SamplerChoice(
        "dpm_adaptive",
        {
            "order": order,
            "rtol": rtol,
            "atol": atol,
            "h_init": h_init,
            "pcoeff": pcoeff,
            "icoeff": icoeff,
            "dcoeff": dcoeff,
            "accept_safety": accept_safety,
            "eta": eta,
            "s_noise": s_noise,
        },
    )


@node(name="SamplerER_SDE", category=CATEGORY)
def er_sde(
    *,
    solver_type: Literal["ER-SDE", "Reverse-time SDE", "ODE"] = "ER-SDE",
    max_stage: Annotated[int, Field(ge=1, le=3)] = 3,
    eta: Factor = 1.0,
    s_noise: Factor = 1.0,
) -> SAMPLER:
    """Extended reverse-time SDE solvers; `eta` is for "Reverse-time SDE" alone."""
    if solver_type == "ODE" or (solver_type == "Reverse-time SDE" and eta == 0):
        options = {"solver_type": "ode"}
    elif solver_type == "Reverse-time SDE":
        options = {"solver_type": "reverse_time_sde", "eta": eta, "s_noise": s_noise}
    else:
        options = {"solver_type": "er_sde", "s_noise": s_noise}
    return SamplerChoice("er_sde", {"max_stage": max_stage, **options})


@node(name="SamplerSASolver", category=CATEGORY)
def sa_solver(
    *,
    model: MODEL,
    eta: Eta = 1.0,
    sde_start_percent: Share = 0.2,
    sde_end_percent: Share = 0.8,
    s_noise: Factor = 1.0,
    predictor_order: Annotated[int, Field(ge=1, le=6)] = 3,
    corrector_order: Annotated[int, Field(ge=0, le=6)] = 4,
    use_pece: bool = False,
    simple_order_2: bool = False,
) -> SAMPLER:
    """Stochastic Adams solvers; new noise in the part of the way that the percents say."""
    return SamplerChoice(
        "sa_solver",
        {
            "eta": eta,
            "s_noise": s_noise,
            "sde_start_percent": sde_start_percent,
            "sde_end_percent": sde_end_percent,
            "predictor_order": predictor_order,
            "corrector_order": corrector_order,
            "use_pece": use_pece,
            "simple_order_2": simple_order_2,
        },
    )


@node(name="SamplerLCMUpscale", category=CATEGORY)
def lcm_upscale(
    *,
    scale_ratio: Annotated[float, Field(ge=0.1, le=20)] = 1.0,
    scale_steps: Annotated[int, Field(ge=-1, le=1000)] = -1,
    upscale_method: Literal["bislerp", "nearest-exact", "bilinear", "area", "bicubic"] = "bislerp",
) -> SAMPLER:
    """LCM with latents that grow on the way."""
    raise not_available("a sampler whose latents grow on the way (SamplerLCMUpscale)")
