"""Blending pictures, as image editors do with layers."""

from __future__ import annotations

from typing import Literal, get_args

import torch

from sdkit.editing.batches import match_channels
from sdkit.editing.checks import check_batches, check_choice, check_images
from sdkit.editing.scaling import resize

BlendMode = Literal["normal", "multiply", "screen", "overlay", "soft_light", "difference"]
"""What becomes of two colours, `below` and `above`: see `blend_images`."""


def blend_images(
    below: torch.Tensor, above: torch.Tensor, factor: float = 0.5, mode: BlendMode = "normal"
) -> torch.Tensor:
    """Pictures `[B, H, W, C]`: (1 − factor)·below + factor·blended, clipped to 0…1; a new batch.

    With b below and a above, blended is: normal a; multiply a·b; screen 1 − (1 − a)(1 − b); overlay 2ab where b ≤ ½,
    else 1 − 2(1 − a)(1 − b); soft_light as W3C's "Compositing and Blending Level 1" has it; difference b − a, which is
    ComfyUI's: dark where `above` is brighter, not |b − a|.

    `above` becomes the size of `below` where it is another, cut around its middle and resized bicubically; its channels
    become those of `below`. Alpha is that of `below`.
    """
    check_images(below, "below")
    check_images(above, "above")
    check_choice("blend mode", mode, get_args(BlendMode))
    check_batches(below, above, "pictures to blend")
    above = match_channels(above, below.shape[3]).to(below.device)
    if above.shape[1:3] != below.shape[1:3]:
        height, width = below.shape[1:3]
        above = resize(above.movedim(-1, 1), width, height, "bicubic", "center").movedim(1, -1)
    blended = (below * (1 - factor) + _blended(below, above, mode) * factor).clamp(0, 1)
    if below.shape[3] == 4:
        blended[..., 3] = below[..., 3]
    return blended


def _blended(below: torch.Tensor, above: torch.Tensor, mode: BlendMode) -> torch.Tensor:
    if mode == "normal":
        return above
    if mode == "multiply":
        return below * above
    if mode == "screen":
        return _screen(below, above)
    if mode == "overlay":
        return torch.where(below <= 0.5, 2 * below * above, 1 - 2 * (1 - below) * (1 - above))
    if mode == "soft_light":
        darker = below - (1 - 2 * above) * below * (1 - below)
        lifted = torch.where(below <= 0.25, ((16 * below - 12) * below + 4) * below, below.clamp(min=0).sqrt())
        lighter = below + (2 * above - 1) * (lifted - below)
        return torch.where(above <= 0.5, darker, lighter)
    return below - above


def _screen(below: torch.Tensor, above: torch.Tensor) -> torch.Tensor:
    return 1 - (1 - below) * (1 - above)
