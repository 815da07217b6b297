"""Second-order methods that take one look half-way: DPM2 and DPM-Solver++(2S), plain and ancestral."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from sdkit.sampling.alpha import Alpha, alpha_of
from sdkit.sampling.samplers.maths import (
    Churn,
    ancestral_step,
    churn,
    ddim_step,
    renoise,
    sigma_between,
    to_d,
)
from sdkit.types import Step

if TYPE_CHECKING:
    import torch

    from sdkit.types import Denoiser, Noise

Evaluate = Callable[["torch.Tensor", float], "torch.Tensor"]
"""`evaluate(x, sigma)`: the denoised latents to step towards."""


def dpm_2(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    s_churn: float = 0.0,
    s_tmin: float = 0.0,
    s_tmax: float = 1e6,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """DPM2, the midpoint rule: second order, two evaluations a step, one in the last to 0 (after Karras et al.,
    arXiv:2206.00364, algorithm 2, with the middle of DPM-Solver-2, arXiv:2206.00927).

    With churn, a step's `prediction` is the one made at x with the noise added.
    """
    churning, alpha, steps = Churn(s_churn, s_tmin, s_tmax, s_noise), alpha_of(denoise), len(sigmas) - 1
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x_hat, sigma_hat = churn(churning, alpha, x, sigma, steps, noise)
        prediction = denoise(x_hat, sigma_hat)
        x_next = midpoint(_denoised_by(denoise), x_hat, prediction.denoised, sigma_hat, sigma_next)
        step = Step(index, sigma, sigma_next, x, prediction, x_next)
        yield step
        x = step.x


def dpm_2_ancestral(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """DPM2 past each sigma, then new noise to come back to it: two evaluations a step, one in the last to 0."""
    alpha = alpha_of(denoise)
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        prediction = denoise(x, sigma)
        way = ancestral_step(alpha, sigma, sigma_next, eta)
        x_down = midpoint(_denoised_by(denoise), x, prediction.denoised, sigma, way.sigma_down)
        x_next = renoise(x_down, way, sigma, sigma_next, noise, s_noise)
        step = Step(index, sigma, sigma_next, x, prediction, x_next)
        yield step
        x = step.x


def dpmpp_2s_ancestral(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """DPM-Solver++(2S) past each sigma, then new noise to come back to it: two evaluations a step, one in the last to 0
    (Lu et al., arXiv:2211.01095, algorithm 1)."""
    alpha = alpha_of(denoise)
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        prediction = denoise(x, sigma)
        way = ancestral_step(alpha, sigma, sigma_next, eta)
        x_down = dpmpp_2s(_denoised_by(denoise), alpha, x, prediction.denoised, sigma, way.sigma_down)
        x_next = renoise(x_down, way, sigma, sigma_next, noise, s_noise)
        step = Step(index, sigma, sigma_next, x, prediction, x_next)
        yield step
        x = step.x


def midpoint(
    evaluate: Evaluate, x: torch.Tensor, denoised: torch.Tensor, sigma: float, sigma_next: float
) -> torch.Tensor:
    """x at sigma_next by the slope half-way in log σ, which is found by an Euler step; to 0 by that alone."""
    if sigma_next == 0:
        return ddim_step(x, denoised, sigma, sigma_next)
    middle = math.sqrt(sigma * sigma_next)
    x_middle = ddim_step(x, denoised, sigma, middle)
    return x + to_d(x_middle, middle, evaluate(x_middle, middle)) * (sigma_next - sigma)


def dpmpp_2s(
    evaluate: Evaluate, alpha: Alpha, x: torch.Tensor, denoised: torch.Tensor, sigma: float, sigma_next: float
) -> torch.Tensor:
    """x at sigma_next as if what is predicted half-way in λ = log(α/σ) were the answer; to 0 by the first prediction.

    From where α is 0, λ is −∞ and has no half-way: 0.9999 is taken for it, as is the custom for flow models.
    """
    if sigma_next == 0:
        return ddim_step(x, denoised, sigma, sigma_next)
    middle = sigma_between(alpha, sigma, sigma_next, 0.5) if alpha(sigma) > 0 else 0.9999
    return ddim_step(x, evaluate(ddim_step(x, denoised, sigma, middle), middle), sigma, sigma_next)


def _denoised_by(denoise: Denoiser) -> Evaluate:
    return lambda x, sigma: denoise(x, sigma).denoised
