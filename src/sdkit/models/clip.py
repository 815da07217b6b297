"""CLIP's way of looking at pictures (arXiv:2103.00020)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
"""Mean of CLIP's training pictures by channel, in 0…1; whoever trains an image tower for sdkit uses the same."""

CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
"""Standard deviation of CLIP's training pictures by channel, in 0…1."""


def clip_pixels(pixels: Tensor, side: int) -> Tensor:
    """Pictures `[B, 3, H, W]` in 0…1 as the image tower wants them: `[B, 3, side, side]`, normalised, float32.

    The shorter side is resized to `side` (bicubic, antialiased), and the middle is cut out.
    """
    import torch
    import torch.nn.functional as F

    height, width = pixels.shape[-2:]
    shorter = min(height, width)
    size = (max(side, round(height * side / shorter)), max(side, round(width * side / shorter)))
    pixels = pixels.float()
    if size != (height, width):
        pixels = F.interpolate(pixels, size=size, mode="bicubic", antialias=True).clamp(0, 1)
    top, left = (size[0] - side) // 2, (size[1] - side) // 2
    pixels = pixels[..., top : top + side, left : left + side]
    mean, std = (torch.tensor(values, device=pixels.device)[:, None, None] for values in (CLIP_MEAN, CLIP_STD))
    return (pixels - mean) / std
