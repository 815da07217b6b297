"""Where to restart: segments, the options that hold them, the pieces that they cut a run into. Imports no torch."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator

Sigma = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Sigmas = tuple[float, ...]

RHO = 7
"""Spacing of the sigmas within a segment, as in the paper: that of Karras et al., arXiv:2206.00364, eq. 5."""


class Segment(NamedTuple):
    """One stretch to go over again, in the order of the paper's tables: N_Restart, K, t_min, t_max.

    `points` counts sigmas, both ends included, so that a restart is `points - 1` steps.
    """

    points: Annotated[int, Field(ge=2, le=1000)]
    restarts: Annotated[int, Field(ge=0, le=100)]
    t_min: Sigma
    t_max: Sigma


STABLE_DIFFUSION = (Segment(10, 2, 0.1, 2.0),)
"""The stretch of sigmas that is customary for Stable Diffusion: where shapes are settled and details are not."""


class RestartOptions(BaseModel):
    """Options of the sampler `restart`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    segments: tuple[Segment, ...] = STABLE_DIFFUSION
    """Where to restart: `[[points, restarts, t_min, t_max], …]`, as in the paper's tables."""
    s_noise: float = Field(default=1.0, ge=0, le=10, allow_inf_nan=False)
    """Factor on the noise that is added; slightly above 1 makes up for detail that the model loses."""

    @field_validator("segments")
    @classmethod
    def _go_up(cls, segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
        for segment in segments:
            if segment.t_min >= segment.t_max:
                raise ValueError(f"t_min must be below t_max, but {segment.t_min:g} is not below {segment.t_max:g}")
        return segments


class RestartAnySampler(RestartOptions):
    """Options of the namespace `restart`, which add restarts to any other sampler."""

    enabled: bool = False
    """Whether to restart."""


def pieces(sigmas: Sigmas, segments: tuple[Segment, ...]) -> list[Sigmas]:
    """The descents of a run, in order. One that begins above where the last one ended is a restart: it needs noise.

    t_min is rounded to the nearest of the run's sigmas after the first and above 0 (the paper's algorithm 2). Two
    deviations, for runs that start late (img2img) or are short: t_max is lowered to the run's first sigma, because more
    noise than the run began with would lose its start; and a segment that is empty after that is left out.
    """
    descents: dict[int, list[Sigmas]] = {}
    stops = [index for index, sigma in enumerate(sigmas) if index > 0 and sigma > 0]
    for points, restarts, t_min, t_max in segments:
        stop = min(stops, key=lambda index: abs(sigmas[index] - t_min), default=0)
        top = min(t_max, sigmas[0])
        if restarts and sigmas[stop] < top:
            descents.setdefault(stop, []).extend([_descent(top, sigmas[stop], points)] * restarts)
    ends = [0, *sorted(descents), len(sigmas) - 1]
    found: list[Sigmas] = []
    for start, end in pairwise(ends):
        found += descents.get(start, [])
        if start < end:
            found.append(sigmas[start : end + 1])
    return found


def _descent(top: float, bottom: float, points: int) -> Sigmas:
    high, low = top ** (1 / RHO), bottom ** (1 / RHO)
    between = ((high + (low - high) * i / (points - 1)) ** RHO for i in range(1, points - 1))
    return (top, *between, bottom)
