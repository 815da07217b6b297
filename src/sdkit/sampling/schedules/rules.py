"""What a run makes of a schedule: all of it, or its end where only a part is denoised; and which sigmas will do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sdkit.errors import RequestError, SamplingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdkit.types import Schedule, ScheduleParams

MOST_STEPS = 100_000
"""Longest schedule that is computed to keep its end; `denoise` below steps/MOST_STEPS is refused."""


def sigmas_for(
    schedule: Schedule, steps: int, params: ScheduleParams, denoise: float, *, discard_penultimate: bool = False
) -> tuple[float, ...]:
    """The sigmas of a run: all of the schedule's, or, for `denoise` < 1, the last ones of a longer schedule.

    That one has steps/denoise steps (rounded down), of which the last `steps` are taken. Empty where denoise is 0:
    there is nothing to do. `discard_penultimate`: for samplers that want their last step to be longer, a schedule of
    one step more is computed, and its last sigma before 0 dropped.

    Raises RequestError where denoise is so small that the longer schedule would have more than 100,000 steps.
    """
    if denoise <= 0:
        return ()
    if steps / MOST_STEPS > denoise:
        raise RequestError(
            f"denoise: {denoise} in {steps} steps would be the end of a schedule of more than {MOST_STEPS:,} steps; "
            f"use at least {steps / MOST_STEPS}, or 0 to keep the image as it is"
        )
    whole = denoise > 0.9999
    sigmas = schedule((steps if whole else int(steps / denoise)) + discard_penultimate, params)
    if discard_penultimate:
        sigmas = (*sigmas[:-2], *sigmas[-1:])
    return sigmas if whole else sigmas[-(steps + 1) :]


def check_sigmas(sigmas: Sequence[float]) -> None:
    """Raise SamplingError, naming the place, unless sigmas are at least two, finite, descending and not negative."""
    if len(sigmas) < 2:
        raise SamplingError(f"there are no steps to take: a run needs at least two sigmas, not {len(sigmas)}")
    for i, sigma in enumerate(sigmas):
        if not math.isfinite(sigma):
            raise SamplingError(f"sigma {i} of {len(sigmas)} is {sigma}; use another schedule or number of steps")
        if sigma < 0:
            raise SamplingError(f"sigma {i} of {len(sigmas)} is {sigma:g}; sigmas are never negative")
        if i and sigma >= sigmas[i - 1]:
            raise SamplingError(
                f"sigmas must descend, but sigma {i} of {len(sigmas)} is {sigma:g} after {sigmas[i - 1]:g}; "
                "use another schedule or fewer steps"
            )
