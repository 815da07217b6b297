"""Filters over pictures: blur, sharpen, invert."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from sdkit.editing.checks import check_images, check_least
from sdkit.errors import RequestError


def blur_images(images: torch.Tensor, radius: int, sigma: float = 1.0) -> torch.Tensor:
    """Pictures `[B, H, W, C]` blurred by a Gaussian over (2·radius + 1)² pixels; edges are mirrored. Not clipped.

    `sigma`: in units of the radius, as in ComfyUI, so the weight d pixels away is exp(−(d/radius)²/2σ²), and 1 and more
    is close to a box. Radius 0 changes nothing. Raises RequestError if a side is not longer than the radius.
    """
    check_images(images)
    check_least("radius", radius, 0)
    if radius == 0:
        return images.clone()
    if not sigma > 0:
        raise RequestError(f"sigma is above 0, not {sigma:g}")
    if radius >= min(images.shape[1:3]):
        raise RequestError(
            f"a blur of radius {radius} mirrors {radius} pixels at each edge; the pictures have only "
            f"{images.shape[2]}x{images.shape[1]}. Take a smaller radius"
        )
    place = torch.linspace(-1, 1, 2 * radius + 1, device=images.device)
    kernel = torch.exp(-(place**2) / (2 * sigma * sigma))
    kernel = (kernel / kernel.sum()).to(images.dtype)
    return _convolved(images.movedim(-1, 1), kernel).movedim(1, -1)


def sharpen_images(images: torch.Tensor, radius: int, sigma: float = 1.0, amount: float = 1.0) -> torch.Tensor:
    """Pictures `[B, H, W, C]` with 10·amount of what `blur_images` takes away added (unsharp masking), clipped."""
    check_images(images)
    check_least("amount", amount, 0)
    if radius == 0:
        return images.clone()
    return (images + 10 * amount * (images - blur_images(images, radius, sigma))).clamp(0, 1)


def invert_images(images: torch.Tensor) -> torch.Tensor:
    """1 − pictures `[B, H, W, C]`; alpha stays."""
    check_images(images)
    inverted = 1 - images
    if images.shape[3] == 4:
        inverted[..., 3] = images[..., 3]
    return inverted


def _convolved(pixels: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """`[B, C, H, W]` under a kernel along rows and the same along columns, edges mirrored."""
    radius = len(kernel) // 2
    channels = pixels.shape[1]
    padded = F.pad(pixels, (radius,) * 4, mode="reflect")
    weights = kernel.expand(channels, 1, 1, -1)
    across = F.conv2d(padded, weights, groups=channels)
    return F.conv2d(across, weights.transpose(2, 3), groups=channels)
