"""Where embeddings count: areas and masks, in latent pixels.

The rules are ComfyUI's, so that pictures made there come out the same: an area is shown to the model alone; without a
mask, its edges inside the picture fade over at most eight latent pixels; and each area has a counterpart in the other
branch, so that guidance compares predictions of the same section.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from sdkit.types import Embedding

FADE = 8
"""Most latent pixels over which an area's inner edge fades; a quarter of its side at most."""

LEAST = 8
"""Least side of a mask's bounding box."""

TINY = 1e-37
"""What the weights of a place begin with, so that those of one where nothing counts can be divided by."""


@dataclass(frozen=True)
class Place:
    """A rectangle of the latents: where it begins, and its size."""

    top: int
    left: int
    height: int
    width: int

    def holds(self, other: Place) -> bool:
        """Whether another one lies inside."""
        return (
            other.top >= self.top
            and other.left >= self.left
            and other.top + other.height <= self.top + self.height
            and other.left + other.width <= self.left + self.width
        )


@dataclass(frozen=True, eq=False)
class Placed:
    """An embedding with its place, None for the whole picture, and its mask in the latents' size, `[1 or B, h, w]`."""

    embedding: Embedding
    place: Place | None = None
    mask: torch.Tensor | None = None


def part_of(latents: torch.Tensor, place: Place | None) -> torch.Tensor:
    """The part of `[…, h, w]` in a place, as a view."""
    if place is None:
        return latents
    return latents[..., place.top : place.top + place.height, place.left : place.left + place.width]


def lay_out(
    positive: Sequence[Embedding], negative: Sequence[Embedding], x: torch.Tensor
) -> tuple[tuple[Placed, ...], tuple[Placed, ...]]:
    """Both branches with the places of their embeddings in latents like `x`, `[B, C, h, w]`.

    Each branch gets a copy for every area in the other one: what the smallest embedding around that area says, where
    and when the one in the other branch counts. It stands beside that embedding, which stays as it is.
    """
    branches = [[_placed(embedding, x) for embedding in branch] for branch in (positive, negative)]
    for mine, others in (branches, branches[::-1]):
        for placed in list(mine):
            around = _smallest_around(placed, others)
            if around is not None and around.place != placed.place:
                others.append(replace(placed, embedding=_saying(placed.embedding, around.embedding)))
    ours, theirs = (tuple(placed for placed in branch if not _empty(placed)) for branch in branches)
    return ours, theirs


def weights_of(branch: Sequence[Placed], x: torch.Tensor) -> list[torch.Tensor]:
    """Which share of the branch each embedding is in its place, `[1 or B, 1, h, w]`: its weight over the sum of all
    weights there; where nothing counts, all shares are 0."""
    weights = [_weight(placed, x) for placed in branch]
    total = x.new_full((max(map(len, weights), default=1), 1, *x.shape[-2:]), TINY)
    for placed, weight in zip(branch, weights, strict=True):
        part_of(total, placed.place).add_(weight)
    return [weight / part_of(total, placed.place) for placed, weight in zip(branch, weights, strict=True)]


def _placed(embedding: Embedding, x: torch.Tensor) -> Placed:
    height, width = x.shape[-2:]
    mask = embedding.mask
    if mask is not None:
        mask = mask.to(x)
        if mask.shape[-2:] != (height, width):
            mask = F.interpolate(mask[:, None], size=(height, width), mode="bilinear", align_corners=False)[:, 0]
    area = embedding.area
    if area is None or (area == "mask" and mask is None):
        return Placed(embedding, None, mask)
    if isinstance(area, str):
        assert mask is not None
        place = _bounds(mask)
    else:
        rows, columns = max(1, round(area.height * height)), max(1, round(area.width * width))
        place = Place(round(area.top * height), round(area.left * width), rows, columns)
    cut = replace(place, height=min(place.height, height - place.top), width=min(place.width, width - place.left))
    return Placed(embedding, cut, mask)


def _bounds(mask: torch.Tensor) -> Place:
    """The bounding box of what is not 0 in any row of a mask."""
    there = mask.ne(0).any(dim=0)
    if not bool(there.any()):
        return Place(0, 0, LEAST, LEAST)
    rows, columns = (there.any(dim=side).nonzero().flatten() for side in (1, 0))
    (top, bottom), (left, right) = ((int(each[0]), int(each[-1])) for each in (rows, columns))
    return Place(top, left, max(LEAST, bottom - top + 1), max(LEAST, right - left + 1))


def _smallest_around(placed: Placed, others: Sequence[Placed]) -> Placed | None:
    """What stands around an area: of several, the smallest. No area is the whole picture."""
    if placed.place is None:
        return None
    smallest: Placed | None = None
    for other in others:
        if other.place is None:
            smallest = smallest or other
        elif other.place.holds(placed.place) and (smallest is None or _size(other.place) < _size(smallest.place)):
            smallest = other
    return smallest


def _size(place: Place | None) -> float:
    return math.inf if place is None else place.height * place.width


def _saying(where: Embedding, what: Embedding) -> Embedding:
    return replace(where, context=what.context, pooled=what.pooled, size=what.size, channels=what.channels)


def _empty(placed: Placed) -> bool:
    """Whether its area is outside the picture, or it has no strength."""
    outside = placed.place is not None and min(placed.place.height, placed.place.width) <= 0
    return outside or placed.embedding.strength == 0


def _weight(placed: Placed, x: torch.Tensor) -> torch.Tensor:
    if placed.mask is not None:
        return part_of(placed.mask, placed.place)[:, None] * placed.embedding.strength
    rows, columns = part_of(x, placed.place).shape[-2:]
    weight = torch.full((1, 1, rows, columns), placed.embedding.strength, dtype=x.dtype, device=x.device)
    place = placed.place
    if place is not None:
        weight *= _ramp(rows, place.top > 0, place.top + rows < x.shape[-2]).to(x)[:, None]
        weight *= _ramp(columns, place.left > 0, place.left + columns < x.shape[-1]).to(x)
    return weight


def _ramp(size: int, rising: bool, falling: bool) -> torch.Tensor:
    """1 in the middle, falling towards those of its ends that are not the picture's."""
    ramp, length = torch.ones(size), min(FADE, size // 4)
    edge = torch.arange(1, length + 1) / max(length, 1)
    if rising:
        ramp[:length] *= edge
    if falling:
        ramp[size - length :] *= edge.flip(0)
    return ramp
