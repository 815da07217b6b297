"""A VAE tile by tile, for pictures that are too large at once: three ways to tile, blended where tiles overlap.

Each way on its own leaves seams in other places; their mean hides them. Tiles are square, twice as high as wide with
half the width, and the other way round.

Pictures are cut to 0…1 tile by tile and then blended; ComfyUI blends first. They differ where a tile is beyond black or
white inside of an overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import torch


def decode_tiled(
    decode: Callable[[torch.Tensor], torch.Tensor], latents: torch.Tensor, factor: int, tile: int, overlap: int
) -> torch.Tensor:
    """Pictures `[B, H, W, 3]` of latents `[B, C, h, w]`; `tile` and `overlap` in latent pixels."""

    def one(part: torch.Tensor) -> torch.Tensor:
        return decode(part).movedim(-1, 1)

    # In this order, because sums round.
    narrow, wide, square = _passes(one, latents, factor, tile, overlap)
    return ((narrow + wide + square) / 3.0).movedim(1, -1)


def encode_tiled(
    encode: Callable[[torch.Tensor], torch.Tensor], pictures: torch.Tensor, factor: int, tile: int, overlap: int
) -> torch.Tensor:
    """Latents `[B, C, h, w]` of pictures `[B, H, W, 3]`; `tile` and `overlap` in pixels."""

    def one(part: torch.Tensor) -> torch.Tensor:
        return encode(part.movedim(1, -1))

    narrow, wide, square = _passes(one, pictures.movedim(-1, 1), 1 / factor, tile, overlap)
    return (square + wide + narrow) / 3.0


def _passes(
    function: Callable[[torch.Tensor], torch.Tensor], whole: torch.Tensor, scale: float, tile: int, overlap: int
) -> Iterator[torch.Tensor]:
    """The results for tiles of half the width, of double the width, and square."""
    for height, width in ((tile * 2, tile // 2), (tile // 2, tile * 2), (tile, tile)):
        yield torch.cat([_tiled(function, each[None], scale, (height, width), overlap) for each in whole])


def _tiled(
    function: Callable[[torch.Tensor], torch.Tensor],
    whole: torch.Tensor,
    scale: float,
    tile: tuple[int, int],
    overlap: int,
) -> torch.Tensor:
    """One picture `[1, C, H, W]` by tiles of (height, width), which weigh less towards their edges."""
    sizes = (whole.shape[-2], whole.shape[-1])
    if all(size <= most for size, most in zip(sizes, tile, strict=True)):
        return function(whole)
    height, width = (round(size * scale) for size in sizes)
    starts = [
        range(0, size - overlap, most - overlap) if size > most else range(1)
        for size, most in zip(sizes, tile, strict=True)
    ]
    total = weights = torch.empty(0)
    for top, left in product(*starts):
        part = function(whole[..., top : top + tile[0], left : left + tile[1]])
        weight = _ramp(part.shape[-2], overlap * scale)[:, None] * _ramp(part.shape[-1], overlap * scale)
        if not len(total):
            total = torch.zeros(1, part.shape[1], height, width)
            weights = torch.zeros(height, width)
        y, x = round(top * scale), round(left * scale)
        total[..., y : y + part.shape[-2], x : x + part.shape[-1]] += part.cpu() * weight
        weights[y : y + part.shape[-2], x : x + part.shape[-1]] += weight
    return total / weights


def _ramp(size: int, overlap: float) -> torch.Tensor:
    """Weights that rise from both ends over the overlap; 1 where the tile is no longer than that."""
    feather = round(overlap)
    if feather >= size or feather == 0:
        return torch.ones(size)
    rising = torch.arange(1, size + 1).clamp(max=feather) / feather
    return rising * rising.flip(0)
