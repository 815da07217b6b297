"""Masks `[B, H, W]`: made from pictures, made into pictures, combined, cut off, feathered."""

from __future__ import annotations

from typing import Literal, get_args

import torch

from sdkit.editing.checks import as_masks, check_batches, check_choice, check_images, check_least, check_within
from sdkit.errors import RequestError

Channel = Literal["red", "green", "blue", "alpha"]
"""What of a picture becomes a mask."""
MaskOperation = Literal["multiply", "add", "subtract", "and", "or", "xor"]
"""How two masks become one; the last three round both to 0 and 1 first (½ to 0)."""


def images_to_masks(images: torch.Tensor, channel: Channel = "red") -> torch.Tensor:
    """One channel of pictures `[B, H, W, C]` as masks `[B, H, W]`; alpha as it is, not inverted."""
    check_images(images)
    check_choice("channel", channel, get_args(Channel))
    number = get_args(Channel).index(channel)
    if number >= images.shape[3]:
        raise RequestError(f"the pictures have no channel {channel!r}, only {images.shape[3]}: {list(images.shape)}")
    return images[..., number].clone()


def colour_to_masks(images: torch.Tensor, colour: int) -> torch.Tensor:
    """1 where pictures `[B, H, W, C]` have exactly this colour, 0xRRGGBB, in 8 bits (rounded); else 0. `[B, H, W]`."""
    check_images(images)
    check_within("colour", colour, 0, 0xFFFFFF)
    if images.shape[3] < 3:
        raise RequestError(f"pictures have 3 or 4 channels to have colours; these are {list(images.shape)}")
    wanted = torch.tensor([colour >> 16 & 255, colour >> 8 & 255, colour & 255], device=images.device)
    return (torch.round(images[..., :3].clamp(0, 1) * 255) == wanted).all(-1).float()


def masks_to_images(masks: torch.Tensor) -> torch.Tensor:
    """Masks `[B, H, W]` as grey pictures `[B, H, W, 3]`."""
    return as_masks(masks)[..., None].repeat(1, 1, 1, 3)


def invert_masks(masks: torch.Tensor) -> torch.Tensor:
    """1 − masks, in their own shape."""
    return 1 - masks


def threshold_masks(masks: torch.Tensor, above: float = 0.5) -> torch.Tensor:
    """1 where masks are above the threshold, else 0; float32, in their own shape."""
    return (masks > above).float()


def combine_masks(
    destination: torch.Tensor, source: torch.Tensor, x: int = 0, y: int = 0, operation: MaskOperation = "multiply"
) -> torch.Tensor:
    """Masks `[B, H, W]` with `source`, `[B or 1, H', W']`, combined into them, its corner at `x`, `y`.

    What is outside of the destination is left out; what the source does not cover stays. Clipped to 0…1, everywhere.
    """
    check_choice("operation on masks", operation, get_args(MaskOperation))
    below, above = as_masks(destination, "destination"), as_masks(source, "source")
    check_least("x", x, 0)
    check_least("y", y, 0)
    check_batches(below, above, "masks to combine")
    result = below.repeat(max(len(below), len(above)) // len(below), 1, 1)
    region = result[:, y : y + above.shape[1], x : x + above.shape[2]]
    above = above[:, : region.shape[1], : region.shape[2]].to(result)
    region.copy_(_combined(region, above, operation))
    return result.clamp(0, 1)


def feather_masks(masks: torch.Tensor, left: int = 0, top: int = 0, right: int = 0, bottom: int = 0) -> torch.Tensor:
    """Masks `[B, H, W]` fading towards their edges: of n pixels at a side the k-th from outside, from 1, counts k/n.

    Where sides meet, or reach into each other, their factors are multiplied.
    """
    result = as_masks(masks).clone()
    for what, width in (("left", left), ("top", top), ("right", right), ("bottom", bottom)):
        check_least(what, width, 0)
    rows, columns = _ramps(result, 1, top, bottom), _ramps(result, 2, left, right)
    return result * columns[None, None, :] * rows[None, :, None]


def _ramps(masks: torch.Tensor, dim: int, before: int, after: int) -> torch.Tensor:
    """The weights along a dimension of `masks`."""
    length = masks.shape[dim]
    weight = torch.ones(length, dtype=masks.dtype, device=masks.device)
    before, after = min(before, length), min(after, length)
    weight[:before] *= torch.arange(1, before + 1, device=masks.device) / max(before, 1)
    weight[length - after :] *= torch.arange(after, 0, -1, device=masks.device) / max(after, 1)
    return weight


def _combined(below: torch.Tensor, above: torch.Tensor, operation: MaskOperation) -> torch.Tensor:
    if operation == "multiply":
        return below * above
    if operation == "add":
        return below + above
    if operation == "subtract":
        return below - above
    one, other = below.round() != 0, above.round() != 0
    if operation == "and":
        return (one & other).to(below.dtype)
    if operation == "or":
        return (one | other).to(below.dtype)
    return (one ^ other).to(below.dtype)
