"""DPM-Solver++ for the reverse SDE: with a look in between, and with the predictions of earlier steps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from sdkit.sampling.alpha import alpha_of
from sdkit.sampling.samplers.maths import finite_snr, half_log_snr, reverse_sde, sigma_between, sigma_between32
from sdkit.types import Step

if TYPE_CHECKING:
    import torch

    from sdkit.sampling.alpha import Alpha
    from sdkit.types import Denoiser, Noise


def dpmpp_sde(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r: float = 0.5,
) -> Iterator[Step]:
    """DPM-Solver++ with noise, two evaluations a step, the second at the share `r` of it in λ (arXiv:2211.01095).

    The paper has its SDE solvers for several steps alone; this is its single-step second-order solver (algorithm 1 for
    r = 1/2), with ancestral steps in place of those of the ODE. Both evaluations see one Brownian path.
    """
    alpha, draws = alpha_of(denoise), eta > 0 and s_noise > 0
    for index, (sigma, sigma_next) in enumerate(pairwise(finite_snr(alpha, sigmas))):
        prediction = denoise(x, sigma)
        x_next = first = prediction.denoised
        if sigma_next > 0:
            sigma_mid = sigma_between(alpha, sigma, sigma_next, r)
            x_mid, up = _ancestral(alpha, x, first, sigma, sigma_mid, eta)
            if draws:
                asked = sigma_between32(alpha, sigma, sigma_next, r)  # trees tell sigmas apart by 1e-6
                x_mid = x_mid + noise(sigma, asked) * (up * s_noise)
            second = denoise(x_mid, sigma_mid).denoised
            x_next, up = _ancestral(alpha, x, first + (second - first) * (0.5 / r), sigma, sigma_next, eta)
            if draws:
                x_next = x_next + noise(sigma, sigma_next) * (up * s_noise)
        step = Step(index, sigmas[index], sigma_next, x, prediction, x_next)
        yield step
        x = step.x


def dpmpp_2m_sde(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    solver_type: Literal["midpoint", "heun"] = "midpoint",
) -> Iterator[Step]:
    """DPM-Solver++(2M) with noise: one evaluation a step and the one before (arXiv:2211.01095, SDE-DPM-Solver++(2M)).

    "midpoint" counts the prediction's change as if it were all there from the middle of the step, as the paper does;
    "heun" integrates it. Deviations: `eta`; the last step, to 0, is of first order.
    """
    alpha = alpha_of(denoise)
    before: tuple[torch.Tensor, float] | None = None  # the prediction before, and its λ
    for index, (sigma, sigma_next) in enumerate(pairwise(finite_snr(alpha, sigmas))):
        prediction = denoise(x, sigma)
        x_next = denoised = prediction.denoised
        if sigma_next > 0:
            exact = reverse_sde(alpha, sigma, sigma_next, eta)
            x_next = x * exact.keep + denoised * exact.weight(1)
            now, later = half_log_snr(alpha, sigma), half_log_snr(alpha, sigma_next)
            if before is not None:
                weight = exact.weight(2) if solver_type == "heun" else exact.weight(1) / 2
                x_next = x_next + (denoised - before[0]) * (weight * (later - now) / (now - before[1]))
            if eta > 0 and s_noise > 0:
                x_next = x_next + noise(sigma, sigma_next) * (exact.sigma_up * s_noise)
            before = denoised, now
        step = Step(index, sigmas[index], sigma_next, x, prediction, x_next)
        yield step
        x = step.x


def dpmpp_2m_sde_heun(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    solver_type: Literal["midpoint", "heun"] = "heun",
) -> Iterator[Step]:
    """`dpmpp_2m_sde` with the other default."""
    return dpmpp_2m_sde(denoise, x, sigmas, noise, eta=eta, s_noise=s_noise, solver_type=solver_type)


def dpmpp_3m_sde(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """DPM-Solver++(3M) with noise: one evaluation a step and the two before; two derivatives of the prediction in λ.

    The paper (arXiv:2211.01095) has its multistep solver with noise for two steps alone; this goes on in the same way.
    Deviation from a Taylor expansion, which all programs with this sampler share: the second derivative counts half,
    so that it converges with order 2, though closer than dpmpp_2m_sde. The last step, to 0, is of first order.
    """
    alpha = alpha_of(denoise)
    history: list[tuple[torch.Tensor, float]] = []  # the predictions before, the latest first, each with its λ
    for index, (sigma, sigma_next) in enumerate(pairwise(finite_snr(alpha, sigmas))):
        prediction = denoise(x, sigma)
        x_next = denoised = prediction.denoised
        if sigma_next > 0:
            exact = reverse_sde(alpha, sigma, sigma_next, eta)
            now = half_log_snr(alpha, sigma)
            h = half_log_snr(alpha, sigma_next) - now
            x_next = x * exact.keep + denoised * exact.weight(1)
            history = [(denoised, now), *history[:2]]
            if len(history) > 1:
                slope, half_second = _derivatives(history)
                x_next = x_next + slope * (h * exact.weight(2))
                if half_second is not None:
                    x_next = x_next + half_second * (h**2 * exact.weight(3))
            if eta > 0 and s_noise > 0:
                x_next = x_next + noise(sigma, sigma_next) * (exact.sigma_up * s_noise)
        step = Step(index, sigmas[index], sigma_next, x, prediction, x_next)
        yield step
        x = step.x


def _ancestral(
    alpha: Alpha, x: torch.Tensor, target: torch.Tensor, sigma: float, sigma_next: float, eta: float
) -> tuple[torch.Tensor, float]:
    """x at sigma_next before noise is added, and the std of that noise.

    Everything is scaled by 1/α, so that one custom of eta (it scales the new noise's std) serves every kind of model.
    """
    ratio, ratio_next = sigma / alpha(sigma), sigma_next / alpha(sigma_next)
    up = min(ratio_next, eta * ratio_next * math.sqrt(1 - (ratio_next / ratio) ** 2))
    down = math.sqrt(ratio_next**2 - up**2)
    scaled = target + (x / alpha(sigma) - target) * (down / ratio)
    return scaled * alpha(sigma_next), up * alpha(sigma_next)


def _derivatives(history: list[tuple[torch.Tensor, float]]) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The prediction's first derivative in λ, at the latest of two or three, and half its second: those of the
    polynomial through them. The second is None for two."""
    (d0, l0), (d1, l1), *rest = history
    slope = (d0 - d1) / (l0 - l1)
    if not rest:
        return slope, None
    ((d2, l2),) = rest
    half_second = (slope - (d1 - d2) / (l1 - l2)) / (l0 - l2)
    return slope + half_second * (l0 - l1), half_second
