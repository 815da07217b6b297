"""Resizing pictures, masks and latents, by ComfyUI's methods and rules for sizes."""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image as pillow

from sdkit.editing.arrays import from_uint8, to_uint8
from sdkit.editing.bislerp import bislerp
from sdkit.editing.checks import as_masks, check_choice, check_images, check_latents, check_least
from sdkit.errors import RequestError

ScaleMethod = Literal["nearest-exact", "bilinear", "area", "bicubic", "lanczos", "bislerp"]
"""How pixels between pixels are made. Torch's four without a filter against aliasing (only `area` averages); Pillow's
`lanczos`, which goes through 8 bits; `bislerp`, for latents: on arcs instead of straight lines."""
LatentMethod = Literal["nearest-exact", "bilinear", "area", "bicubic", "bislerp"]
"""The methods that suit latents: all but `lanczos`, which would cut them off at 0 and 1."""
Crop = Literal["disabled", "center"]
"""What happens to another aspect ratio: `disabled` stretches, `center` cuts both sides first."""

FACTOR = 8
"""Pixels per latent pixel, where sizes of latents are given in pixels."""
LEAST = 64
"""Smallest side of latents, in pixels, that `scale_latents` makes."""


def resize(
    pixels: torch.Tensor, width: int, height: int, method: ScaleMethod = "bilinear", crop: Crop = "disabled"
) -> torch.Tensor:
    """`[B, C, H, W]` → `[B, C, height, width]`, a new tensor: what all the others here are made of.

    Raises RequestError for sizes below 1 and unknown methods.
    """
    check_choice("scaling method", method, get_args(ScaleMethod))
    check_choice("crop", crop, get_args(Crop))
    if width < 1 or height < 1:
        raise RequestError(f"cannot resize {pixels.shape[-1]}x{pixels.shape[-2]} to {width}x{height}: at least 1x1")
    if crop == "center":
        pixels = _middle(pixels, width / height)
    if method == "bislerp":
        return bislerp(pixels, width, height)
    if method == "lanczos":
        return _lanczos(pixels, width, height)
    return F.interpolate(pixels, size=(height, width), mode=method)


def scale_images(
    images: torch.Tensor, width: int, height: int, method: ScaleMethod = "bilinear", crop: Crop = "disabled"
) -> torch.Tensor:
    """Pictures `[B, H, W, C]` at another size; a side of 0 follows from the other one; two change nothing."""
    check_images(images)
    _check_sides(width, height)
    if width == height == 0:
        return images.clone()
    old_height, old_width = images.shape[1:3]
    width = width or max(1, round(old_width * height / old_height))
    height = height or max(1, round(old_height * width / old_width))
    return resize(images.movedim(-1, 1), width, height, method, crop).movedim(1, -1)


def scale_images_by(images: torch.Tensor, factor: float, method: ScaleMethod = "bilinear") -> torch.Tensor:
    """Pictures `[B, H, W, C]` with both sides times `factor`, rounded (halves to the even number)."""
    check_images(images)
    width, height = round(images.shape[2] * factor), round(images.shape[1] * factor)
    return resize(images.movedim(-1, 1), width, height, method).movedim(1, -1)


def scale_images_to_pixels(
    images: torch.Tensor, megapixels: float, method: ScaleMethod = "bilinear", multiple: int = 1
) -> torch.Tensor:
    """Pictures `[B, H, W, C]` of about as many pixels, at the same aspect ratio; a megapixel is 1024·1024.

    `multiple`: the sides are rounded to multiples of it.
    """
    check_images(images)
    check_least("multiple", multiple, 1)
    height, width = images.shape[1:3]
    factor = math.sqrt(megapixels * 1024 * 1024 / (width * height)) if megapixels > 0 else 0.0
    wide, high = (round(side * factor / multiple) * multiple for side in (width, height))
    return resize(images.movedim(-1, 1), wide, high, method).movedim(1, -1)


def scale_images_to_side(images: torch.Tensor, longest: int, method: ScaleMethod = "bilinear") -> torch.Tensor:
    """Pictures `[B, H, W, C]` whose longer side is `longest`, at the same aspect ratio."""
    check_images(images)
    height, width = images.shape[1:3]
    wide = longest if width >= height else round(width / height * longest)
    high = longest if height >= width else round(height / width * longest)
    return resize(images.movedim(-1, 1), wide, high, method).movedim(1, -1)


def scale_masks(masks: torch.Tensor, width: int, height: int, method: ScaleMethod = "bilinear") -> torch.Tensor:
    """Masks `[B, H, W]` at another size, `[B, height, width]`; bilinear is what ComfyUI's nodes resize masks with."""
    return resize(as_masks(masks)[:, None], width, height, method)[:, 0]


def scale_latents(
    latents: torch.Tensor, width: int, height: int, method: LatentMethod = "nearest-exact", crop: Crop = "disabled"
) -> torch.Tensor:
    """Latents `[B, C, h, w]` for pictures of another size: `width` and `height` count pixels, 8 per latent pixel.

    A side of 0 follows from the other one, two leave everything as it is; sides below 64 become 64. A side that
    follows is rounded down to a multiple of 8 like any other.
    """
    check_latents(latents)
    check_choice("method to scale latents with", method, get_args(LatentMethod))
    _check_sides(width, height)
    if width == height == 0:
        return latents.clone()
    old_height, old_width = latents.shape[2:]
    if width == 0:
        height = max(LEAST, height)
        width = round(old_width * height / old_height)
    elif height == 0:
        width = max(LEAST, width)
        height = round(old_height * width / old_width)
    return resize(latents, max(LEAST, width) // FACTOR, max(LEAST, height) // FACTOR, method, crop)


def scale_latents_by(latents: torch.Tensor, factor: float, method: LatentMethod = "nearest-exact") -> torch.Tensor:
    """Latents `[B, C, h, w]` with both sides times `factor`, rounded (halves to the even number)."""
    check_latents(latents)
    check_choice("method to scale latents with", method, get_args(LatentMethod))
    return resize(latents, round(latents.shape[3] * factor), round(latents.shape[2] * factor), method)


def _check_sides(width: int, height: int) -> None:
    check_least("width", width, 0)
    check_least("height", height, 0)


def _middle(pixels: torch.Tensor, aspect: float) -> torch.Tensor:
    """What is left of `[B, C, H, W]` when both sides are cut to about `aspect` = width/height; a view."""
    height, width = pixels.shape[-2:]
    current = width / height
    x = round((width - width * (aspect / current)) / 2) if current > aspect else 0
    y = round((height - height * (current / aspect)) / 2) if current < aspect else 0
    x, y = min(x, (width - 1) // 2), min(y, (height - 1) // 2)  # something is left of the thinnest picture
    return pixels[..., y : height - y, x : width - x]


def _lanczos(pixels: torch.Tensor, width: int, height: int) -> torch.Tensor:
    """Pillow's, picture by picture, in 8 bits; the colours of four channels are weighted by the fourth, as alpha."""
    channels = pixels.shape[1]
    if channels not in {1, 3, 4}:
        raise RequestError(f"lanczos resizes pictures of 1, 3 or 4 channels, not {channels}")
    resized: list[np.ndarray] = []
    for picture in to_uint8(pixels.movedim(1, -1)).cpu().numpy():
        plain = pillow.fromarray(picture[..., 0] if channels == 1 else picture)
        resized.append(np.asarray(plain.resize((width, height), pillow.Resampling.LANCZOS)))
    stacked = torch.as_tensor(np.stack(resized).reshape(len(resized), height, width, channels))
    return from_uint8(stacked).movedim(-1, 1).to(pixels)
