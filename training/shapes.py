"""Signed distance templates of the nine shapes, in units of the shape's radius (negative inside)."""

import math
import random

import torch
from torch import Tensor

from training.world import POSES, SHAPES

REACH = 1.5
"""A template covers [-REACH, REACH] in both directions."""
TILE = 96
"""Samples along a template's side."""


def atlas() -> Tensor:
    """All templates as one column ``[1, 1, tiles * TILE, TILE]``; tile numbers come from ``tile_of``."""
    tiles = [template(shape) for shape in SHAPES[:-1]]
    tiles += [stick_figure(pose) for pose in range(POSES)]
    return torch.cat(tiles)[None, None]


def tile_of(shape: str, pose: int) -> int:
    """Which tile of the atlas holds the shape (a stick figure has one for every pose)."""
    return len(SHAPES) - 1 + pose if shape == SHAPES[-1] else SHAPES.index(shape)


def template(shape: str) -> Tensor:
    """Signed distances ``[TILE, TILE]`` of a shape without poses."""
    points = _points()
    if shape == "circle":
        return points.norm(dim=-1) - 1
    if shape == "ring":
        return (points.norm(dim=-1) - 0.78).abs() - 0.22
    return polygon(points, torch.tensor(_CORNERS[shape]()))


def stick_figure(pose: int) -> Tensor:
    """A stick figure whose limbs are drawn from the pose's own random numbers; ``[TILE, TILE]``."""
    rng = random.Random(f"pose {pose}")
    shoulder, hip = (0.0, -0.34), (0.0, 0.22)
    lines = [((0.0, -0.5), hip)]
    for side in (-1, 1):
        arm, leg = rng.uniform(-0.6, 0.9), rng.uniform(0.25, 0.75)
        lines.append((shoulder, (side * 0.66 * math.cos(arm), shoulder[1] + 0.66 * math.sin(arm))))
        lines.append((hip, (side * 0.78 * math.sin(leg), hip[1] + 0.78 * math.cos(leg))))
    points = _points()
    distance = (points - torch.tensor((0.0, -0.72))).norm(dim=-1) - 0.27
    for start, end in lines:
        distance = torch.minimum(distance, _segment(points, torch.tensor(start), torch.tensor(end)) - 0.11)
    return distance


def polygon(points: Tensor, corners: Tensor) -> Tensor:
    """Signed distance from ``points [H, W, 2]`` to a closed polygon ``[N, 2]`` (even-odd rule)."""
    distance = torch.full(points.shape[:2], math.inf)
    inside = torch.zeros(points.shape[:2], dtype=torch.bool)
    for a, b in zip(corners, corners.roll(-1, 0), strict=True):
        distance = torch.minimum(distance, _segment(points, a, b))
        crosses = (a[1] <= points[..., 1]) != (b[1] <= points[..., 1])
        at = a[0] + (points[..., 1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0])
        inside ^= crosses & (points[..., 0] < at)
    return torch.where(inside, -distance, distance)


def _points() -> Tensor:
    axis = (torch.arange(TILE) + 0.5) / TILE * 2 * REACH - REACH
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack((x, y), -1)


def _segment(points: Tensor, a: Tensor, b: Tensor) -> Tensor:
    along = ((points - a) @ (b - a) / (b - a).square().sum()).clamp(0, 1)
    return (points - a - along[..., None] * (b - a)).norm(dim=-1)


def _star() -> list[tuple[float, float]]:
    corners = []
    for k in range(10):
        radius, turn = (0.44 if k % 2 else 1.0), math.pi * k / 5
        corners.append((radius * math.sin(turn), -radius * math.cos(turn)))
    return corners


def _heart() -> list[tuple[float, float]]:
    corners = []
    for k in range(60):
        t = 2 * math.pi * (k + 0.5) / 60
        x = 16 * math.sin(t) ** 3
        y = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        corners.append((x / 17, -(y + 2.5) / 17))
    return corners


def _cross() -> list[tuple[float, float]]:
    a, b = 0.3, 0.95
    return [(-a, -b), (a, -b), (a, -a), (b, -a), (b, a), (a, a), (a, b), (-a, b), (-a, a), (-b, a), (-b, -a), (-a, -a)]


_CORNERS = {
    "square": lambda: [(-0.82, -0.82), (0.82, -0.82), (0.82, 0.82), (-0.82, 0.82)],
    "triangle": lambda: [(0.0, -1.0), (0.95, 0.75), (-0.95, 0.75)],
    "diamond": lambda: [(0.0, -1.0), (0.68, 0.0), (0.0, 1.0), (-0.68, 0.0)],
    "star": _star,
    "heart": _heart,
    "cross": _cross,
}
