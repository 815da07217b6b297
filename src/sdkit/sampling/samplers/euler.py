"""Euler's method on the probability-flow ODE, and its ancestral variant."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from sdkit.sampling.alpha import alpha_of
from sdkit.sampling.samplers.maths import Churn, ancestral_step, churn, ddim_step, renoise
from sdkit.types import Step

if TYPE_CHECKING:
    import torch

    from sdkit.types import Denoiser, Noise


def euler(
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
    """Euler's method in σ: first order, one evaluation a step (Karras et al., arXiv:2206.00364, algorithm 2, lines
    3–8).

    With churn, a step's `prediction` is the one made at x with the noise added.
    """
    churning, alpha, steps = Churn(s_churn, s_tmin, s_tmax, s_noise), alpha_of(denoise), len(sigmas) - 1
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x_hat, sigma_hat = churn(churning, alpha, x, sigma, steps, noise)
        prediction = denoise(x_hat, sigma_hat)
        x_next = ddim_step(x_hat, prediction.denoised, sigma_hat, sigma_next)
        step = Step(index, sigma, sigma_next, x, prediction, x_next)
        yield step
        x = step.x


def euler_ancestral(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """Euler's method past each sigma, then new noise to come back to it: ancestral sampling (arXiv:2006.11239)."""
    alpha = alpha_of(denoise)
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        prediction = denoise(x, sigma)
        way = ancestral_step(alpha, sigma, sigma_next, eta)
        x_down = ddim_step(x, prediction.denoised, sigma, way.sigma_down)
        x_next = renoise(x_down, way, sigma, sigma_next, noise, s_noise)
        step = Step(index, sigma, sigma_next, x, prediction, x_next)
        yield step
        x = step.x
