"""ER-SDE-Solver: extended reverse-time SDEs, in which the noise to renew at each level is chosen freely."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from sdkit.sampling.alpha import alpha_of
from sdkit.sampling.samplers.maths import finite_snr
from sdkit.types import Step

if TYPE_CHECKING:
    import torch

    from sdkit.types import Denoiser, Noise

POINTS = 200
"""Of the sums that stand for the integrals of stages 2 and 3."""

Scaler = Callable[[float], float]
"""log φ(λ) with λ = σ/α: how much of x's distance from the prediction is kept from λ to λ' is φ(λ')/φ(λ)."""


def er_sde(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    solver_type: Literal["er_sde", "reverse_time_sde", "ode"] = "er_sde",
    max_stage: int = 3,
) -> Iterator[Step]:
    """VP ER-SDE-Solver-3: one evaluation a step and the two before (Cui et al., arXiv:2309.06169).

    `solver_type` is the paper's noise scale φ(λ): "er_sde" λ·(e^(λ^0.3) + 10)^eta, for eta 1 the paper's choice;
    "reverse_time_sde" λ^(1 + eta); "ode" λ, which renews no noise, nor does eta 0. Deviations: eta; the integrals of
    1/φ are sums over 200 points from the left, as in the authors' program: half a per cent off in what stages 2 and 3
    add, so that with many steps the order falls to 1.
    """
    alpha, log_phi = alpha_of(denoise), _scaler(solver_type, eta)
    draws = s_noise > 0 and eta > 0 and solver_type != "ode"
    denoised_before: torch.Tensor | None = None
    slope_before: torch.Tensor | None = None
    lambdas: list[float] = []  # σ/α of this step and the two before, the latest last
    for index, (sigma, sigma_next) in enumerate(pairwise(finite_snr(alpha, sigmas))):
        prediction = denoise(x, sigma)
        x_next = denoised = prediction.denoised
        if sigma_next > 0:
            alpha_next = alpha(sigma_next)
            now, later = sigma / alpha(sigma), sigma_next / alpha_next
            lambdas = [*lambdas[-2:], now]
            kept = math.exp(log_phi(later) - log_phi(now))
            x_next = x * (alpha_next / alpha(sigma) * kept) + denoised * (alpha_next * (1 - kept))
            if denoised_before is not None and max_stage >= 2:
                slope = (denoised - denoised_before) / (now - lambdas[-2])
                second, third = _integrals(log_phi, now, later)
                x_next = x_next + slope * (alpha_next * second)
                if slope_before is not None and max_stage >= 3:
                    bend = (slope - slope_before) / ((now - lambdas[-3]) / 2)
                    x_next = x_next + bend * (alpha_next * third)
                slope_before = slope
            if draws:
                up = math.sqrt(max(0.0, later**2 - (now * kept) ** 2))
                x_next = x_next + noise(sigma, sigma_next) * (alpha_next * up * s_noise)
            denoised_before = denoised
        step = Step(index, sigmas[index], sigma_next, x, prediction, x_next)
        yield step
        x = step.x


def _scaler(solver_type: str, eta: float) -> Scaler:
    """In logarithms, because e^(λ^0.3) to the eta overflows long before a ratio of two does."""
    if solver_type == "ode" or eta == 0:
        return math.log
    if solver_type == "reverse_time_sde":
        return lambda ratio: (1 + eta) * math.log(ratio)
    return lambda ratio: math.log(ratio) + eta * (ratio**0.3 + math.log1p(10 * math.exp(-(ratio**0.3))))


def _integrals(log_phi: Scaler, now: float, later: float) -> tuple[float, float]:
    """What the prediction's first and second derivative in λ = σ/α count for in a step from λ `now` down to `later`.

    (later − now) + φ(later)·∫ du/φ(u), and (later − now)²/2 + φ(later)·∫ (u − now)·du/φ(u), from later to now.
    """
    width, end = (now - later) / POINTS, log_phi(later)
    points = [later + i * width for i in range(POINTS)]
    shares = [math.exp(end - log_phi(point)) for point in points]
    first = sum(shares) * width
    second = sum((point - now) * share for point, share in zip(points, shares, strict=True)) * width
    return later - now + first, (later - now) ** 2 / 2 + second
