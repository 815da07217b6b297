"""Brownian noise that is drawn where it is asked for: steps that look in between get noise that adds up."""

from __future__ import annotations

import math

import torch

from sdkit.errors import SamplingError
from sdkit.sampling.noise.white import SeededNoise


class BrownianNoise:
    """Increments of one Brownian path W(σ) per image, (W(σ) − W(σ_next))/√(σ − σ_next): unit variance, `[B, C, h, w]`.

    SDE samplers that evaluate between two sigmas need noise that adds up: over [a, c] it is what it is over [a, b] and
    [b, c] together, correctly scaled, in whatever order they are asked for. The path is drawn where it is asked for,
    and remembered: beyond the known sigmas by an independent increment, between two of them by a Brownian bridge. So
    the numbers depend on the order of asking; `sdkit.sampling.noise.tree` has a path whose numbers do not.
    """

    def __init__(self, white: SeededNoise) -> None:
        self._white = white
        self._path: dict[float, torch.Tensor] = {}

    def __call__(self, sigma: float, sigma_next: float, /) -> torch.Tensor:
        if sigma == sigma_next:
            raise SamplingError(f"the sampler asked for Brownian noise from sigma {sigma:g} to itself, which is none")
        return (self._at(sigma) - self._at(sigma_next)) / math.sqrt(abs(sigma - sigma_next))

    def _at(self, sigma: float) -> torch.Tensor:
        if sigma not in self._path:
            self._path[sigma] = self._draw(sigma) if self._path else torch.zeros(())
        return self._path[sigma]

    def _draw(self, sigma: float) -> torch.Tensor:
        white = self._white.start()
        below = max((known for known in self._path if known < sigma), default=None)
        above = min((known for known in self._path if known > sigma), default=None)
        if below is None or above is None:
            end = above if below is None else below
            assert end is not None
            return self._path[end] + white * math.sqrt(abs(sigma - end))
        part = (sigma - below) / (above - below)
        middle = self._path[below] + part * (self._path[above] - self._path[below])
        return middle + white * math.sqrt(part * (above - sigma))
