"""HyperTile: attention within tiles, the number of which changes from layer to layer.

Chance comes from a generator of its own for every choice, seeded with the choice's number, so that nothing depends on
a global one and runs can be repeated. ComfyUI's node draws from torch's global generator.
"""

from __future__ import annotations

import itertools
import math
import random
from typing import TYPE_CHECKING

import torch

from sdkit.types import Attend, AttentionPatch, AttentionSite

if TYPE_CHECKING:
    from sdkit_unet_patches.techniques import HyperTile

LEAST = 32
"""Least side of a tile, in pixels of the picture."""
FACTOR = 8
"""Pixels per latent pixel."""


def hypertile(options: HyperTile) -> AttentionPatch:
    """Around the layers among the pixels, at the latents' own resolution and `max_depth` halvings of it."""
    least = max(LEAST, options.tile_size) // FACTOR
    choices = itertools.count(1)

    def layer(
        attend: Attend, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, site: AttentionSite
    ) -> torch.Tensor:
        tokens = query.shape[1]
        depth = depth_of(tokens, site.call.shape[-2:], options.max_depth)
        if site.kind != "self" or depth is None:
            return attend(query, key, value)
        height, width = _exchanged(tokens, site.call.shape) if options.as_comfyui else site.size
        if height * width != tokens:  # another patch has merged some, or there are no such sides
            return attend(query, key, value)
        smallest = least * (2**depth if options.scale_depth else 1)
        rows, columns = (
            parts(side, smallest, options.swap_size, next(choices), but_last=options.as_comfyui)
            for side in (height, width)
        )
        if rows * columns == 1:
            return attend(query, key, value)
        grid = rows, height // rows, columns, width // columns
        tiles = in_tiles(query, grid)
        if options.as_comfyui:
            keys, values = (each.reshape(len(tiles), tokens // rows // columns, -1) for each in (key, value))
        else:
            keys, values = in_tiles(key, grid), in_tiles(value, grid)
        return out_of_tiles(attend(tiles, keys, values), grid)

    return AttentionPatch(layer=layer)


def depth_of(tokens: int, size: tuple[int, int], deepest: int) -> int | None:
    """How many times latents of this size were halved to have so many pixels; None for no number up to `deepest`."""
    height, width = size
    return next((d for d in range(deepest + 1) if height / 2**d * (width / 2**d) == tokens), None)


def parts(side: int, smallest: int, options: int, seed: int, *, but_last: bool = False) -> int:
    """Into how many equal parts of at least `smallest` a side is cut: one of the largest `options` numbers, by chance.
    `but_last`: the smallest of these numbers is never taken where there are several, as in ComfyUI's node."""
    lengths = [length for length in range(min(smallest, side), side + 1) if side % length == 0][:options]
    if but_last and len(lengths) > 1:
        lengths.pop()
    return side // random.Random(seed).choice(lengths)


def in_tiles(tokens: torch.Tensor, grid: tuple[int, int, int, int]) -> torch.Tensor:
    """`[R, tokens, C]` → `[R · tiles, tokens / tiles, C]`; `grid`: how many tiles above one another, and how high; how
    many beside one another, and how wide."""
    rows, height, columns, width = grid
    tiles = tokens.reshape(-1, *grid, tokens.shape[-1]).transpose(2, 3)
    return tiles.reshape(len(tokens) * rows * columns, height * width, tokens.shape[-1])


def out_of_tiles(tiles: torch.Tensor, grid: tuple[int, int, int, int]) -> torch.Tensor:
    """The way back."""
    rows, height, columns, width = grid
    tokens = tiles.reshape(-1, rows, columns, height, width, tiles.shape[-1]).transpose(2, 3)
    return tokens.flatten(1, 4)


def _exchanged(tokens: int, shape: tuple[int, ...]) -> tuple[int, int]:
    """The two sides of a feature map as ComfyUI's node has them: their quotient is width by height, not height by
    width."""
    aspect = shape[-1] / shape[-2]
    return round(math.sqrt(tokens * aspect)), round(math.sqrt(tokens / aspect))
