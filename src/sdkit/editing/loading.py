"""Picture files → batches and masks, by ComfyUI's rules, which are not `read_image`'s.

Transparency becomes a mask instead of being flattened; animations become batches; 16-bit greys become 8 bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from PIL import Image as pillow
from PIL import ImageOps, ImageSequence

from sdkit.editing.checks import check_choice
from sdkit.errors import ImageError
from sdkit.images.reading import open_picture

MaskChannel = Literal["alpha", "red", "green", "blue"]
"""What of a file becomes a mask; alpha is inverted: what is transparent is 1."""

NO_MASK = 64
"""Side of the empty mask of pictures without transparency, whatever their size."""


def load_images(source: pillow.Image | str | Path | bytes, name: str = "") -> tuple[torch.Tensor, torch.Tensor]:
    """A picture, from a file, its bytes or Pillow: pictures `[B, H, W, 3]` and masks `[B, H, W]`, 1 − alpha.

    Every frame of an animation is one; frames of another size than the first are left out, and so is all but the first
    of an MPO (stereo photographs). Turned upright by EXIF. Where no frame has transparency, the masks are zeros
    `[B, 64, 64]`. Alpha is that of alpha channels and of palettes; a colour that stands for "transparent" in an RGB
    file does not count. The colours under transparency stay as they are. `name` stands for bytes in messages.

    Raises ImageError for what cannot be read.
    """
    frames = _frames(source, name)
    pixels = torch.stack([_plane(frame.convert("RGB")) for frame in frames])
    alphas = [_alpha(frame) for frame in frames]
    if all(alpha is None for alpha in alphas):
        return pixels, torch.zeros(len(frames), NO_MASK, NO_MASK)
    opaque = torch.ones(pixels.shape[1:3])
    return pixels, 1 - torch.stack([opaque if alpha is None else alpha for alpha in alphas])


def load_masks(
    source: pillow.Image | str | Path | bytes, channel: MaskChannel = "alpha", name: str = ""
) -> torch.Tensor:
    """One channel of a picture as masks `[B, H, W]`: a colour as it is, or 1 − alpha; see `load_images`.

    Without transparency "alpha" is zeros in the picture's size.
    """
    check_choice("channel", channel, get_args(MaskChannel))
    planes = torch.stack([_plane(frame.convert("RGBA")) for frame in _frames(source, name)])
    if channel == "alpha":
        return 1 - planes[..., 3]
    return planes[..., ("red", "green", "blue").index(channel)].clone()


def _frames(source: pillow.Image | str | Path | bytes, name: str) -> list[pillow.Image]:
    """The frames that count, upright, 8 bits per channel."""
    if isinstance(source, pillow.Image):
        return list(_upright(source, name or "the Pillow image"))
    with open_picture(source, name) as (picture, shown):
        return list(_upright(picture, shown))


def _upright(picture: pillow.Image, shown: str) -> Iterator[pillow.Image]:
    size: tuple[int, int] | None = None
    for frame in ImageSequence.Iterator(picture):
        upright = _eight_bits(ImageOps.exif_transpose(frame), shown)  # a copy: the iterator goes on in `frame`
        if size is None:
            size = upright.size
        if upright.size == size:
            yield upright
        if picture.format == "MPO":
            return


def _eight_bits(frame: pillow.Image, shown: str) -> pillow.Image:
    """Modes that Pillow does not bring into 0…255 itself: 16 bits times 1/255, cut off, white from 255·255 on."""
    if frame.mode == "F":
        raise ImageError(f"{shown} has floating point pixels; save it as 8 or 16 bits, or use read_image")
    if frame.mode == "I" or frame.mode.startswith("I;16"):
        levels = np.asarray(frame).astype(np.float64) * (1 / 255)
        return pillow.fromarray(levels.clip(0, 255).astype(np.uint8))
    return frame


def _alpha(frame: pillow.Image) -> torch.Tensor | None:
    if "A" in frame.getbands():
        return _plane(frame.getchannel("A"))
    if frame.mode == "P" and "transparency" in frame.info:
        return _plane(frame.convert("RGBA").getchannel("A"))
    return None


def _plane(picture: pillow.Image) -> torch.Tensor:
    return torch.as_tensor(np.asarray(picture).astype(np.float32) / 255)
