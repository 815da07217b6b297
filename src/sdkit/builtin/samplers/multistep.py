"""Samplers of the probability-flow ODE that use the predictions of earlier steps.

The first step of each has no earlier prediction and is of low order, which bounds the order of the whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit.builtin.samplers import options
from sdkit.hookspecs import hookimpl
from sdkit.sampling import AncestralOptions

if TYPE_CHECKING:
    from sdkit.hookspecs import RegisterSampler


@hookimpl
def register_samplers(register: RegisterSampler) -> None:
    """DPM-Solver++(2M), RES, Adams–Bashforth's kin, gradient estimation, UniPC."""
    register(
        "dpmpp_2m",
        "sdkit.sampling.samplers.dpmpp:dpmpp_2m",
        order=2,
        summary="DPM-Solver++(2M): accurate in few steps, at the price of euler",
    )
    register(
        "res_multistep",
        "sdkit.sampling.samplers.res_multistep:res_multistep",
        order=2,
        summary="RES: dpmpp_2m's sibling, with the exact weight for uneven steps",
    )
    register(
        "res_multistep_ancestral",
        "sdkit.sampling.samplers.res_multistep:res_multistep_ancestral",
        noise="white",
        order=2,  # for eta 0
        options=AncestralOptions,
        summary="RES with new noise in each step: lively, never settles",
    )
    register(
        "lms",
        "sdkit.sampling.samplers.adams:lms",
        order=2,
        options=options.LmsOptions,
        summary="Linear multistep: extrapolates the slopes of four steps; needs 20 steps or more",
    )
    register(
        "ipndm",
        "sdkit.sampling.samplers.adams:ipndm",
        order=2,
        options=options.IpndmOptions,
        summary="Improved PNDM: like lms, as if all steps were of equal size",
    )
    register(
        "ipndm_v",
        "sdkit.sampling.samplers.adams:ipndm_v",
        order=1.85,  # 2 in the end; from 80 to 160 steps 1.7 for eps models, 2.0 for flow models
        options=options.IpndmOptions,
        summary="Improved PNDM with weights that follow the sizes of the steps",
    )
    register(
        "deis",
        "sdkit.sampling.samplers.deis:deis",
        order=2,
        options=options.DeisOptions,
        summary="DEIS: like lms, extrapolating in time rather than in sigma; good in 10 steps",
    )
    register(
        "gradient_estimation",
        "sdkit.sampling.samplers.gradient_estimation:gradient_estimation",
        options=options.GradientEstimationOptions,
        summary="Euler's method with the slope's change added once more",
    )
    register(
        "uni_pc",
        "sdkit.sampling.samplers.uni_pc:uni_pc",
        order=2,  # of the last step, which is of first order; all before it are of third
        options=options.UniPcOptions,
        discard_penultimate=True,
        summary="UniPC: corrects each step with the next one's prediction; good in 10 steps",
    )
    register(
        "uni_pc_bh2",
        "sdkit.sampling.samplers.uni_pc:uni_pc_bh2",
        order=2,  # as above
        options=options.UniPcBh2Options,
        discard_penultimate=True,
        summary="UniPC with the paper's second B(h), which differs in the first and last steps",
    )
