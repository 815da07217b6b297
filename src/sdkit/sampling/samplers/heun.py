"""Heun's method on the probability-flow ODE."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from sdkit.sampling.alpha import alpha_of
from sdkit.sampling.samplers.maths import Churn, churn, ddim_step, to_d
from sdkit.types import Step

if TYPE_CHECKING:
    import torch

    from sdkit.types import Denoiser, Noise


def heun(
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
    """Heun's method in σ: second order, two evaluations a step, one in the last to 0 (arXiv:2206.00364, algorithm 2).

    With churn, a step's `prediction` is the one made at x with the noise added.
    """
    churning, alpha, steps = Churn(s_churn, s_tmin, s_tmax, s_noise), alpha_of(denoise), len(sigmas) - 1
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x_hat, sigma_hat = churn(churning, alpha, x, sigma, steps, noise)
        prediction = denoise(x_hat, sigma_hat)
        x_next = ddim_step(x_hat, prediction.denoised, sigma_hat, sigma_next)
        if sigma_next > 0:
            d = to_d(x_hat, sigma_hat, prediction.denoised)
            d_next = to_d(x_next, sigma_next, denoise(x_next, sigma_next).denoised)
            x_next = x_hat + (d + d_next) * ((sigma_next - sigma_hat) / 2)
        step = Step(index, sigma, sigma_next, x, prediction, x_next)
        yield step
        x = step.x
