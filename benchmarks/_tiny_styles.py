"""Measures how a picture's shape is painted: what share of its inside is filled, and how many stripes it has."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from training.world import COLOURS

EDGE = 9
"""What lies within this many pixels of the edge is not inside: an outline is up to 8.3 pixels wide."""
GAP = 9
"""Gaps of up to this many pixels in an outline, or between stripes, are closed before its inside is looked for."""
PADDING = 2 * GAP


@dataclass(frozen=True)
class Paint:
    """How one shape is painted.

    ``fill``: the share of the inside that has the shape's colour, None if there is no inside. ``stripes``: stretches of
    that colour from top to bottom, a mean over the middle half of the shape's columns (a filled square: 1).
    """

    fill: float | None
    stripes: float


def paint(picture: Tensor, colour: str, background: str) -> Paint:
    """Of a picture ``[3, H, W]`` in 0..1 with one shape of known colours. Raises ValueError if there is none."""
    near, far = (torch.tensor(COLOURS[name]) / 255 for name in (background, colour))
    share = torch.einsum("chw,c->hw", picture.float() - near[:, None, None], far - near) / (far - near).square().sum()
    painted = share > 0.5
    columns = painted.any(0).nonzero().flatten()
    if len(columns) == 0:
        raise ValueError(f"nothing in the picture is {colour}")
    left, right = int(columns[0]), int(columns[-1]) + 1
    quarter = (right - left) // 4
    middle = painted[:, left + quarter : right - quarter]
    starts = (middle[1:] & ~middle[:-1]).sum() + middle[0].sum()
    inside = _shrink(_solid(painted), EDGE)
    fill = float(painted[inside].float().mean()) if inside.any() else None
    return Paint(fill, float(starts / middle.shape[1]))


def _solid(mask: Tensor) -> Tensor:
    """The mask without holes: what cannot be reached from the picture's border, gaps closed."""
    closed = _grow(F.pad(mask, (PADDING,) * 4), (GAP + 1) // 2)
    outside = torch.zeros_like(closed)
    outside[0] = True
    while True:
        spread = _grow(outside, 1) & ~closed
        if torch.equal(spread, outside):
            break
        outside = spread
    return _shrink(~outside, (GAP + 1) // 2)[PADDING:-PADDING, PADDING:-PADDING]


def _grow(mask: Tensor, by: int) -> Tensor:
    return F.max_pool2d(mask.float()[None, None], 2 * by + 1, 1, by)[0, 0] > 0


def _shrink(mask: Tensor, by: int) -> Tensor:
    return ~_grow(~mask, by)
