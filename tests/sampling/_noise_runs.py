"""Runs that are parts of a generation, for the tests of noise."""

from __future__ import annotations

from dataclasses import replace

from sdkit.types import Run
from tests.sampling._figures import make_run


def part_of(
    seeds: tuple[int, ...],
    first: int = 0,
    count: int | None = None,
    *,
    sigmas: tuple[float, ...] = (10.0, 1.0, 0.0),
    size: int = 128,
) -> Run:
    """The run of `count` images from index `first` of a generation with these seeds; all of them unless told
    otherwise."""
    end = len(seeds) if count is None else first + count
    run = make_run(seeds=seeds[first:end], size=size)
    request = run.request.replace(seeds=seeds)
    return replace(run, request=request, sigmas=sigmas, first=first, total=len(seeds))
