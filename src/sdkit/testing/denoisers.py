"""Analytic denoisers: models whose answers are known in closed form, to test samplers, guidance and wrappers with.

Each is a `Denoiser` for latents of any shape and dtype, in either of two parameterisations, as `alpha` says:
x = x₀ + σ·noise (`flow=False`: eps and v models), or x = (1 − σ)·x₀ + σ·noise (`flow=True`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from sdkit.sampling import alpha_of
from sdkit.types import Denoiser, Prediction


@dataclass(frozen=True, kw_only=True)
class _Analytic:
    flow: bool = False

    def alpha(self, sigma: float) -> float:
        """The share of the clean latents in x at this sigma."""
        return 1.0 - sigma if self.flow else 1.0


@dataclass(frozen=True)
class ConstantDenoiser(_Analytic):
    """A model of data that is `value` everywhere: always predicts it. Every sampler must land on it at sigma 0."""

    value: float

    def __call__(self, x: torch.Tensor, sigma: float, /) -> Prediction:
        denoised = torch.full_like(x, self.value)
        return Prediction(denoised=denoised, cond=denoised, uncond=denoised)


@dataclass(frozen=True)
class GaussianDenoiser(_Analytic):
    """A model of independent Gaussian data of this mean and std per element: paths and marginals in closed form."""

    mean: float
    std: float

    def __call__(self, x: torch.Tensor, sigma: float, /) -> Prediction:
        alpha = self.alpha(sigma)
        gain = alpha * self.std**2 / (alpha**2 * self.std**2 + sigma**2)
        denoised = self.mean + gain * (x - alpha * self.mean)
        return Prediction(denoised=denoised, cond=denoised, uncond=denoised)

    def marginal(self, sigma: float) -> tuple[float, float]:
        """Mean and std of x at this sigma."""
        alpha = self.alpha(sigma)
        return alpha * self.mean, math.hypot(alpha * self.std, sigma)

    def path(self, x: torch.Tensor, sigma: float, sigma_next: float) -> torch.Tensor:
        """Where the probability-flow ODE takes x from sigma to sigma_next: as many stds from the mean as before."""
        (mean, std), (mean_next, std_next) = self.marginal(sigma), self.marginal(sigma_next)
        return mean_next + (x - mean) * (std_next / std)


@dataclass(frozen=True)
class MixtureDenoiser(_Analytic):
    """A model of a mixture, equally weighted, of isotropic Gaussians along the last axis of x.

    `means`: one point per component, each as long as x's last axis; `std`: of every component.
    """

    means: tuple[tuple[float, ...], ...]
    std: float

    def __call__(self, x: torch.Tensor, sigma: float, /) -> Prediction:
        alpha, means = self.alpha(sigma), x.new_tensor(self.means)
        variance = alpha**2 * self.std**2 + sigma**2
        distances = (x.unsqueeze(-2) - alpha * means).square().sum(-1)
        shares = torch.softmax(-distances / (2 * variance), dim=-1)
        denoised = (alpha * self.std**2 * x + sigma**2 * (shares @ means)) / variance
        return Prediction(denoised=denoised, cond=denoised, uncond=denoised)


@dataclass(frozen=True)
class GuidedDenoiser:
    """Classifier-free guidance of two denoisers: uncond + scale·(cond − uncond)."""

    positive: MixtureDenoiser | GaussianDenoiser | ConstantDenoiser
    negative: MixtureDenoiser | GaussianDenoiser | ConstantDenoiser
    scale: float

    def alpha(self, sigma: float) -> float:
        """The share of the clean latents in x at this sigma."""
        return self.positive.alpha(sigma)

    def __call__(self, x: torch.Tensor, sigma: float, /) -> Prediction:
        cond, uncond = self.positive(x, sigma).denoised, self.negative(x, sigma).denoised
        return Prediction(denoised=uncond + self.scale * (cond - uncond), cond=cond, uncond=uncond)


def log_sigmas(first: float, last: float, steps: int) -> tuple[float, ...]:
    """`steps + 1` sigmas from first to last (above 0), evenly spaced in log σ."""
    return tuple(first * (last / first) ** (i / steps) for i in range(steps + 1))


def karras_sigmas(first: float, last: float, steps: int) -> tuple[float, ...]:
    """`steps + 1` sigmas from first to last (above 0), evenly spaced in σ^(1/7) (Karras et al., arXiv:2206.00364,
    eq. 5 with ρ = 7, without the final 0): uneven in σ and in log σ alike, as the grids of real runs are."""
    high, low = first ** (1 / 7), last ** (1 / 7)
    return (first, *((high + (low - high) * i / steps) ** 7 for i in range(1, steps)), last)


class RecordingDenoiser:
    """A denoiser that remembers its calls: `sigmas` as they came, and whether anybody changed a tensor since."""

    def __init__(self, inner: Denoiser) -> None:
        self.alpha = alpha_of(inner)
        self.sigmas: list[float] = []
        self._inner = inner
        self._kept: list[tuple[torch.Tensor, torch.Tensor]] = []

    def __call__(self, x: torch.Tensor, sigma: float, /) -> Prediction:
        self.sigmas.append(sigma)
        prediction = self._inner(x, sigma)
        self._kept += [(tensor, tensor.clone()) for tensor in (x, prediction.denoised)]
        return prediction

    def untouched(self) -> bool:
        """Whether every x that came in and every prediction that went out is still what it was."""
        return all(torch.equal(tensor, copy) for tensor, copy in self._kept)
