"""Pictures side by side, and pictures in a frame of a given size."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F

from sdkit.editing.batches import match_channels
from sdkit.editing.checks import check_choice, check_images, check_least
from sdkit.editing.scaling import ScaleMethod, resize

Direction = Literal["right", "down", "left", "up"]
"""Where the second picture goes, seen from the first."""
Colour = tuple[float, float, float]


def stitch_images(
    first: torch.Tensor,
    second: torch.Tensor,
    direction: Direction = "right",
    *,
    match_size: bool = True,
    spacing: int = 0,
    colour: Colour = (1.0, 1.0, 1.0),
) -> torch.Tensor:
    """Pictures `[B, H, W, C]` beside, below or above others; the shorter batch goes on with its last picture.

    `match_size`: the second ones get the height of the first ones (`right`, `left`) or their width, by Lanczos;
    otherwise the smaller ones get room around their middles, of `colour` where that is a grey, else black, as in
    ComfyUI. `spacing`: pixels of `colour` between the two, one more where it is odd. Where some have alpha, the others
    get an alpha of 1.
    """
    check_images(first, "first")
    check_images(second, "second")
    check_choice("direction", direction, get_args(Direction))
    check_least("spacing", spacing, 0)
    across = direction in ("right", "left")
    count, channels = max(len(first), len(second)), max(first.shape[3], second.shape[3])
    pictures = [_longer(match_channels(each, channels), count) for each in (first, second.to(first.device))]
    if match_size:
        height, width = first.shape[1:3]
        aspect = second.shape[2] / second.shape[1]
        size = (int(height * aspect), height) if across else (width, int(width / aspect))
        pictures[1] = resize(pictures[1].movedim(-1, 1), max(1, size[0]), max(1, size[1]), "lanczos").movedim(1, -1)
    room = colour[0] if len(set(colour)) == 1 else 0.0
    side = 1 if across else 2
    longest = max(each.shape[side] for each in pictures)
    parts = [_centred(each, side, longest, room) for each in pictures]
    if spacing:
        parts.insert(1, _strip(parts[0], across, spacing + spacing % 2, colour))
    return torch.cat(parts if direction in ("right", "down") else parts[::-1], dim=2 if across else 1)


def frame_images(
    images: torch.Tensor, width: int, height: int, colour: float = 0.0, method: ScaleMethod = "bilinear"
) -> torch.Tensor:
    """Pictures `[B, H, W, C]` scaled until they fit into a frame, in the middle of it: `[B, height, width, C]`.

    `colour`: the grey of the rest, 0…1, in all channels.
    """
    check_images(images)
    check_least("width", width, 1)
    check_least("height", height, 1)
    factor = min(width / images.shape[2], height / images.shape[1])
    wide, high = max(1, int(images.shape[2] * factor)), max(1, int(images.shape[1] * factor))
    scaled = resize(images.movedim(-1, 1), wide, high, method).movedim(1, -1)
    left, top = (width - wide) // 2, (height - high) // 2
    return F.pad(scaled, (0, 0, left, width - wide - left, top, height - high - top), value=colour)


def _longer(images: torch.Tensor, count: int) -> torch.Tensor:
    missing = count - len(images)
    return torch.cat((images, images[-1:].expand(missing, -1, -1, -1))) if missing else images


def _centred(images: torch.Tensor, dim: int, length: int, colour: float) -> torch.Tensor:
    """With room on both sides of rows (1) or columns (2); alpha is `colour`, too, as in ComfyUI."""
    missing = length - images.shape[dim]
    before, after = missing // 2, missing - missing // 2
    return F.pad(images, (0, 0, before, after) if dim == 2 else (0, 0, 0, 0, before, after), value=colour)


def _strip(images: torch.Tensor, across: bool, width: int, colour: Colour) -> torch.Tensor:
    batch, high, wide, channels = images.shape
    shape = (batch, high, width, channels) if across else (batch, width, wide, channels)
    strip = torch.ones(shape, dtype=images.dtype, device=images.device)
    used = min(3, channels)
    strip[..., :used] = torch.tensor(colour[:used], dtype=images.dtype, device=images.device)
    return strip
