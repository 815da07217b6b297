"""Batches of one value: what is painted into."""

from __future__ import annotations

import torch

from sdkit.editing.checks import check_least, check_within
from sdkit.editing.scaling import FACTOR


def empty_images(width: int, height: int, count: int = 1, colour: int = 0) -> torch.Tensor:
    """`count` pictures of one colour, 0xRRGGBB: `[count, height, width, 3]`."""
    _check(width, height, 1)
    check_least("count", count, 1)
    check_within("colour", colour, 0, 0xFFFFFF)
    channels = torch.tensor([colour >> 16 & 255, colour >> 8 & 255, colour & 255]) / 255
    return channels.repeat(count, height, width, 1)


def solid_masks(value: float, width: int, height: int) -> torch.Tensor:
    """One mask of one value: `[1, height, width]`."""
    _check(width, height, 1)
    return torch.full((1, height, width), float(value))


def empty_latents(width: int, height: int, count: int = 1, channels: int = 4) -> torch.Tensor:
    """Zeros for `count` pictures of so many pixels: `[count, channels, height/8, width/8]`, rounded down."""
    _check(width, height, FACTOR)
    check_least("count", count, 1)
    return torch.zeros(count, channels, height // FACTOR, width // FACTOR)


def _check(width: int, height: int, least: int) -> None:
    check_least("width", width, least)
    check_least("height", height, least)
