"""α(σ), the share of the clean latents in x = α·x₀ + σ·noise, which travels with a denoiser to the samplers.

Deterministic samplers need not know it: their ODE is dx/dσ = (x − denoised)/σ whatever α is. Those that add noise
must, or the result has the wrong variance: α is 1 for eps and v models as sdkit scales them, and 1 − σ for flow
models.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from sdkit.types import Denoiser, Prediction

Alpha = Callable[[float], float]
"""`alpha(sigma)`: the share of the clean latents at that sigma, from 0 to 1."""


def alpha_of(denoise: Denoiser) -> Alpha:
    """The denoiser's `alpha` attribute, or 1 at every sigma where it has none."""
    return getattr(denoise, "alpha", _one)


def with_alpha(denoise: Denoiser, alpha: Alpha) -> Denoiser:
    """The same denoiser, carrying `alpha`. Wrap again after a function was put around it, which loses the attribute."""
    return _WithAlpha(denoise, alpha)


@dataclass(frozen=True, slots=True)
class _WithAlpha:
    function: Denoiser
    alpha: Alpha

    def __call__(self, x: torch.Tensor, sigma: float, /) -> Prediction:
        return self.function(x, sigma)


def _one(sigma: float) -> float:
    return 1.0
