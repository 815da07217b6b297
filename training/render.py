"""Scenes to pixels: anti-aliased flat shapes, many pictures at once."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from training.shapes import REACH, TILE, atlas, tile_of
from training.styles import Style, filled
from training.world import COLOURS, Scene

SIDE = 128


class Renderer:
    """Draws scenes by sampling distance templates; one instance holds the template atlas (about 10 MB)."""

    def __init__(self, style: Style = filled) -> None:
        self.style, self.atlas = style, atlas()
        self.palette = {name: torch.tensor(rgb) / 255 for name, rgb in COLOURS.items()}

    def __call__(
        self, scenes: Sequence[Scene], side: int = SIDE, window: Tensor | None = None, crop: int = 0
    ) -> Tensor:
        """Pictures ``[B, 3, side, side]`` in 0..1; with ``window [B, 2]`` (top, left) only ``crop²`` of each."""
        span = crop or side
        corner = torch.zeros(len(scenes), 2) if window is None else window.float()
        steps = torch.arange(span) + 0.5
        image = torch.stack([self.palette[s.background] for s in scenes])[:, :, None, None].expand(-1, -1, span, span)
        image = image.clone()
        for layer in range(max(len(s.things) for s in scenes)):
            rows = [i for i, s in enumerate(scenes) if len(s.things) > layer]
            things = [scenes[i].things[layer] for i in rows]
            numbers = torch.tensor([(t.x, t.y, t.radius, t.angle) for t in things])
            x, y, radius, angle = numbers[:, :, None, None].unbind(1)
            dx = ((corner[rows, 1, None, None] + steps[None, None, :]) / side - x) / radius
            down = corner[rows, 0, None, None] + steps[None, :, None]
            dy = (down / side - y) / radius
            cos, sin = angle.cos(), angle.sin()
            distance = self._sample(
                cos * dx + sin * dy, cos * dy - sin * dx, [tile_of(t.shape, t.pose) for t in things]
            )
            cover = self.style(distance * radius * side, down, radius * side)[:, None]
            colour = torch.stack([self.palette[t.colour] for t in things])[:, :, None, None]
            image[rows] = torch.lerp(image[rows], colour.expand(-1, -1, span, span), cover)
        return image

    def _sample(self, u: Tensor, v: Tensor, tiles: list[int]) -> Tensor:
        """Template distances at shape coordinates ``u``, ``v`` ``[B, S, S]``, from each picture's own tile."""
        height = self.atlas.shape[2]
        edge = REACH * (1 - 1.0 / TILE)
        row = (v.clamp(-edge, edge) + REACH) / (2 * REACH) * TILE + torch.tensor(tiles)[:, None, None] * TILE
        grid = torch.stack((u.clamp(-edge, edge) / REACH, row / height * 2 - 1), -1)
        flat = grid.reshape(1, -1, u.shape[-1], 2)
        return F.grid_sample(self.atlas, flat, padding_mode="border", align_corners=False).view_as(u)
