"""Restart sampling for sdkit: the sampler `restart`, and restarts around any other sampler (`restart.enabled`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sdkit import hookimpl
from sdkit.errors import RequestError
from sdkit_restart.segments import RestartAnySampler, RestartOptions, Segment

if TYPE_CHECKING:
    from sdkit.hookspecs import RegisterOptions, RegisterSampler
    from sdkit.types import BoundSampler, Run

__all__ = ["RestartAnySampler", "RestartOptions", "Segment"]

__version__ = "0.1.0"


@hookimpl
def register_samplers(register: RegisterSampler) -> None:
    """The paper's sampler. Named by a string: torch is imported when it is first used."""
    register(
        "restart",
        "sdkit_restart.sampler:restart",
        noise="white",
        order=2,
        evaluations=2,
        options=RestartOptions,
        summary="Heun's method that goes back up in noise and down again: contracts errors",
    )


@hookimpl
def register_options(register: RegisterOptions) -> None:
    """`restart.enabled`, `restart.segments`, `restart.s_noise`."""
    register("restart", RestartAnySampler)


@hookimpl
def wrap_sampler(run: Run) -> Callable[[BoundSampler], BoundSampler] | None:
    """Restarts around the run's sampler, where the request asks for them."""
    options = run.option(RestartAnySampler)
    if not options.enabled:
        return None
    if run.request.sampler == "restart":
        raise RequestError(
            "the sampler 'restart' restarts by itself: set its segments in sampler_options, "
            "or leave restart.enabled for other samplers"
        )
    from sdkit_restart.sampler import noise_of, with_restarts

    return lambda sampler: with_restarts(sampler, options.segments, noise_of(run), options.s_noise)
