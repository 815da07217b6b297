"""Cutting out of pictures, masks and latents, and adding room around pictures."""

from __future__ import annotations

import torch

from sdkit.editing.checks import as_masks, check_images, check_latents, check_least
from sdkit.editing.scaling import FACTOR, LEAST
from sdkit.errors import RequestError

GREY = 0.5
"""What is in room that nothing was painted in yet."""


def crop_images(images: torch.Tensor, x: int, y: int, width: int, height: int) -> torch.Tensor:
    """A rectangle of pictures `[B, H, W, C]`, its corner at `x`, `y`: what of it is inside, at least one pixel."""
    check_images(images)
    _check_rectangle(x, y, width, height)
    x, y = min(x, images.shape[2] - 1), min(y, images.shape[1] - 1)
    return images[:, y : y + height, x : x + width].clone()


def crop_masks(masks: torch.Tensor, x: int, y: int, width: int, height: int) -> torch.Tensor:
    """A rectangle of masks `[B, H, W]`: as much of it as is inside. Raises RequestError if nothing is."""
    planes = as_masks(masks)
    _check_rectangle(x, y, width, height)
    rows, columns = planes.shape[1:]
    if x >= columns or y >= rows:
        raise RequestError(f"a rectangle at {x}, {y} has nothing of a mask of {columns}x{rows} in it")
    return planes[:, y : y + height, x : x + width].clone()


def crop_latents(latents: torch.Tensor, x: int, y: int, width: int, height: int) -> torch.Tensor:
    """A rectangle of latents `[B, C, h, w]`; all numbers are pixels of the picture, 8 per latent pixel, rounded down.

    The corner is moved so that 64 pixels are left at the right and below, if there are so many.
    """
    check_latents(latents)
    _check_rectangle(x, y, width, height)
    least = LEAST // FACTOR
    left = max(0, min(x // FACTOR, latents.shape[3] - least))
    top = max(0, min(y // FACTOR, latents.shape[2] - least))
    cut = latents[:, :, top : top + height // FACTOR, left : left + width // FACTOR]
    if 0 in cut.shape:
        raise RequestError(f"latents are cut to at least {FACTOR}x{FACTOR} pixels, not {width}x{height}")
    return cut.clone()


def pad_for_outpaint(
    images: torch.Tensor, left: int, top: int, right: int, bottom: int, feathering: int = 40
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures with grey room around them, `[B, H + top + bottom, W + left + right, C]`, and the mask of what to paint.

    The mask, `[1, H', W']`, is 1 in the new room and fades into the picture: at d pixels from a side that has got room
    it is (1 − d/feathering)², of the nearest such side; d counts from 0 at the left and the top, and from 1 at the
    right and the bottom. Where twice the feathering does not fit into the picture there is none.
    """
    check_images(images)
    for what, room in (("left", left), ("top", top), ("right", right), ("bottom", bottom), ("feathering", feathering)):
        check_least(what, room, 0)
    batch, height, width, channels = images.shape
    padded = torch.full((batch, height + top + bottom, width + left + right, channels), GREY, device=images.device)
    padded[:, top : top + height, left : left + width] = images
    mask = torch.ones(padded.shape[1:3], device=images.device)
    inside = mask[top : top + height, left : left + width]
    inside.zero_()
    if 0 < feathering * 2 < min(height, width):
        rows = _distances(height, before=top != 0, after=bottom != 0)
        columns = _distances(width, before=left != 0, after=right != 0)
        near = torch.minimum(rows[:, None], columns[None, :])
        inside.copy_(((feathering - near) / feathering).clamp(min=0) ** 2)
    return padded, mask[None]


def _distances(length: int, *, before: bool, after: bool) -> torch.Tensor:
    """How far each of `length` pixels is from the nearest side that counts; `length` if neither does."""
    place = torch.arange(length, dtype=torch.float64)
    nowhere = torch.full_like(place, length)
    return torch.minimum(place if before else nowhere, length - place if after else nowhere)


def _check_rectangle(x: int, y: int, width: int, height: int) -> None:
    check_least("x", x, 0)
    check_least("y", y, 0)
    check_least("width", width, 1)
    check_least("height", height, 1)
