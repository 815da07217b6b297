"""The schedules in the box."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit.hookspecs import hookimpl
from sdkit.sampling import (
    AlignYourStepsOptions,
    BetaOptions,
    KarrasOptions,
    LaplaceOptions,
    LinearQuadraticOptions,
    PolyexponentialOptions,
    VpOptions,
)

if TYPE_CHECKING:
    from sdkit.hookspecs import RegisterSchedule


@hookimpl
def register_schedules(register: RegisterSchedule) -> None:
    """By training timesteps, by the largest and the smallest sigma, and by what was found to be good."""
    home = "sdkit.sampling.schedules"
    register("normal", f"{home}:normal", summary="even in training timesteps, both ends included")
    register("karras", f"{home}:karras", options=KarrasOptions, summary="denser towards little noise: fine detail")
    register("exponential", f"{home}:exponential", summary="even in log sigma: most steps at little noise")
    register("sgm_uniform", f"{home}:sgm_uniform", summary="even in training timesteps, the first left out")
    register("simple", f"{home}:simple", summary="every n-th training timestep, from the highest")
    register(
        "ddim_uniform",
        f"{home}:ddim_uniform",
        summary="every n-th training timestep, from the lowest: a step may be added",
    )
    register(
        "beta", f"{home}:beta", options=BetaOptions, summary="dense at both ends, by the beta distribution's quantiles"
    )
    register(
        "linear_quadratic",
        f"{home}:linear_quadratic",
        options=LinearQuadraticOptions,
        summary="small even steps at much noise, then ever larger ones",
    )
    register("kl_optimal", f"{home}:kl_optimal", summary="even in the angle arctan sigma: optimal for Gaussian data")
    register(
        "polyexponential",
        f"{home}:polyexponential",
        options=PolyexponentialOptions,
        summary="log sigma falls as a power: exponential, bent by rho",
    )
    register(
        "align_your_steps",
        f"{home}:align_your_steps",
        options=AlignYourStepsOptions,
        summary="optimised for SD 1, SDXL or SVD: good from ten steps on",
    )
    register("sd_turbo", f"{home}:sd_turbo", summary="the timesteps that turbo models were distilled on: one to ten")
    register(
        "laplace",
        f"{home}:laplace",
        options=LaplaceOptions,
        summary="densest around one sigma, by the Laplace distribution",
    )
    register("vp", f"{home}:vp", options=VpOptions, summary="even in the time of a variance-preserving process")
