"""Samplers of the probability-flow ODE that keep no history from step to step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit.builtin.samplers.options import DdimOptions, DpmAdaptiveOptions, DpmFastOptions
from sdkit.hookspecs import hookimpl
from sdkit.sampling import ChurnOptions

if TYPE_CHECKING:
    from sdkit.hookspecs import RegisterSampler


@hookimpl
def register_samplers(register: RegisterSampler) -> None:
    """Euler, DDIM, Heun, DPM2, DPM-Solver with a budget and with an error."""
    register(
        "euler",
        "sdkit.sampling.samplers.euler:euler",
        noise="white",  # asked for only where s_churn is set
        options=ChurnOptions,
        summary="Euler's method: plain, quick, predictable",
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
        "ddim",
        "sdkit.sampling.samplers.ddim:ddim",
        noise="white",  # asked for only where eta is set
        options=DdimOptions,
        summary="DDIM: euler by another name, until eta asks for new noise in each step",
    )
    register(
        "heunpp2",
        "sdkit.sampling.samplers.heun:heunpp2",
        noise="white",  # asked for only where s_churn is set
        evaluations=3,
        options=ChurnOptions,
        summary="Heun++: weighs the slopes at two sigmas ahead, three times the time per step",
    )
    register(
        "dpm_2",
        "sdkit.sampling.samplers.dpm2:dpm_2",
        noise="white",  # asked for only where s_churn is set
        order=2,
        evaluations=2,
        options=ChurnOptions,
        discard_penultimate=True,
        summary="DPM2: looks half-way in each step; more accurate than euler, twice the time",
    )
    register(
        "dpm_fast",
        "sdkit.sampling.samplers.dpm_solver:dpm_fast",
        noise="white",  # asked for only where eta is set
        order=2,
        options=DpmFastOptions,
        summary="DPM-Solver-fast: spends the steps as evaluations of a third-order method",
    )
    register(
        "dpm_adaptive",
        "sdkit.sampling.samplers.dpm_adaptive:dpm_adaptive",
        noise="white",  # asked for only where eta is set
        order=3,
        evaluations=3,
        options=DpmAdaptiveOptions,
        adaptive=True,
        summary="DPM-Solver that chooses its own steps, as few as keep the error small",
    )
