"""Tone curves: smooth, through given points, and never falling between points that rise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import torch


@dataclass(frozen=True)
class Curve:
    """A curve through points (x, y), 0…1, x ascending; flat before the first and after the last.

    Cubic between points, with Fritsch and Carlson's slopes ("Monotone Piecewise Cubic Interpolation", 1980) in the form
    of the harmonic mean of the slopes on both sides.
    """

    points: tuple[tuple[float, float], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """`"0:0 0.5:0.6 1:1"`. Raises ValueError."""
        points: list[tuple[float, float]] = []
        for part in text.replace(",", " ").split():
            x, colon, y = part.partition(":")
            try:
                point = float(x), float(y)
            except ValueError:
                point = math.nan, math.nan
            if not colon or not all(0 <= each <= 1 for each in point):
                raise ValueError(f"a point is written from:to, both in 0…1, such as 0.25:0.2, not {part!r}")
            points.append(point)
        if len(points) < 2:
            raise ValueError(f"a curve goes through two points at least, not through {len(points)}")
        if any(right[0] <= left[0] for left, right in pairwise(points)):
            raise ValueError("the points go from dark to bright: the first numbers must rise")
        return cls(tuple(points))

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """What the curve makes of the values; a new tensor."""
        xs, ys = (values.new_tensor(each) for each in zip(*self.points, strict=True))
        slopes = values.new_tensor(self._slopes())
        x = values.clamp(self.points[0][0], self.points[-1][0])
        right = torch.bucketize(x, xs, right=True).clamp(1, len(xs) - 1)
        left = right - 1
        width = xs[right] - xs[left]
        t = (x - xs[left]) / width
        cubic = (2 * t**3 - 3 * t**2 + 1) * ys[left] + (3 * t**2 - 2 * t**3) * ys[right]
        return cubic + width * ((t**3 - 2 * t**2 + t) * slopes[left] + (t**3 - t**2) * slopes[right])

    def _slopes(self) -> list[float]:
        rises = [(right[1] - left[1]) / (right[0] - left[0]) for left, right in pairwise(self.points)]
        inner = [2 * a * b / (a + b) if a * b > 0 else 0.0 for a, b in pairwise(rises)]
        return [rises[0], *inner, rises[-1]]
