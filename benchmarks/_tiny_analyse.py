"""Reads a picture of the small world back into words: background, and each object's colour, shape, place and size.

Independent of the renderer: colours by distance to the palette, objects as connected regions, shapes by the overlap of
the size-normalised region with templates in several rotations, poses and croppings.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from training.shapes import REACH, TILE, stick_figure, template
from training.world import COLOURS, SHAPES

GRID = 32
"""Side of the normalised masks that are compared."""
LEAST_AREA = 0.003
"""Regions smaller than this share of the picture are specks."""
LEAST_OVERLAP = {"stick figure": 0.5}
"""Below this intersection over union (0.7 for all others) a region has no shape."""


@dataclass(frozen=True)
class Seen:
    """One object: names from the world's lists (``shape`` None: a blob), centre and radius as shares of the side."""

    colour: str
    shape: str | None
    overlap: float
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Reading:
    """What a picture shows; objects by falling area."""

    background: str
    objects: tuple[Seen, ...]


class Analyser:
    """Holds the templates (built once, about a second)."""

    def __init__(self) -> None:
        self.palette = torch.tensor(list(COLOURS.values())) / 255
        self.templates, self.shapes, self.extents = _templates()

    def __call__(self, picture: Tensor) -> Reading:
        """Read one picture ``[3, H, W]`` in 0..1."""
        pixels = picture.permute(1, 2, 0).float()
        side = pixels.shape[0]
        border = torch.cat(
            [
                pixels[:2].flatten(0, 1),
                pixels[-2:].flatten(0, 1),
                pixels[2:-2, :2].flatten(0, 1),
                pixels[2:-2, -2:].flatten(0, 1),
            ]
        )
        background = int(torch.cdist(border, self.palette).argmin(1).mode().values)
        ground = self.palette[background]
        away = (pixels - ground).norm(dim=-1)
        found = []
        for region in _regions(away > 0.16):
            if region.sum() < LEAST_AREA * side * side:
                continue
            colour = self._colour(pixels, region, away)
            along = self.palette[colour] - ground
            if colour == background:
                continue
            share = (pixels - ground) @ along / along.square().sum()
            mask = _grow(region) & (share > 0.5)
            if mask.sum() >= LEAST_AREA * side * side:
                found.append((int(mask.sum()), self._describe(mask, colour)))
        found.sort(key=lambda item: -item[0])
        return Reading(list(COLOURS)[background], tuple(seen for _, seen in found))

    def _colour(self, pixels: Tensor, region: Tensor, away: Tensor) -> int:
        """The palette colour of the region's inside (of the quarter farthest from the background, if it is thin)."""
        inside = _shrink(region)
        if inside.sum() < 12:
            inside = region & (away >= away[region].quantile(0.75))
        return int((pixels[inside].median(0).values - self.palette).norm(dim=-1).argmin())

    def _describe(self, mask: Tensor, colour: int) -> Seen:
        rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
        top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
        small = _normalise(mask[top:bottom, left:right])
        overlap = torch.minimum(small, self.templates).sum((1, 2)) / torch.maximum(small, self.templates).sum((1, 2))
        best = int(overlap.argmax())
        shape, side = self.shapes[best], mask.shape[0]
        known = float(overlap[best]) >= LEAST_OVERLAP.get(shape, 0.7)
        return Seen(
            colour=list(COLOURS)[colour],
            shape=shape if known else None,
            overlap=float(overlap[best]),
            x=(left + right) / 2 / side,
            y=(top + bottom) / 2 / side,
            radius=max(bottom - top, right - left) / 2 / side / self.extents[shape],
        )


def _shrink(mask: Tensor) -> Tensor:
    return ~_grow(~mask)


def _grow(mask: Tensor) -> Tensor:
    return F.max_pool2d(mask.float()[None, None], 3, 1, 1)[0, 0] > 0


def _regions(mask: Tensor) -> list[Tensor]:
    """Connected regions of a mask; gaps of up to two pixels do not separate."""
    joined = _grow(mask)
    labels = torch.arange(1, mask.numel() + 1).view(mask.shape).float() * joined
    while True:
        spread = F.max_pool2d(labels[None, None], 3, 1, 1)[0, 0] * joined
        if torch.equal(spread, labels):
            break
        labels = spread
    return [mask & (labels == label) for label in labels.unique() if label > 0]


def _normalise(mask: Tensor) -> Tensor:
    """A cropped mask, aspect kept, centred in a ``GRID`` square; values 0..1."""
    height, width = mask.shape
    scale = GRID / max(height, width)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    small = F.interpolate(mask.float()[None, None], size, mode="bilinear", antialias=True)[0, 0]
    top, left = (GRID - size[0]) // 2, (GRID - size[1]) // 2
    return F.pad(small, (left, GRID - size[1] - left, top, GRID - size[0] - top))


def _templates(poses: int = 96) -> tuple[Tensor, list[str], dict[str, float]]:
    """Normalised masks ``[N, GRID, GRID]``, the shape of each, and each shape's half extent in radii."""
    masks, shapes, extents = [], [], {}
    for shape in SHAPES:
        posed = shape == "stick figure"
        for distance in [stick_figure(pose) for pose in range(poses)] if posed else [template(shape)]:
            for degrees in (-10, 0, 10) if posed else range(-15, 16, 3):
                mask = _turned(distance, math.radians(degrees)) < 0
                box = _crop(mask)
                if degrees == 0:
                    extents[shape] = max(extents.get(shape, 0.0), max(box.shape) / TILE * REACH)
                for cut in _cuts(box, (0.0,) if posed else (0.0, 0.08, 0.16)):
                    masks.append(_normalise(cut))
                    shapes.append(shape)
    return torch.stack(masks), shapes, extents


def _cuts(box: Tensor, shares: tuple[float, ...]) -> list[Tensor]:
    """The box as it is, and with a share of it lost beyond one edge of the picture."""
    cuts = []
    for share in shares:
        height, width = round(box.shape[0] * share), round(box.shape[1] * share)
        if share == 0:
            cuts.append(box)
        else:
            cuts += [box[height:], box[: box.shape[0] - height], box[:, width:], box[:, : box.shape[1] - width]]
    return [_crop(cut) for cut in cuts]


def _crop(mask: Tensor) -> Tensor:
    rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _turned(distance: Tensor, angle: float) -> Tensor:
    matrix = torch.tensor([[[math.cos(angle), math.sin(angle), 0], [-math.sin(angle), math.cos(angle), 0]]])
    grid = F.affine_grid(matrix, [1, 1, TILE, TILE], align_corners=False)
    return F.grid_sample(distance[None, None], grid, padding_mode="border", align_corners=False)[0, 0]
