"""Parameterisations: what the network's input and output mean. Only this file knows whether a model is eps, v or flow.

The noisy latents are x = α(σ)·x₀ + σ·noise throughout: α = 1 for eps and v models, which are variance-exploding here
whatever they were trained as (σ = √(1 − ᾱ)/√ᾱ, Karras et al., arXiv:2206.00364, appendix C.3); α = 1 − σ for flow
models, whose σ is the time t in 0…1. All scalars are Python floats, so nothing here waits for a device.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sdkit.sampling.schedules import sigma_at

if TYPE_CHECKING:
    import torch

    from sdkit.types import ModelSpec, PredictionType

BEYOND_SIGMA_MAX = 999999999.9
"""The sigma of percent 0: larger than any, so that ranges that start there include the first step of every schedule."""


@dataclass(frozen=True)
class Parameterisation:
    """How one model's noise levels, inputs and outputs are to be read; make it by `parameterisation(spec)`.

    `sigmas`: noise std at each training timestep, ascending.
    """

    prediction: PredictionType
    sigmas: tuple[float, ...]
    _log_sigmas: tuple[float, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_log_sigmas", tuple(math.log(sigma) for sigma in self.sigmas))

    @property
    def sigma_min(self) -> float:
        """The least noise that the model was trained on."""
        return self.sigmas[0]

    @property
    def sigma_max(self) -> float:
        """The most noise that the model was trained on."""
        return self.sigmas[-1]

    def alpha(self, sigma: float) -> float:
        """The share of the clean latents in x at this sigma: 1 for eps and v, 1 − σ for flow."""
        return 1.0 - sigma if self.prediction == "flow" else 1.0

    def timestep(self, sigma: float) -> float:
        """What the network is told instead of sigma: the training timestep nearest in log σ; σ·1000 for flow."""
        if self.prediction == "flow":
            return sigma * 1000.0
        if sigma <= self.sigma_min:
            return 0.0
        above = bisect_left(self._log_sigmas, log := math.log(sigma))
        if above == len(self._log_sigmas):
            return float(above - 1)
        nearer_above = self._log_sigmas[above] - log < log - self._log_sigmas[above - 1]
        return float(above if nearer_above else above - 1)

    def scale_input(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """x as the network wants it: divided by √(σ² + 1), to unit variance, for eps and v; unchanged for flow."""
        return x if self.prediction == "flow" else x * (1.0 / math.sqrt(sigma * sigma + 1.0))

    def denoised(self, x: torch.Tensor, output: torch.Tensor, sigma: float) -> torch.Tensor:
        """The clean latents that the network's output means at (unscaled) x. Shapes broadcast.

        eps and flow: x − σ·output. v (Salimans & Ho, arXiv:2202.00512, eq. 10): x/(σ² + 1) − output·σ/√(σ² + 1).
        """
        if self.prediction == "v":
            square = sigma * sigma + 1.0
            return x * (1.0 / square) - output * (sigma / math.sqrt(square))
        return x - output * sigma

    def add_noise(self, latents: torch.Tensor, noise: torch.Tensor, sigma: float) -> torch.Tensor:
        """Forward diffusion: clean latents → latents with noise of std sigma; `noise` has unit variance."""
        return noise * sigma + latents * self.alpha(sigma)

    def start(self, latents: torch.Tensor | None, noise: torch.Tensor, sigma: float) -> torch.Tensor:
        """x to start sampling from at `sigma`; `latents` is the initial image's, or None for a new picture.

        At sigma_max (within 1e-5) and beyond, eps and v models start from noise·√(σ² + 1), as if x₀ were more noise of
        unit variance: their training ended at noise of unit variance after scaling, and it is what their users' other
        programs do.
        """
        whole = self.prediction != "flow" and sigma >= self.sigma_max * (1.0 - 1e-5)
        if latents is None:
            return noise * (math.sqrt(sigma * sigma + 1.0) if whole else sigma)
        return noise * math.sqrt(sigma * sigma + 1.0) + latents if whole else self.add_noise(latents, noise, sigma)

    def percent_to_sigma(self, percent: float) -> float:
        """The sigma at a share of the training timesteps, from 0 (most noise) to 1 (none): for ranges of steps.

        0 and less give a sigma beyond all schedules, 1 and more give 0, so that ranges include both ends.
        """
        if percent <= 0:
            return BEYOND_SIGMA_MAX
        if percent >= 1:
            return 0.0
        return sigma_at(self.sigmas, (1.0 - percent) * (len(self.sigmas) - 1), self.prediction)


def parameterisation(spec: ModelSpec) -> Parameterisation:
    """The parameterisation of a model."""
    return Parameterisation(spec.prediction, spec.sigmas)
