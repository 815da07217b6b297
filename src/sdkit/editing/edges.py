"""Edges of pictures, by Canny's method."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from sdkit.editing.checks import check_images
from sdkit.errors import RequestError

LUMA = (0.299, 0.587, 0.114)
"""How bright red, green and blue look (ITU-R BT.601)."""
NEIGHBOURS = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
"""Row and column steps to the eight neighbours, by multiples of 45° from the right, downwards."""


def canny(images: torch.Tensor, low: float = 0.4, high: float = 0.8) -> torch.Tensor:
    """Pictures `[B, H, W, C]` → their edges, `[B, H, W, 3]`: 1 on thin lines, else 0.

    Canny, "A computational approach to edge detection" (PAMI 1986), with kornia's choices, which ComfyUI's node has:
    grey by BT.601; Gaussian of 5x5 pixels, σ = 1, edges mirrored; Sobel without a factor, edges repeated; gradients
    √(gx² + gy² + 1e-6), kept where they exceed both neighbours across the edge, 0 being outside; above `high` is an
    edge, above `low` what is connected to one. Alpha is left out.

    Raises RequestError if `low` is above `high`, and for pictures below 3x3 pixels.
    """
    check_images(images)
    if not 0 <= low <= high:
        raise RequestError(f"thresholds are 0 or more and rising; low is {low:g}, high is {high:g}")
    if min(images.shape[1:3]) < 3:
        raise RequestError(f"pictures have at least 3x3 pixels to have edges; these are {list(images.shape)}")
    strength = _thinned(*_gradients(_blurred(_grey(images))))
    edges = _connected(strength > high, strength > low)
    return edges.to(images.dtype).movedim(1, -1).repeat(1, 1, 1, 3)


def _grey(images: torch.Tensor) -> torch.Tensor:
    """`[B, 1, H, W]`."""
    if images.shape[3] < 3:
        return images[..., :1].movedim(-1, 1)
    red, green, blue = (images[..., channel] * weight for channel, weight in enumerate(LUMA))
    return (red + green + blue)[:, None]


def _blurred(grey: torch.Tensor) -> torch.Tensor:
    place = torch.arange(-2, 3, dtype=grey.dtype, device=grey.device)
    kernel = torch.exp(-(place**2) / 2)
    kernel = (kernel / kernel.sum()).reshape(1, 1, 1, 5)
    across = F.conv2d(F.pad(grey, (2, 2, 2, 2), mode="reflect"), kernel)
    return F.conv2d(across, kernel.transpose(2, 3))


def _gradients(grey: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """To the right and down, by Sobel's operator: `[B, 1, H, W]` each."""
    kernel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=grey.dtype, device=grey.device)[None, None]
    padded = F.pad(grey, (1, 1, 1, 1), mode="replicate")
    return F.conv2d(padded, kernel), F.conv2d(padded, kernel.transpose(2, 3))


def _thinned(right: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    """How strong the gradients are, 0 where a neighbour along the gradient is as strong: `[B, 1, H, W]`."""
    strength = torch.sqrt(right * right + down * down + 1e-6)
    padded = F.pad(strength, (1, 1, 1, 1))
    height, width = strength.shape[-2:]
    around = [padded[..., 1 + y : 1 + y + height, 1 + x : 1 + x + width] for y, x in NEIGHBOURS]
    exceeds = torch.cat([strength > neighbour for neighbour in around], dim=1)
    direction = torch.round(torch.rad2deg(torch.atan2(down, right)) / 45).long() % 8
    peak = exceeds.gather(1, direction) & exceeds.gather(1, (direction + 4) % 8)
    return strength * peak


def _connected(seeds: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """What of `allowed` is connected, through its own, to `seeds` (diagonals count): `[B, 1, H, W]`, bool."""
    reached = seeds
    while True:
        grown = (F.max_pool2d(reached.float(), 3, stride=1, padding=1) > 0) & allowed
        if torch.equal(grown, reached):
            return reached
        reached = grown
