"""Between batches of pictures and what is not one: bytes, Pillow images, sdkit's own pictures."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from PIL import Image as pillow

from sdkit.editing.checks import check_images
from sdkit.errors import ImageError, RequestError
from sdkit.images import Image


def to_uint8(images: torch.Tensor) -> torch.Tensor:
    """0…1 → 0…255 in bytes: times 255, clipped, and cut off, not rounded, as ComfyUI saves pictures. Any shape.

    Raises ImageError if there is NaN in it.
    """
    if bool(torch.isnan(images).any()):
        raise ImageError(f"the pictures {list(images.shape)} have NaN in them; look at what last changed the pixels")
    return (255.0 * images).clamp(0, 255).to(torch.uint8)


def from_uint8(pixels: torch.Tensor) -> torch.Tensor:
    """0…255 in bytes → 0…1, float32. Any shape."""
    if pixels.dtype != torch.uint8:
        raise RequestError(f"bytes are torch.uint8, not {pixels.dtype}")
    return pixels.float() / 255


def to_pillow(images: torch.Tensor) -> list[pillow.Image]:
    """Each picture of `[B, H, W, C]` as a Pillow image of 8 bits: L, RGB or RGBA, cut off as `to_uint8` does."""
    check_images(images)
    if images.shape[3] == 2:
        raise RequestError(f"pictures have 1, 3 or 4 channels to become Pillow images, not 2: {list(images.shape)}")
    pixels = to_uint8(images).cpu().numpy()
    return [pillow.fromarray(one[..., 0] if images.shape[3] == 1 else one) for one in pixels]


def to_pictures(images: torch.Tensor) -> list[Image]:
    """Each picture of `[B, H, W, C]` as an `Image`, ready to be saved; alpha, which that has not, is dropped.

    The pixels are those of `to_uint8`, so a file has the bytes that ComfyUI would have written, although `Image` rounds
    where ComfyUI cuts off.
    """
    check_images(images)
    pixels = from_uint8(to_uint8(images)).cpu().movedim(-1, 1)
    coloured = pixels[:, :3] if pixels.shape[1] >= 3 else pixels[:, :1].expand(-1, 3, -1, -1)
    return [Image(one.contiguous()) for one in coloured]


def from_pictures(pictures: Iterable[Image]) -> torch.Tensor:
    """Pictures of one size as a batch, `[B, H, W, 3]`. Raises RequestError for none and for several sizes."""
    listed = list(pictures)
    sizes = {(picture.width, picture.height) for picture in listed}
    if len(sizes) != 1:
        found = ", ".join(f"{width}x{height}" for width, height in sorted(sizes)) or "none at all"
        raise RequestError(f"a batch is of pictures of one size; these are {found}. Scale them first")
    return torch.stack([picture.pixels for picture in listed]).movedim(1, -1).contiguous()
