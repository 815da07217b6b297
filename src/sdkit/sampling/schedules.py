"""Schedules: which sigmas a run of so many steps visits. Plain Python, so that listing and planning need no torch.

A schedule is `(steps, params) → sigmas`, descending from about `params.sigma_max` and ending at 0. All of these match
the ones of the same names in other programs, where the names are from.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from sdkit.errors import RequestError, SamplingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdkit.types import PredictionType, Schedule, ScheduleParams

MOST_STEPS = 100_000
"""Longest schedule that is computed to keep its end; `denoise` below steps/MOST_STEPS is refused."""


def normal(steps: int, params: ScheduleParams) -> tuple[float, ...]:
    """Evenly spaced training timesteps from the last to the first, then 0."""
    last = len(params.sigmas) - 1
    return (*_at(params, [last * (1 - i / max(steps - 1, 1)) for i in range(steps)]), 0.0)


def sgm_uniform(steps: int, params: ScheduleParams) -> tuple[float, ...]:
    """Evenly spaced training timesteps from the last towards the first, which is left out, then 0."""
    last = len(params.sigmas) - 1
    return (*_at(params, [last * (1 - i / steps) for i in range(steps)]), 0.0)


def simple(steps: int, params: ScheduleParams) -> tuple[float, ...]:
    """Every n-th of the training timesteps' own sigmas, counted from the last and rounded down, then 0."""
    stride = len(params.sigmas) / steps
    return (*(params.sigmas[-1 - int(i * stride)] for i in range(steps)), 0.0)


def karras(steps: int, params: ScheduleParams) -> tuple[float, ...]:
    """Evenly spaced in σ^(1/ρ), ρ = 7, from sigma_max to sigma_min, then 0 (Karras et al., arXiv:2206.00364, eq. 5).

    Rounded to float32 on the way: the power magnifies rounding, and the tables in use were all computed in float32.
    """
    rho = 7.0
    first, last = params.sigma_max ** (1 / rho), params.sigma_min ** (1 / rho)
    start, span = _float32(first), _float32(last - first)
    return (*(_float32(start + _float32(part * span)) ** rho for part in _ramp(steps)), 0.0)


def sigmas_for(schedule: Schedule, steps: int, params: ScheduleParams, denoise: float) -> tuple[float, ...]:
    """The sigmas of a run: all of the schedule's, or, for `denoise` < 1, the last ones of a longer schedule.

    That one has steps/denoise steps (rounded down), of which the last `steps` are taken. Empty where denoise is 0:
    there is nothing to do. Raises RequestError where denoise is so small that the longer schedule would have more than
    100,000 steps.
    """
    if denoise <= 0:
        return ()
    if denoise > 0.9999:
        return schedule(steps, params)
    if steps / MOST_STEPS > denoise:
        raise RequestError(
            f"denoise: {denoise} in {steps} steps would be the end of a schedule of more than {MOST_STEPS:,} steps; "
            f"use at least {steps / MOST_STEPS}, or 0 to keep the image as it is"
        )
    return schedule(int(steps / denoise), params)[-(steps + 1) :]


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


def sigma_at(sigmas: Sequence[float], timestep: float, prediction: PredictionType) -> float:
    """The sigma at a fractional index into the training sigmas: interpolated in log σ, linearly for flow models."""
    low = min(int(timestep), len(sigmas) - 1)
    part = timestep - low
    if part <= 0:
        return sigmas[low]
    if prediction == "flow":
        return sigmas[low] + part * (sigmas[low + 1] - sigmas[low])
    return math.exp(math.log(sigmas[low]) * (1 - part) + math.log(sigmas[low + 1]) * part)


def _ramp(steps: int) -> list[float]:
    """0 to 1 in float32, counted from either end as `linspace` is; 0 for a single step."""
    stride = _float32(1 / max(steps - 1, 1))
    return [_float32(i * stride if i < (steps + 1) // 2 else 1 - stride * (steps - 1 - i)) for i in range(steps)]


def _float32(number: float) -> float:
    return struct.unpack("f", struct.pack("f", number))[0]


def _at(params: ScheduleParams, timesteps: Sequence[float]) -> tuple[float, ...]:
    return tuple(sigma_at(params.sigmas, timestep, params.prediction) for timestep in timesteps)
