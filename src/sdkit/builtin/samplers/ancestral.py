"""Samplers that denoise past each sigma and add new noise to come back to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit.builtin.samplers.options import LcmOptions, TcdOptions
from sdkit.hookspecs import hookimpl
from sdkit.sampling import AncestralOptions

if TYPE_CHECKING:
    from sdkit.hookspecs import RegisterSampler


@hookimpl
def register_samplers(register: RegisterSampler) -> None:
    """Euler, DPM2 and DPM-Solver++(2S) ancestral, DDPM, LCM, TCD."""
    register(
        "euler_ancestral",
        "sdkit.sampling.samplers.euler:euler_ancestral",
        noise="white",
        options=AncestralOptions,
        summary="Euler's method with new noise in each step: lively, never settles as steps increase",
    )
    register(
        "dpm_2_ancestral",
        "sdkit.sampling.samplers.dpm2:dpm_2_ancestral",
        noise="white",
        order=2,
        evaluations=2,
        options=AncestralOptions,
        discard_penultimate=True,
        summary="DPM2 with new noise in each step: livelier than dpm_2, never settles",
    )
    register(
        "dpmpp_2s_ancestral",
        "sdkit.sampling.samplers.dpm2:dpmpp_2s_ancestral",
        noise="white",
        order=2,
        evaluations=2,
        options=AncestralOptions,
        summary="DPM-Solver++(2S) with new noise in each step: rich detail, twice the time of euler",
    )
    register(
        "ddpm",
        "sdkit.sampling.samplers.ddim:ddpm",
        noise="white",
        summary="Ancestral sampling as in DDPM: needs many steps; not for flow models",
    )
    register(
        "lcm",
        "sdkit.sampling.samplers.consistency:lcm",
        noise="white",
        options=LcmOptions,
        summary="For latent consistency models (LCM) and their LoRAs: 1 to 8 steps",
    )
    register(
        "tcd",
        "sdkit.sampling.samplers.consistency:tcd",
        noise="white",
        options=TcdOptions,
        summary="For models and LoRAs of trajectory consistency distillation (TCD): 1 to 20 steps",
    )
