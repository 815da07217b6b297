"""Streams of normal numbers by seed, and the way from the CPU onto the model's device."""

from __future__ import annotations

from collections.abc import Callable

import torch

Stream = Callable[[tuple[int, ...]], torch.Tensor]
"""`stream(shape)` → the next normal numbers, float32, on the CPU."""

MakeStream = Callable[[int], Stream]
"""`make(seed)` → the stream of a seed, 0 … 2⁶⁴ − 1, from its beginning."""


def cpu_stream(seed: int) -> Stream:
    """What PyTorch draws on a CPU: `torch.randn` with a generator of this seed."""
    generator = torch.Generator("cpu").manual_seed(seed)

    def draw(shape: tuple[int, ...]) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float32)

    return draw


def shifted(seed: int, by: int) -> int:
    """A seed so many further on, going round at 2⁶⁴."""
    return (seed + by) % 2**64


def to_device(noise: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """Noise from the CPU on another device; for CUDA from pinned memory, or each step would wait for the GPU."""
    if torch.device(device).type == "cuda":
        return noise.pin_memory().to(device, non_blocking=True)
    return noise.to(device)
