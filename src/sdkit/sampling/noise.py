"""Noise: one generator per image, from its own seed, so that image i of any batch is the image that its seed gives
alone.

Draws happen on the CPU in float32 whatever the device, and never touch the global generators.

Where a run's noise comes from: `make_noise` (a hook) draws the start; `noise_for` gives the sampler the noise on its
way. The two share nothing: `noise_for` makes the run's generators anew and skips the draw that the built-in start
takes. So a plugin may replace the start without touching the rest, sampling the same run twice gives the same noise
twice, and the numbers are those of one generator per image that is drawn from again and again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from sdkit.errors import SamplingError

if TYPE_CHECKING:
    from sdkit.types import Noise, NoiseKind, Run


class SeededNoise:
    """White noise, `[B, C, h, w]` float32 on `device`: row i from a generator of its own, seeded with `seeds[i]`.

    `shape`: `(C, h, w)`, of one image. `start()` gives the noise to start from and is to be called first; calling the
    object gives further draws, whatever the sigmas.
    """

    def __init__(self, seeds: Sequence[int], shape: tuple[int, ...], device: torch.device | str = "cpu") -> None:
        self._generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        self._shape = shape
        self._device = device

    def start(self) -> torch.Tensor:
        """The next draw: the starting noise, if it is the first."""
        rows = [torch.randn(self._shape, generator=generator) for generator in self._generators]
        noise = torch.stack(rows)
        if torch.device(self._device).type == "cuda":  # from pinned memory, or each step would wait for the GPU
            return noise.pin_memory().to(self._device, non_blocking=True)
        return noise.to(self._device)

    def __call__(self, sigma: float, sigma_next: float, /) -> torch.Tensor:
        return self.start()


class BrownianNoise:
    """Increments of one Brownian path W(σ) per image, (W(σ) − W(σ_next))/√(σ − σ_next): unit variance, `[B, C, h, w]`.

    SDE samplers that evaluate between two sigmas need noise that adds up: over [a, c] it is what it is over [a, b] and
    [b, c] together, correctly scaled, in whatever order they are asked for. The path is drawn where it is asked for,
    and remembered: beyond the known sigmas by an independent increment, between two of them by a Brownian bridge.
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
            self._path[sigma] = self._draw(sigma)
        return self._path[sigma]

    def _draw(self, sigma: float) -> torch.Tensor:
        white = self._white.start()
        if not self._path:
            return torch.zeros_like(white)
        below = max((known for known in self._path if known < sigma), default=None)
        above = min((known for known in self._path if known > sigma), default=None)
        if below is None or above is None:
            end = above if below is None else below
            assert end is not None
            return self._path[end] + white * math.sqrt(abs(sigma - end))
        part = (sigma - below) / (above - below)
        middle = self._path[below] + part * (self._path[above] - self._path[below])
        return middle + white * math.sqrt(part * (above - sigma))


def noise_for(run: Run, kind: NoiseKind, sampler: str) -> Noise:
    """The noise for the sampler of this name, of the kind that it declared: drawn from each image's seed alone."""
    if kind == "none":
        return _no_noise(sampler)
    white = SeededNoise(run.seeds, run.shape[1:], run.model.device)
    white.start()  # the draw that the built-in start takes
    return white if kind == "white" else BrownianNoise(white)


def _no_noise(sampler: str) -> Noise:
    def refuse(sigma: float, sigma_next: float, /) -> torch.Tensor:
        raise SamplingError(
            f'sampler {sampler!r} declared noise="none" but asked for noise from sigma {sigma:g} to {sigma_next:g}; '
            'register it with noise="white" or noise="brownian"'
        )

    return refuse
