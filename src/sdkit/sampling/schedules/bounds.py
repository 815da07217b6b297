"""Schedules that know the model's largest and smallest sigma only, and space the others between them by a formula.

In float32, as in the programs that the names are from; `sdkit.rounding` has why.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sdkit.errors import RequestError
from sdkit.rounding import exp32, float32, mix32, power32, ramp32

if TYPE_CHECKING:
    from sdkit.types import ScheduleParams


def karras(steps: int, params: ScheduleParams, rho: float = 7.0) -> tuple[float, ...]:
    """Evenly spaced in σ^(1/ρ) from sigma_max to sigma_min, then 0 (Karras et al., arXiv:2206.00364, eq. 5)."""
    low, high = _bounds(params)
    first, last = high ** (1 / rho), low ** (1 / rho)
    start, span = float32(first), float32(last - first)
    return (*(power32(float32(start + float32(part * span)), rho) for part in ramp32(0.0, 1.0, steps)), 0.0)


def exponential(steps: int, params: ScheduleParams) -> tuple[float, ...]:
    """Evenly spaced in log σ from sigma_max to sigma_min, then 0."""
    low, high = _bounds(params)
    return (*map(exp32, ramp32(math.log(high), math.log(low), steps)), 0.0)


def polyexponential(steps: int, params: ScheduleParams, rho: float = 1.0) -> tuple[float, ...]:
    """From sigma_max to sigma_min, log σ falling as a power ρ of the share left, then 0; ρ = 1 is exponential."""
    low, high = _bounds(params)
    least, span = float32(math.log(low)), float32(math.log(high) - math.log(low))
    parts = [power32(part, rho) for part in ramp32(1.0, 0.0, steps)]
    return (*(exp32(float32(float32(part * span) + least)) for part in parts), 0.0)


def kl_optimal(steps: int, params: ScheduleParams) -> tuple[float, ...]:
    """Evenly spaced in arctan σ from sigma_max to sigma_min, then 0 (Sabour et al., arXiv:2404.14507, section 3.1).

    For one step, where other programs divide by zero: from sigma_max to 0.
    """
    low, high = _bounds(params)
    if steps == 1:
        return (high, 0.0)
    first, last = float32(math.atan(high)), float32(math.atan(low))
    angles = [mix32(first, last, float32(i / (steps - 1))) for i in range(steps)]
    return (*(min(float32(math.tan(angle)), high) for angle in angles), 0.0)


def linear_quadratic(
    steps: int, params: ScheduleParams, threshold_noise: float = 0.025, linear_steps: int | None = None
) -> tuple[float, ...]:
    """From sigma_max to 0: in even, small steps until `threshold_noise` of it is gone, then in a parabola that goes on
    with the same slope.

    `linear_steps`: how many even steps; None for half of all. Raises RequestError where they leave none for the
    parabola, or where the threshold is so large that it would go below 0.
    """
    _, high = _bounds(params)
    if steps == 1:
        return (high, 0.0)
    even = steps // 2 if linear_steps is None else linear_steps
    if even >= steps:
        raise RequestError(
            f"the schedule 'linear_quadratic' was asked for {even} linear steps of {steps}; leave one for the rest, "
            f"so use {steps - 1} or fewer (with denoise below 1, there are steps/denoise)"
        )
    rest, slope = steps - even, threshold_noise / even
    curve = (1.0 - slope * steps) / rest**2
    if slope + 2.0 * curve * rest <= 0:
        raise RequestError(
            f"the schedule 'linear_quadratic' cannot remove {threshold_noise:g} of the noise in {even} of {steps} "
            "steps: the rest would rise again; lower threshold_noise or use more linear_steps"
        )
    gone = [slope * i + curve * max(i - even, 0) ** 2 for i in range(steps)]
    return (*(float32(float32(1.0 - share) * high) for share in gone), 0.0)


def _bounds(params: ScheduleParams) -> tuple[float, float]:
    """sigma_min and sigma_max in float32."""
    return float32(params.sigma_min), float32(params.sigma_max)
