"""Heun's method on the probability-flow ODE, and Heun++."""

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


def heunpp2(
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
    """Heun++: the slope is averaged over this sigma and the next two, three evaluations a step; no paper.

    The later slopes weigh σ/(n·σ₀), n of them taken, σ₀ the first of the run, the present one the rest. So it leans on
    what is ahead where the noise is strong and becomes Euler's method as it fades, and is of first order. The last step
    but one looks at the next sigma only, the last one at none.
    """
    churning, alpha, steps = Churn(s_churn, s_tmin, s_tmax, s_noise), alpha_of(denoise), len(sigmas) - 1
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x_hat, sigma_hat = churn(churning, alpha, x, sigma, steps, noise)
        prediction = denoise(x_hat, sigma_hat)
        ahead = sigmas[index + 1 : min(index + 3, steps)]
        x_next, denoised, here = x_hat, prediction.denoised, sigma_hat
        d = to_d(x_hat, sigma_hat, denoised)
        slope = d
        for there in ahead:
            x_next = ddim_step(x_next, denoised, here, there)
            denoised, here = denoise(x_next, there).denoised, there
            weight = there / ((1 + len(ahead)) * sigmas[0])
            slope = slope + (to_d(x_next, there, denoised) - d) * weight
        if ahead:
            x_next = x_hat + slope * (sigma_next - sigma_hat)
        else:
            x_next = ddim_step(x_hat, denoised, sigma_hat, sigma_next)
        step = Step(index, sigma, sigma_next, x, prediction, x_next)
        yield step
        x = step.x
