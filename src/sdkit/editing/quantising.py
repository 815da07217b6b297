"""Fewer colours: a palette for each picture, with and without dithering."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
from PIL import Image as pillow

from sdkit.editing.arrays import from_uint8, to_uint8
from sdkit.editing.checks import check_choice, check_images, check_within
from sdkit.errors import RequestError

Dither = Literal["none", "floyd-steinberg", "bayer-2", "bayer-4", "bayer-8", "bayer-16"]
"""How the colours between those of the palette are made up: not; error diffusion; patterns of 2x2 … 16x16 pixels."""


def quantise_images(images: torch.Tensor, colours: int = 256, dither: Dither = "none") -> torch.Tensor:
    """Pictures `[B, H, W, C]`, 3 or 4 channels, in at most `colours` colours each, 1…256; alpha stays.

    The palette is Pillow's (median cut). Bayer's patterns: "An optimum method for two-level rendition of
    continuous-tone pictures" (ICC 1973), spread over 512/colours levels of 255, which is ComfyUI's scale.
    """
    check_images(images)
    check_choice("dither", dither, get_args(Dither))
    check_within("colours", colours, 1, 256)
    if images.shape[3] < 3:
        raise RequestError(f"pictures have 3 or 4 channels to be quantised; these are {list(images.shape)}")
    pixels = to_uint8(images[..., :3]).cpu().numpy()
    reduced = np.stack([_quantised(picture, colours, dither) for picture in pixels])
    result = from_uint8(torch.as_tensor(reduced)).to(images)
    return torch.cat((result, images[..., 3:]), dim=-1)


def bayer_pattern(order: int) -> np.ndarray:
    """Bayer's thresholds, `[order, order]` for a power of two, float32, symmetric around 0 and between −½ and ½.

    Each doubling puts the four neighbours −1½, +½, +1½ and −½ (over 4ⁿ) around every threshold before.
    """
    pattern = np.zeros((1, 1), np.float32)
    step = 4.0
    while len(pattern) < order:
        upper = np.concatenate((pattern - 1.5 / step, pattern + 0.5 / step), axis=1)
        lower = np.concatenate((pattern + 1.5 / step, pattern - 0.5 / step), axis=1)
        pattern = np.concatenate((upper, lower)).astype(np.float32)
        step *= 4
    return pattern


def _quantised(pixels: np.ndarray, colours: int, dither: Dither) -> np.ndarray:
    """`[H, W, 3]` in bytes → the same in the colours of its palette."""
    picture = pillow.fromarray(pixels)
    palette = picture.quantize(colors=colours)
    way = pillow.Dither.FLOYDSTEINBERG if dither == "floyd-steinberg" else pillow.Dither.NONE
    if dither.startswith("bayer-"):
        picture = pillow.fromarray(_with_pattern(pixels, int(dither.removeprefix("bayer-")), colours))
    return np.asarray(picture.quantize(palette=palette, dither=way).convert("RGB"))


def _with_pattern(pixels: np.ndarray, order: int, colours: int) -> np.ndarray:
    height, width = pixels.shape[:2]
    pattern = np.float32(512 / colours) * bayer_pattern(order) + np.float32(0.5)
    tiled = np.tile(pattern, (-(-height // order), -(-width // order)))[:height, :width, None]
    return (pixels.astype(np.float32) + tiled).clip(0, 255).astype(np.uint8)
