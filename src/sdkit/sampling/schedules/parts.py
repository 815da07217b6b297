"""Cutting sigmas into parts for several runs, and joining parts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sdkit.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

ALMOST_ZERO = 1e-4
"""What flipped sigmas begin with instead of 0, where no model is defined."""


def step_range(
    sigmas: Sequence[float], start: int = 0, end: int | None = None, *, leftover_noise: bool = False
) -> tuple[float, ...]:
    """The sigmas of the steps from `start` up to, but not including, `end`; empty where that is no step at all.

    `end`: None, and whatever is beyond the last step, takes all. Where steps are left out at the end, the last sigma
    becomes 0, so that the last step removes all noise at once, unless `leftover_noise` asks to leave it for the next
    run, which takes the steps from `end` on without adding noise. Raises RequestError for negative numbers.
    """
    for name, step in (("start_step", start), ("end_step", end)):
        if step is not None and step < 0:
            raise RequestError(f"{name} is {step}; steps are counted from 0")
    cut = tuple(sigmas)
    if end is not None and end < len(cut) - 1:
        cut = cut[: end + 1] if leftover_noise else (*cut[:end], 0.0)
    return cut[start:] if start < len(cut) - 1 else ()


def split_sigmas(sigmas: Sequence[float], step: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The sigmas of the first `step` steps and those of the rest, both with the sigma between them.

    Raises RequestError where there are not so many steps.
    """
    steps = max(len(sigmas) - 1, 0)
    if not 0 <= step <= steps:
        raise RequestError(f"{steps} steps cannot be split at step {step}; use 0 to {steps}")
    return tuple(sigmas[: step + 1]), tuple(sigmas[step:])


def split_sigmas_at(sigmas: Sequence[float], denoise: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The sigmas without and with the last `denoise` of all steps, rounded to whole steps; both have the one between.

    Raises RequestError for what is not in 0…1.
    """
    if not 0 <= denoise <= 1:
        raise RequestError(f"denoise is the share of the steps to split off, from 0 to 1, not {denoise:g}")
    steps = max(len(sigmas) - 1, 0)
    return split_sigmas(sigmas, steps - round(steps * denoise))


def join_sigmas(high: Sequence[float], low: Sequence[float]) -> tuple[float, ...]:
    """Two parts that meet in one sigma as one; what `split_sigmas` has split. An empty part changes nothing.

    Raises RequestError, with both sigmas, where they do not meet.
    """
    if high and low and not math.isclose(high[-1], low[0], rel_tol=1e-6):
        raise RequestError(
            f"the sigmas do not meet: the first part ends at {high[-1]:g}, the second begins at {low[0]:g}; they must "
            "have that one in common"
        )
    return (*high, *low[1:]) if high else tuple(low)


def flip_sigmas(sigmas: Sequence[float]) -> tuple[float, ...]:
    """The sigmas from the last to the first, for going back from a picture to its noise; a 0 becomes 0.0001."""
    flipped = tuple(reversed(sigmas))
    return (ALMOST_ZERO, *flipped[1:]) if flipped and flipped[0] == 0 else flipped
