"""Changes to a start's noise that leave it noise: towards a second one, and up or down per channel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from sdkit.sampling.noise.streams import cpu_stream, to_device


def slerp(a: torch.Tensor, b: torch.Tensor, share: float) -> torch.Tensor:
    """On the arc from `a` (share 0) to `b` (share 1), `[B, C, h, w]`: a mixture that is as long as they are.

    Spherical linear interpolation, (sin((1−s)Ω)·a + sin(sΩ)·b)/sin Ω (Shoemake, "Animating rotation with quaternion
    curves", SIGGRAPH 1985). As in AUTOMATIC1111's variations, the vectors that turn are the columns, h numbers each:
    every column by its own angle Ω. Columns in line with each other, for which the formula has no value, are mixed on
    the straight line.
    """
    cosine = (F.normalize(a, dim=-2) * F.normalize(b, dim=-2)).sum(-2, keepdim=True)
    angle = torch.acos(cosine)
    turned = (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)
    return torch.where(cosine.abs() > 0.9995, torch.lerp(a, b, share), turned)


def with_noise_offset(noise: torch.Tensor, offset: float, seeds: Sequence[int]) -> torch.Tensor:
    """`noise`, `[B, C, h, w]`, plus `offset` times one normal number per image and channel.

    White noise hardly moves an image's mean, so models learn to leave it where it is; this moves it (Guttenberg,
    "Diffusion with offset noise", 2023). Image i's numbers come from `seeds[i]` by a stream of their own, so that
    nothing else changes with the offset.
    """
    channels = noise.shape[1]
    shifts = torch.stack([cpu_stream(_mixed(seed))((channels, 1, 1)) for seed in seeds])
    return noise + offset * to_device(shifts, noise.device)


def _mixed(seed: int) -> int:
    """Another seed, of 64 bits, that nobody gives by counting."""
    return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
