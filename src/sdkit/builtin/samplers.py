"""The samplers in the box. Named by dotted strings: they are imported, and torch with them, when first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit.hookspecs import hookimpl
from sdkit.sampling import AncestralOptions, ChurnOptions

if TYPE_CHECKING:
    from sdkit.hookspecs import RegisterSampler


@hookimpl
def register_samplers(register: RegisterSampler) -> None:
    """Euler, Euler ancestral, Heun, DPM-Solver++(2M)."""
    register(
        "euler",
        "sdkit.sampling.samplers.euler:euler",
        noise="white",  # asked for only where s_churn is set
        options=ChurnOptions,
        summary="Euler's method: plain, quick, predictable",
    )
    register(
        "euler_ancestral",
        "sdkit.sampling.samplers.euler:euler_ancestral",
        noise="white",
        options=AncestralOptions,
        summary="Euler's method with new noise in each step: lively, never settles as steps increase",
    )
    register(
        "heun",
        "sdkit.sampling.samplers.heun:heun",
        noise="white",  # asked for only where s_churn is set
        order=2,
        evaluations=2,
        options=ChurnOptions,
        summary="Heun's method: more accurate than euler, twice the time per step",
    )
    register(
        "dpmpp_2m",
        "sdkit.sampling.samplers.dpmpp:dpmpp_2m",
        order=2,
        summary="DPM-Solver++(2M): accurate in few steps, at the price of euler",
    )
