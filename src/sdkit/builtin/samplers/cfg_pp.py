"""The CFG++ samplers: steps keep the noise of the negative branch, towards the guided prediction (arXiv:2406.08070)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit.builtin.samplers.options import Dpmpp2sCfgPpOptions, GradientEstimationOptions
from sdkit.hookspecs import hookimpl
from sdkit.sampling import AncestralOptions

if TYPE_CHECKING:
    from sdkit.hookspecs import RegisterSampler


@hookimpl
def register_samplers(register: RegisterSampler) -> None:
    """The CFG++ samplers."""
    register(
        "euler_cfg_pp",
        "sdkit.sampling.samplers.cfg_pp:euler_cfg_pp",
        uncond=True,
        summary="euler with CFG++: keeps contrast natural; for guidance scales of 1 to 2",
    )
    register(
        "euler_ancestral_cfg_pp",
        "sdkit.sampling.samplers.cfg_pp:euler_ancestral_cfg_pp",
        noise="white",
        options=AncestralOptions,
        uncond=True,
        summary="euler_ancestral with CFG++; for guidance scales of 1 to 2",
    )
    register(
        "dpmpp_2s_ancestral_cfg_pp",
        "sdkit.sampling.samplers.cfg_pp:dpmpp_2s_ancestral_cfg_pp",
        noise="white",
        order=2,
        evaluations=2,
        options=Dpmpp2sCfgPpOptions,
        uncond=True,
        summary="dpmpp_2s_ancestral with CFG++; for guidance scales of 1 to 2",
    )
    register(
        "dpmpp_2m_cfg_pp",
        "sdkit.sampling.samplers.dpmpp:dpmpp_2m_cfg_pp",
        order=2,
        uncond=True,
        summary="dpmpp_2m with CFG++; for guidance scales of 1 to 2",
    )
    register(
        "res_multistep_cfg_pp",
        "sdkit.sampling.samplers.res_multistep:res_multistep_cfg_pp",
        order=2,
        uncond=True,
        summary="res_multistep with CFG++; for guidance scales of 1 to 2",
    )
    register(
        "res_multistep_ancestral_cfg_pp",
        "sdkit.sampling.samplers.res_multistep:res_multistep_ancestral_cfg_pp",
        noise="white",
        order=2,  # for eta 0
        options=AncestralOptions,
        uncond=True,
        summary="res_multistep_ancestral with CFG++; for guidance scales of 1 to 2",
    )
    register(
        "gradient_estimation_cfg_pp",
        "sdkit.sampling.samplers.gradient_estimation:gradient_estimation_cfg_pp",
        options=GradientEstimationOptions,
        uncond=True,
        summary="gradient_estimation with CFG++; for guidance scales of 1 to 2",
    )
