"""What APG and Perp-Neg do to a direction of guidance: project, limit, remember. Every image of a batch for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit_guidance.precision import TINY, wide

if TYPE_CHECKING:
    import torch

KEPT = 8
"""How many averages `Momentum` remembers: more than any sampler's evaluations in one step."""

IMAGE = (1, 2, 3)


def perpendicular(direction: torch.Tensor, to: torch.Tensor, eta: float = 0.0) -> torch.Tensor:
    """`direction` with only `eta` left of what is parallel to `to`, image by image."""
    a, b = wide(direction), wide(to)
    share = (a * b).sum(IMAGE, keepdim=True) / b.square().sum(IMAGE, keepdim=True).clamp_min(TINY)
    return (a - b * (share * (1.0 - eta))).to(direction.dtype)


def limited(direction: torch.Tensor, norm: float) -> torch.Tensor:
    """`direction`, shortened where its norm exceeds `norm`, image by image."""
    lengths = wide(direction).square().sum(IMAGE, keepdim=True).sqrt()
    return (wide(direction) * (norm / lengths.clamp_min(TINY)).clamp(max=1.0)).to(direction.dtype)


def tamed(update: torch.Tensor, cond: torch.Tensor, eta: float, norm_threshold: float) -> torch.Tensor:
    """APG's update after momentum: limited in norm, then with `eta` of what is parallel to `cond`."""
    if norm_threshold > 0:
        update = limited(update, norm_threshold)
    return perpendicular(update, cond, eta) if eta != 1 else update


class Momentum:
    """A run's sum of updates: update + momentum·(the sum before), where "before" is by sigma and not by time.

    Samplers evaluate several times per step, go back, and evaluate again. So an update adds to the sum at the nearest
    sigma above its own; what was known at its own sigma or below is forgotten. Where there is no sigma above, as at the
    start, or when a run begins anew higher up, it starts from nothing.
    """

    def __init__(self, momentum: float) -> None:
        self._momentum = momentum
        self._sums: list[tuple[float, torch.Tensor]] = []

    def __call__(self, update: torch.Tensor, sigma: float) -> torch.Tensor:
        """The sum at this sigma, of the update's shape."""
        if self._momentum == 0:
            return update
        above = [(at, known) for at, known in self._sums if at > sigma]
        if above and above[-1][1].shape == update.shape:  # tiles and windows may come in several shapes
            update = update + above[-1][1] * self._momentum
        self._sums = [*above, (sigma, update)][-KEPT:]
        return update
