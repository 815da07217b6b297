"""Align Your Steps: sigmas that were optimised for a model (Sabour et al., arXiv:2404.14507)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from sdkit.sampling.schedules.variance import for_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdkit.types import ScheduleParams

_SIGMAS = {
    "sd1": (
        14.6146412293,
        6.4745760956,
        3.8636745985,
        2.6946151520,
        1.8841921177,
        1.3943805092,
        0.9642583904,
        0.6523686016,
        0.3977456272,
        0.1515232662,
        0.0291671582,
    ),
    "sdxl": (
        14.6146412293,
        6.3184485287,
        3.7681790315,
        2.1811480769,
        1.3405244945,
        0.8620721141,
        0.5550693289,
        0.3798540708,
        0.2332364134,
        0.1114188177,
        0.0291671582,
    ),
    "svd": (700.0, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002),
}
"""The sigmas of ten steps that NVIDIA published: https://research.nvidia.com/labs/toronto-ai/AlignYourSteps/howto.html"""


def align_your_steps(
    steps: int, params: ScheduleParams, table: Literal["auto", "sd1", "sdxl", "svd"] = "auto"
) -> tuple[float, ...]:
    """The published sigmas of the model's family, interpolated in log σ for other than ten steps; the last one is 0.

    `table`: whose; "auto" goes by the family, and takes SD1's for those that none was published for.
    """
    if table == "auto":
        table = "sdxl" if params.family == "sdxl" else "svd" if params.family == "svd" else "sd1"
    return for_model(interpolated(_SIGMAS[table], steps + 1)[:-1], params)


def interpolated(sigmas: Sequence[float], count: int) -> tuple[float, ...]:
    """`count` sigmas that lie evenly on the broken line through these in log σ; two or more of both."""
    if count == len(sigmas):
        return tuple(sigmas)
    logs = [math.log(sigma) for sigma in sigmas]
    places = [i * (len(sigmas) - 1) / (count - 1) for i in range(count)]
    lows = [min(int(place), len(sigmas) - 2) for place in places]
    return tuple(
        math.exp(logs[low] + (place - low) * (logs[low + 1] - logs[low]))
        for low, place in zip(lows, places, strict=True)
    )
