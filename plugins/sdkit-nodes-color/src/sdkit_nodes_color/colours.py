"""Arithmetic on pixels `[3, H, W]`, sRGB in 0…1."""

from __future__ import annotations

import re

import torch

LUMA = (0.2126, 0.7152, 0.0722)
"""How bright red, green and blue look (ITU-R BT.709)."""

# RGB → LMS, and log LMS → lαβ: Reinhard, Ashikhmin, Gooch and Shirley, "Color Transfer between Images" (2001), the
# matrices before equations 4 and 6.
_LMS = ((0.3811, 0.5783, 0.0402), (0.1967, 0.7244, 0.0782), (0.0241, 0.1288, 0.8444))
_OPPONENT = ((3**-0.5, 3**-0.5, 3**-0.5), (6**-0.5, 6**-0.5, -2 * 6**-0.5), (2**-0.5, -(2**-0.5), 0.0))
_DARKEST = 1 / 255
"""What black counts as before the logarithm."""


def luma(pixels: torch.Tensor) -> torch.Tensor:
    """`[1, H, W]`."""
    return (pixels * pixels.new_tensor(LUMA)[:, None, None]).sum(0, keepdim=True)


def to_linear(pixels: torch.Tensor) -> torch.Tensor:
    """sRGB → linear light (IEC 61966-2-1)."""
    return torch.where(pixels <= 0.04045, pixels / 12.92, ((pixels + 0.055) / 1.055).clamp(min=0) ** 2.4)


def to_srgb(light: torch.Tensor) -> torch.Tensor:
    """Linear light → sRGB; what is brighter than white is white."""
    light = light.clamp(0, 1)
    return torch.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def balanced(pixels: torch.Tensor, temperature: float, tint: float) -> torch.Tensor:
    """Red against blue, and green against both, by up to half a stop each, in linear light; a grey stays as
    bright as it was."""
    gains = pixels.new_tensor([2 ** (temperature / 2), 2 ** (-tint / 2), 2 ** (-temperature / 2)])
    gains = gains / (gains * gains.new_tensor(LUMA)).sum()
    return to_srgb(to_linear(pixels) * gains[:, None, None])


def split_toned(
    pixels: torch.Tensor, dark: torch.Tensor, bright: torch.Tensor, strength: float, balance: float
) -> torch.Tensor:
    """Two tints, without their brightness, mixed by how bright each pixel is."""
    grey = luma(pixels)
    weight = (grey + balance / 2).clamp(0, 1)
    weight = weight * weight * (3 - 2 * weight)  # smooth at both ends
    tints = [(tint - luma(tint)) for tint in (dark, bright)]
    return pixels + strength * (tints[0] * (1 - weight) + tints[1] * weight) * 4 * grey * (1 - grey)


def matched(pixels: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """The pixels with the means and standard deviations of another picture, in the lαβ colours of the paper."""
    source, target = _opponent(pixels), _opponent(reference)
    spread = _spread(target) / _spread(source).clamp(min=1e-6)
    moved = (source - _mean(source)) * spread + _mean(target)
    matrix = moved.new_tensor(_OPPONENT)
    lms = 10 ** torch.einsum("ij,jhw->ihw", matrix.T, moved)  # its rows are orthonormal
    light = torch.einsum("ij,jhw->ihw", moved.new_tensor(_LMS).inverse(), lms)
    return to_srgb(light)


def parse_colour(text: str) -> torch.Tensor:
    """`"#rrggbb"` → `[3, 1, 1]`. Raises ValueError."""
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise ValueError(f"a colour is written #rrggbb, such as #ffb347, not {text!r}")
    return torch.tensor([int(text[place : place + 2], 16) / 255 for place in (1, 3, 5)])[:, None, None]


def _opponent(pixels: torch.Tensor) -> torch.Tensor:
    light = to_linear(pixels.clamp(0, 1))
    lms = torch.einsum("ij,jhw->ihw", light.new_tensor(_LMS), light).clamp(min=_DARKEST**2.4)
    return torch.einsum("ij,jhw->ihw", light.new_tensor(_OPPONENT), lms.log10())


def _mean(planes: torch.Tensor) -> torch.Tensor:
    return planes.mean((1, 2), keepdim=True)


def _spread(planes: torch.Tensor) -> torch.Tensor:
    return planes.std((1, 2), keepdim=True, correction=0)
