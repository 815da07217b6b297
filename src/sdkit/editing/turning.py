"""Turning and mirroring pictures and latents."""

from __future__ import annotations

from typing import Literal, get_args

import torch

from sdkit.editing.checks import check_choice, check_images, check_latents
from sdkit.errors import RequestError

Mirror = Literal["vertically", "horizontally"]
"""vertically: upside down; horizontally: left becomes right."""


def rotate_images(images: torch.Tensor, degrees: int) -> torch.Tensor:
    """Pictures `[B, H, W, C]` turned clockwise by 0, 90, 180 or 270 degrees."""
    check_images(images)
    return torch.rot90(images, _quarters(degrees), (2, 1)).clone()


def rotate_latents(latents: torch.Tensor, degrees: int) -> torch.Tensor:
    """Latents `[B, C, h, w]` turned clockwise by 0, 90, 180 or 270 degrees."""
    check_latents(latents)
    return torch.rot90(latents, _quarters(degrees), (3, 2)).clone()


def flip_images(images: torch.Tensor, direction: Mirror) -> torch.Tensor:
    """Pictures `[B, H, W, C]` mirrored."""
    check_images(images)
    check_choice("direction", direction, get_args(Mirror))
    return torch.flip(images, (1 if direction == "vertically" else 2,))


def flip_latents(latents: torch.Tensor, direction: Mirror) -> torch.Tensor:
    """Latents `[B, C, h, w]` mirrored."""
    check_latents(latents)
    check_choice("direction", direction, get_args(Mirror))
    return torch.flip(latents, (2 if direction == "vertically" else 3,))


def _quarters(degrees: int) -> int:
    if degrees not in {0, 90, 180, 270}:
        raise RequestError(f"pictures are turned by 0, 90, 180 or 270 degrees, not {degrees}")
    return degrees // 90
