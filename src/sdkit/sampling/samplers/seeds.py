"""SEEDS: exponential Runge–Kutta methods in λ for the reverse SDE, with or without its noise."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from sdkit.sampling.alpha import alpha_of
from sdkit.sampling.samplers.maths import finite_snr, half_log_snr, reverse_sde, sigma_between
from sdkit.types import Step

if TYPE_CHECKING:
    import torch

    from sdkit.sampling.alpha import Alpha
    from sdkit.types import Denoiser, Noise


def seeds_2(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r: float = 0.5,
    solver_type: Literal["phi_1", "phi_2"] = "phi_1",
) -> Iterator[Step]:
    """SEEDS-2: two evaluations a step, the second at the share `r` of it in λ (Gonzalez et al., arXiv:2305.14267).

    "phi_1" counts the change between the two predictions as if it were all there from the middle of the step, as the
    paper does; "phi_2" integrates it. Deviations: any `eta` and `r`; the step to 0 takes the prediction.
    """
    alpha = alpha_of(denoise)
    for index, (sigma, sigma_next) in enumerate(pairwise(finite_snr(alpha, sigmas))):
        prediction = denoise(x, sigma)
        x_next = first = prediction.denoised
        if sigma_next > 0:
            path = _Injected(alpha, noise, eta, s_noise, sigma)
            sigma_mid = sigma_between(alpha, sigma, sigma_next, r)
            middle, exact = reverse_sde(alpha, sigma, sigma_mid, eta), reverse_sde(alpha, sigma, sigma_next, eta)
            x_mid = path.add(x * middle.keep + first * middle.weight(1), sigma_mid)
            change = denoise(x_mid, sigma_mid).denoised - first
            weight = exact.weight(2) / r if solver_type == "phi_2" else exact.weight(1) / (2 * r)
            x_next = path.add(x * exact.keep + first * exact.weight(1) + change * weight, sigma_next)
        step = Step(index, sigmas[index], sigma_next, x, prediction, x_next)
        yield step
        x = step.x


def seeds_3(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r_1: float = 1 / 3,
    r_2: float = 2 / 3,
) -> Iterator[Step]:
    """SEEDS-3: three evaluations a step, at its start and at the shares `r_1` < `r_2` of it in λ (Gonzalez et al.,
    arXiv:2305.14267).

    Deviations: any `eta`, `r_1` and `r_2`, of third order without noise only for the paper's r_2 = 2/3, else of second;
    the step to 0 takes the prediction.
    """
    alpha = alpha_of(denoise)
    for index, (sigma, sigma_next) in enumerate(pairwise(finite_snr(alpha, sigmas))):
        prediction = denoise(x, sigma)
        x_next = first = prediction.denoised
        if sigma_next > 0:
            path = _Injected(alpha, noise, eta, s_noise, sigma)
            sigma_1, sigma_2 = (sigma_between(alpha, sigma, sigma_next, r) for r in (r_1, r_2))
            to_1, to_2, exact = (reverse_sde(alpha, sigma, later, eta) for later in (sigma_1, sigma_2, sigma_next))
            x_1 = path.add(x * to_1.keep + first * to_1.weight(1), sigma_1)
            change = denoise(x_1, sigma_1).denoised - first
            x_2 = x * to_2.keep + first * to_2.weight(1) + change * (to_2.weight(2) * r_2 / r_1)
            x_2 = path.add(x_2, sigma_2)
            change = denoise(x_2, sigma_2).denoised - first
            x_next = x * exact.keep + first * exact.weight(1) + change * (exact.weight(2) / r_2)
            x_next = path.add(x_next, sigma_next)
        step = Step(index, sigmas[index], sigma_next, x, prediction, x_next)
        yield step
        x = step.x


def exp_heun_2_x0(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    solver_type: Literal["phi_1", "phi_2"] = "phi_2",
) -> Iterator[Step]:
    """Heun's method as an exponential integrator in λ: `seeds_2` without noise, its second look at the step's end."""
    return seeds_2(denoise, x, sigmas, noise, eta=0.0, s_noise=0.0, r=1.0, solver_type=solver_type)


def exp_heun_2_x0_sde(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    solver_type: Literal["phi_1", "phi_2"] = "phi_2",
) -> Iterator[Step]:
    """Heun's method as an exponential integrator in λ with noise: `seeds_2`, its second look at the step's end."""
    return seeds_2(denoise, x, sigmas, noise, eta=eta, s_noise=s_noise, r=1.0, solver_type=solver_type)


@dataclass
class _Injected:
    """The noise that came into x since a step's start: at each later sigma what was there, faded, and some more.

    In law it is the exact solution of the SDE's noise part at all of the step's stages together, from independent
    draws (white noise), one for each stretch between two stages.
    """

    alpha: Alpha
    noise: Noise
    eta: float
    s_noise: float
    sigma: float
    part: torch.Tensor | None = None  # of unit variance once divided by √(1 − e^(−2·eta·(λ − λ_start)))

    def add(self, x: torch.Tensor, sigma_next: float) -> torch.Tensor:
        """x with the noise that it has at sigma_next."""
        if self.eta == 0 or self.s_noise == 0:
            return x
        # A stage at the step's very end leaves no stretch behind it. The draw for that stretch counts for nothing, but
        # is made, an infinitesimal stretch long: other programs make it, and the same seed is to give their picture.
        above = max(self.sigma, math.nextafter(sigma_next, math.inf))
        stretch = half_log_snr(self.alpha, sigma_next) - half_log_snr(self.alpha, self.sigma)
        new = self.noise(above, sigma_next) * math.sqrt(-math.expm1(-2 * self.eta * stretch))
        self.part = new if self.part is None else self.part * math.exp(-self.eta * stretch) + new
        self.sigma = sigma_next
        return x + self.part * (sigma_next * self.s_noise)
