"""Where guidance acts and how strongly, as functions of sigma: intervals, and scales that change on the way."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from sdkit.sampling import parameterisation

if TYPE_CHECKING:
    from sdkit.types import Run
    from sdkit_guidance.options import DynthreshOptions, GuidanceOptions, Mode

ScaleAt = Callable[[float], float]


def interval(options: GuidanceOptions, run: Run) -> tuple[float, float]:
    """The sigmas above the first and up to the second are guided (Kynkäänniemi et al., arXiv:2404.07724)."""
    if options.interval is not None:
        return options.interval
    if options.interval_percent is not None:
        start, end = map(parameterisation(run.spec).percent_to_sigma, options.interval_percent)
        return end, start
    return -math.inf, math.inf


def guidance_scale(options: DynthreshOptions, run: Run) -> ScaleAt:
    """The request's guidance scale, changing as `cfg_mode` says."""
    scale = run.request.guidance_scale
    assert scale is not None, "the pipeline resolves requests"
    return changing(scale, options.cfg_scale_min, options.cfg_mode, options.sched_val, run)


def changing(scale: float, least: float, mode: Mode, sched_val: float, run: Run) -> ScaleAt:
    """From `scale` to `least`, or the other way round: (scale − least)·shape(way) + least."""
    if mode == "constant":
        return lambda _: scale
    rules, last = parameterisation(run.spec), len(run.spec.sigmas) - 1

    def scale_at(sigma: float) -> float:
        way = min(max((last - rules.timestep(sigma)) / max(last - 1, 1), 0.0), 1.0)
        return (scale - least) * _shape(mode, way, sched_val) + least

    return scale_at


def _shape(mode: Mode, way: float, sched_val: float) -> float:
    """How much of a scale is there at a share of the way from noise, 0, to picture, 1.

    sd-dynamic-thresholding's modes as they are, so that settings can be taken over: its "half" cosines go through one
    radian, the others through a quarter turn.
    """
    repeated = way * sched_val % 1.0
    match mode:
        case "constant":
            return 1.0
        case "linear_down":
            return 1.0 - way
        case "linear_up":
            return way
        case "cosine_down":
            return math.cos(way * math.pi / 2)
        case "cosine_up":
            return 1.0 - math.cos(way * math.pi / 2)
        case "half_cosine_down":
            return math.cos(way)
        case "half_cosine_up":
            return 1.0 - math.cos(way)
        case "power_down":
            return 1.0 - way**sched_val
        case "power_up":
            return way**sched_val
        case "linear_repeating":
            return abs(1.0 - 2.0 * repeated)
        case "cosine_repeating":
            return math.cos(2 * math.pi * way * sched_val) / 2 + 0.5
        case "sawtooth":
            return repeated
