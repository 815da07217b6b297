"""Masks: pictures → `[1, 1, H, W]` in 0…1, 1 where the picture is to change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sdkit.errors import ImageError
from sdkit.images.image import Image
from sdkit.images.reading import open_picture, read_image

if TYPE_CHECKING:
    import torch


def read_mask(
    source: Image | str | Path | bytes, channel: Literal["luma", "alpha"] = "luma", *, name: str = ""
) -> torch.Tensor:
    """A mask `[1, 1, H, W]`, float32 in 0…1, 1 where the picture is to change.

    `luma`: how bright the picture is (ITU-R BT.601), so white changes and black keeps. `alpha`: how transparent the
    file is, so what was erased changes; an `Image` has no transparency, give the file. Raises ImageError.
    """
    if channel == "luma":
        image = source if isinstance(source, Image) else read_image(source, name)
        red, green, blue = image.pixels.clamp(0, 1)
        # Written around green and not as three products: greys come out exactly, so white is 1 and keeps nothing.
        luma = green + 0.299 * (red - green) + 0.114 * (blue - green)
        return luma[None, None]
    if isinstance(source, Image):
        raise ImageError("an Image has no transparency to take a mask from; give read_mask the file or its bytes")
    import numpy as np
    import torch
    from PIL import ImageOps

    with open_picture(source, name) as (picture, shown):
        upright = ImageOps.exif_transpose(picture)
        if not upright.has_transparency_data:
            raise ImageError(f"{shown} has no transparency (mode {upright.mode}) to take a mask from; use its luma")
        alpha = np.asarray(upright.convert("RGBA").getchannel("A")).astype(np.float32) / 255
    return 1 - torch.as_tensor(alpha)[None, None]


def resize_mask_to_latents(mask: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """A mask `[1, 1, H, W]` at the latents' size, `[1, 1, height, width]`, in 0…1.

    Bilinear between pixel centres and without a filter, which is what ComfyUI's results are made with.
    """
    from torch.nn import functional

    if mask.ndim != 4 or tuple(mask.shape[:2]) != (1, 1):
        raise ImageError(f"a mask is [1, 1, H, W]; this one is {list(mask.shape)}")
    return functional.interpolate(mask.float(), size=(height, width), mode="bilinear", align_corners=False).clamp(0, 1)


def mask_to_latents(mask: Image, factor: int) -> torch.Tensor:
    """A mask picture, white where to change, at the size of latents: `[1, 1, H/factor, W/factor]` in 0…1."""
    return resize_mask_to_latents(read_mask(mask), mask.height // factor, mask.width // factor)
