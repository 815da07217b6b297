"""Sums over whole pictures, in float32 at least: in float16 they overflow."""

from __future__ import annotations

import torch

TINY = 1e-20
"""Less than any spread or squared norm of predictions: divided by instead of 0, it lets 0/0 be 0."""


def wide(values: torch.Tensor) -> torch.Tensor:
    """The same values in float32, or in what they have if that is float64."""
    return values if values.dtype == torch.float64 else values.float()
