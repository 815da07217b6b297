"""Morphology: the brightest or darkest pixel around each, and what follows from the two.

Serra, "Image analysis and mathematical morphology" (1982). What is outside of a picture does not count.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F

from sdkit.editing.checks import as_masks, check_choice, check_images, check_least

Morph = Literal["erode", "dilate", "open", "close", "gradient", "top_hat", "bottom_hat"]
"""erode: the darkest around; dilate: the brightest; open: erode, then dilate; close: the other way; gradient: dilated
minus eroded; top_hat: what opening takes away; bottom_hat: what closing adds."""


def morph_images(images: torch.Tensor, operation: Morph, size: int = 3) -> torch.Tensor:
    """Pictures `[B, H, W, C]`, each channel by itself, under a square of `size` pixels; a new batch.

    An even square has its centre below and right of its middle for `erode`, above and left for `dilate`, so that
    opening and closing move nothing.
    """
    check_images(images)
    check_choice("morphological operation", operation, get_args(Morph))
    check_least("size", size, 1)
    pixels = images.movedim(-1, 1)
    return _morphed(pixels, operation, size).movedim(1, -1)


def grow_masks(masks: torch.Tensor, by: int, *, tapered: bool = True) -> torch.Tensor:
    """Masks `[B, H, W]` grown by so many pixels; shrunk if `by` is negative; a new tensor.

    `tapered`: in steps up, down, left and right, so that a dot becomes a rhombus; else a square. Greys grow, too: each
    pixel becomes the brightest around.
    """
    planes = as_masks(masks)
    if by < 0:
        return -grow_masks(-planes, -by, tapered=tapered)
    if not tapered:
        return highest(planes, by, by) if by else planes.clone()
    grown = planes.clone()
    for _ in range(by):
        before = grown
        grown = torch.maximum(_pooled(before, 1, 1, across=True), _pooled(before, 1, 1, across=False))
        if torch.equal(grown, before):  # nothing is left to grow into
            break
    return grown


def _morphed(pixels: torch.Tensor, operation: Morph, size: int) -> torch.Tensor:
    if operation == "erode":
        return _eroded(pixels, size)
    if operation == "dilate":
        return _dilated(pixels, size)
    if operation == "open":
        return _dilated(_eroded(pixels, size), size)
    if operation == "close":
        return _eroded(_dilated(pixels, size), size)
    if operation == "gradient":
        return _dilated(pixels, size) - _eroded(pixels, size)
    if operation == "top_hat":
        return pixels - _dilated(_eroded(pixels, size), size)
    return _eroded(_dilated(pixels, size), size) - pixels


def _eroded(pixels: torch.Tensor, size: int) -> torch.Tensor:
    return -highest(-pixels, size // 2, size - size // 2 - 1)


def _dilated(pixels: torch.Tensor, size: int) -> torch.Tensor:
    return highest(pixels, size - size // 2 - 1, size // 2)


def highest(planes: torch.Tensor, before: int, after: int) -> torch.Tensor:
    """The highest from `before` rows and columns earlier to `after` later, of `[…, H, W]`."""
    return _pooled(_pooled(planes, before, after, across=True), before, after, across=False)


def _pooled(planes: torch.Tensor, before: int, after: int, *, across: bool) -> torch.Tensor:
    """The highest along rows (`across`) or columns of `[…, H, W]`; outside of the picture there is nothing."""
    dim = -1 if across else -2
    length = planes.shape[dim]
    before, after = min(before, length - 1), min(after, length - 1)  # farther is only outside
    window, covered = before + after + 1, 1
    edges = (before, after, 0, 0) if across else (0, 0, before, after)
    reach = F.pad(planes, edges, value=float("-inf"))
    while covered * 2 <= window:  # each number of `reach` is the highest of `covered` pixels, and soon of twice as many
        count = reach.shape[dim] - covered
        reach = torch.maximum(reach.narrow(dim, 0, count), reach.narrow(dim, covered, count))
        covered *= 2
    return torch.maximum(reach.narrow(dim, 0, length), reach.narrow(dim, window - covered, length))
