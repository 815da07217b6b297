"""The beta schedule, and the distribution function that it needs."""

from __future__ import annotations

import functools
import math
from bisect import bisect_left
from typing import TYPE_CHECKING

from sdkit.rounding import float32

if TYPE_CHECKING:
    from sdkit.types import ScheduleParams

_TIE = 1e-12
_TERMS = 200


def beta(steps: int, params: ScheduleParams, alpha: float = 0.6, beta: float = 0.6) -> tuple[float, ...]:
    """Training timesteps at even quantiles of the beta distribution from the last on, then 0 (Lee et al.,
    arXiv:2407.12173): with `alpha` and `beta` below 1 dense at both ends.

    Each is rounded to a timestep of the table, and visited once, so that there may be fewer steps than asked for.
    """
    last = len(params.sigmas) - 1

    @functools.cache
    def up_to(timestep: int) -> float:
        """How much of the distribution is nearer to this timestep or to those below than to the next one."""
        return beta_distribution((timestep + 0.5) / last, alpha, beta)

    def nearest(part: float) -> int:
        if part >= 1:
            return last
        found = bisect_left(range(last), part - _TIE, key=up_to)
        half = found < last and abs(up_to(found) - part) < _TIE
        return found + 1 if half and found % 2 else found  # halves are rounded to even

    visited = dict.fromkeys(nearest(1.0 - i / steps) for i in range(steps))
    return (*(float32(params.sigmas[timestep]) for timestep in visited), 0.0)


def beta_distribution(x: float, a: float, b: float) -> float:
    """The share of the beta distribution below x: the regularised incomplete beta function, to about 1e-13.

    By its continued fraction (Abramowitz & Stegun, 26.5.8), in the half where that converges fast.
    """
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    if x < (a + 1.0) / (a + b + 2.0):
        return math.exp(log_front) / (a * _fraction(x, a, b))
    return 1.0 - math.exp(log_front) / (b * _fraction(1.0 - x, b, a))


def _fraction(x: float, a: float, b: float) -> float:
    """1 + d₁/(1 + d₂/(1 + …)), from the inside out: so many terms serve every a and b up to some thousands."""
    value = 1.0
    for term in range(_TERMS, 0, -1):
        m, odd = divmod(term, 2)
        top = -(a + m) * (a + b + m) if odd else m * (b - m)
        value = 1.0 + top * x / ((a + term - 1.0) * (a + term)) / value
    return value
