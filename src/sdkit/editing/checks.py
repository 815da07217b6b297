"""What operations ask of their inputs: shapes, sizes and names, refused in words before torch does it in its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sdkit.errors import RequestError, UnknownNameError, nearest


def check_images(images: torch.Tensor, what: str = "images") -> None:
    """Refuse what is not a batch of pictures: `[B, H, W, C]`, 1…4 channels, floating point, nothing of size 0."""
    shape = tuple(images.shape)
    if len(shape) != 4 or 0 in shape or shape[3] > 4:
        raise RequestError(f"{what}: pictures are [B, H, W, C] with 1 to 4 channels; these are {list(shape)}")
    _check_floating(images, what)


def check_latents(latents: torch.Tensor, what: str = "latents") -> None:
    """Refuse what is not a batch of latents: `[B, C, h, w]`, floating point, nothing of size 0."""
    shape = tuple(latents.shape)
    if len(shape) != 4 or 0 in shape:
        raise RequestError(f"{what}: latents are [B, C, h, w]; these are {list(shape)}")
    _check_floating(latents, what)


def as_masks(masks: torch.Tensor, what: str = "masks") -> torch.Tensor:
    """Masks as `[B, H, W]`, a view where that can be: `[H, W]` and `[B, 1, H, W]` are taken, too."""
    shape = tuple(masks.shape)
    if not 2 <= len(shape) <= 4 or 0 in shape or (len(shape) == 4 and shape[1] != 1):
        raise RequestError(f"{what}: masks are [B, H, W]; these are {list(shape)}")
    _check_floating(masks, what)
    return masks.reshape(-1, shape[-2], shape[-1])


def check_choice(kind: str, name: str, allowed: Sequence[str]) -> None:
    """Refuse a name that is not `allowed`, in a message that lists those that are."""
    if name not in allowed:
        # Where a near name is suggested, the error itself does not list the others.
        hint = f"Allowed: {', '.join(allowed)}." if nearest(name, allowed) else ""
        raise UnknownNameError(kind, name, allowed, hint)


def check_least(what: str, number: float, least: float) -> None:
    """Refuse a number below `least`, and NaN."""
    if not number >= least:
        raise RequestError(f"{what} is at least {least:.12g}, not {number:.12g}")


def check_within(what: str, number: float, least: float, most: float) -> None:
    """Refuse a number outside `least`…`most`, and NaN."""
    if not least <= number <= most:
        raise RequestError(f"{what} is from {least:.12g} to {most:.12g}, not {number:.12g}")


def check_batches(first: torch.Tensor, second: torch.Tensor, what: str) -> None:
    """Refuse two batches that do not go together: as many as each other, or one for all."""
    if len(first) != len(second) and 1 not in (len(first), len(second)):
        raise RequestError(f"{what}: batches of {len(first)} and {len(second)} do not go together; make them as long")


def _check_floating(tensor: torch.Tensor, what: str) -> None:
    if not tensor.is_floating_point():
        raise RequestError(f"{what}: the numbers are floating point, not {tensor.dtype}; pictures in bytes: from_uint8")
