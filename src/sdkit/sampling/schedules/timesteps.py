"""Schedules that visit training timesteps: even steps through the table of the model's sigmas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit.errors import RequestError
from sdkit.rounding import float32, ramp32
from sdkit.sigmas import sigma_at, sigma_at_time

if TYPE_CHECKING:
    from sdkit.types import ScheduleParams

TURBO_STEPS = 10
"""Steps that SD Turbo and SDXL Turbo were distilled from."""


def normal(steps: int, params: ScheduleParams) -> tuple[float, ...]:
    """Evenly spaced training timesteps from the last to the first, then 0."""
    return (*_even(params, steps), 0.0)


def sgm_uniform(steps: int, params: ScheduleParams) -> tuple[float, ...]:
    """Evenly spaced training timesteps from the last towards the first, which is left out, then 0."""
    return (*_even(params, steps + 1)[:-1], 0.0)


def simple(steps: int, params: ScheduleParams) -> tuple[float, ...]:
    """Every n-th of the training timesteps' own sigmas, counted from the last and rounded down, then 0.

    Raises RequestError where there are fewer timesteps than steps: some sigmas would come twice.
    """
    if steps > len(params.sigmas):
        raise RequestError(
            f"the schedule 'simple' has {len(params.sigmas):,} steps at most for this model, one per training "
            f"timestep, not {steps:,} (with denoise below 1, that is steps/denoise); use fewer, or 'normal'"
        )
    stride = len(params.sigmas) / steps
    return (*(float32(params.sigmas[-1 - int(i * stride)]) for i in range(steps)), 0.0)


def ddim_uniform(steps: int, params: ScheduleParams) -> tuple[float, ...]:
    """Every n-th training timestep, counted up from the second, then 0, as in the first implementation of DDIM.

    n is rounded down, so there may be more steps than asked for, up to one fewer than training timesteps; and the
    largest sigma is somewhat below the model's.
    """
    stride = max(len(params.sigmas) // steps, 1)
    return (*map(float32, params.sigmas[1::stride][::-1]), 0.0)


def sd_turbo(steps: int, params: ScheduleParams) -> tuple[float, ...]:
    """The first of the ten timesteps that SD Turbo was distilled from (Sauer et al., arXiv:2311.17042), then 0.

    Raises RequestError for more than ten steps.
    """
    if steps > TURBO_STEPS:
        raise RequestError(
            f"the schedule 'sd_turbo' has {TURBO_STEPS} steps at most, not {steps} (with denoise below 1, that is "
            "steps/denoise); turbo models want 1 to 4"
        )
    last, spacing = len(params.sigmas) - 1, len(params.sigmas) / TURBO_STEPS
    return (*(sigma_at(params.sigmas, last - i * spacing, params.prediction) for i in range(steps)), 0.0)


def _even(params: ScheduleParams, count: int) -> list[float]:
    """The sigmas at `count` evenly spaced timesteps, from the last to the first.

    A flow model's timestep is its σ, shifted or not, so that the way ends at the time sigma_min, as in the programs
    that the schedules' names are from.
    """
    if params.prediction == "flow":
        first, last = params.sigma_min, params.sigma_max
        parts = [i / max(count - 1, 1) for i in range(count)]
        return [sigma_at_time(params.sigmas, last + (first - last) * part) for part in parts]
    return [sigma_at(params.sigmas, place, params.prediction) for place in ramp32(len(params.sigmas) - 1, 0, count)]
