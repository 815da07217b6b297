"""λ, φ, the exact part of a step of the reverse SDE, and the samplers that are exact where these are all there is."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch

from sdkit.rounding import float32
from sdkit.sampling import Alpha
from sdkit.sampling.samplers.maths import (
    finite_snr,
    half_log_snr,
    phi,
    reverse_sde,
    sigma_between,
    sigma_between32,
)
from sdkit.sampling.samplers.sa_solver import sa_solver, sa_solver_pece
from sdkit.sampling.samplers.seeds import seeds_3
from sdkit.testing.denoisers import ConstantDenoiser
from sdkit.testing.samplers import SamplerFunction
from sdkit.types import Denoiser, Prediction


def one(sigma: float) -> float:
    return 1.0


def flow(sigma: float) -> float:
    return 1.0 - sigma


@pytest.mark.parametrize("k", range(1, 8))
@pytest.mark.parametrize("z", [-30.0, -2.5, -2.0, -1.999, -0.1, -1e-9, 0.0, 0.7, 3.0])
def test_phi_is_its_integral(k: int, z: float) -> None:
    parts = 2000
    points = [i / parts for i in range(parts + 1)]
    weights = [1 if i in (0, parts) else 4 if i % 2 else 2 for i in range(parts + 1)]
    values = [math.exp((1 - u) * z) * u ** (k - 1) / math.factorial(k - 1) for u in points]
    integral = sum(a * b for a, b in zip(weights, values, strict=True)) / parts / 3
    assert phi(k, z) == pytest.approx(integral, rel=1e-8)


def test_phi_keeps_its_digits_near_0() -> None:
    assert phi(3, -1e-10) == pytest.approx(1 / 6 - 1e-10 / 24, rel=1e-15)
    assert phi(2, -2.0) == pytest.approx((math.exp(-2) + 1) / 4, rel=1e-15)


def test_half_way_in_lambda() -> None:
    assert sigma_between(one, 8.0, 2.0, 0.5) == pytest.approx(4.0, rel=1e-15)
    middle = sigma_between(flow, 0.9, 0.1, 0.5)
    assert middle == pytest.approx(0.5, rel=1e-15)
    assert half_log_snr(flow, sigma_between(flow, 0.8, 0.3, 0.25)) == pytest.approx(
        0.75 * math.log(0.2 / 0.8) + 0.25 * math.log(0.7 / 0.3)
    )
    assert sigma_between(flow, 0.9, 0.3, 1.0) == 0.3


@pytest.mark.parametrize(("alpha", "top"), [(one, 14.6), (flow, 0.999)])
def test_between_in_float32_rounds_every_operation(alpha: Alpha, top: float) -> None:
    sigmas = torch.linspace(top, 0.03, 60)
    ratios = sigmas if alpha is one else sigmas / (1 - sigmas)
    lambdas = -ratios.double().log().float()
    middles = lambdas[:-1] + 0.3 * (lambdas[1:] - lambdas[:-1])
    expected = (-middles).double().exp().float() if alpha is one else 1 / (1 + middles.double().exp().float())
    pairs = list(pairwise(sigmas.tolist()))
    assert [sigma_between32(alpha, *pair, 0.3) for pair in pairs] == expected.tolist()
    exact = [sigma_between(alpha, *pair, 0.3) for pair in pairs]
    assert exact == pytest.approx(expected.tolist(), rel=1e-6)
    assert [float32(sigma) for sigma in exact] != expected.tolist(), "rounding the result alone is not enough"
    assert sigma_between32(alpha, 0.9, 0.3, 1.0) == 0.3


def test_only_a_first_sigma_without_signal_is_lowered() -> None:
    assert finite_snr(flow, (1.0, 0.5, 0.0)) == (0.9999, 0.5, 0.0)
    assert finite_snr(flow, (0.99999, 0.5)) == (0.99999, 0.5)
    assert finite_snr(one, (1.0, 0.5)) == (1.0, 0.5)
    lowered, following = finite_snr(flow, (1.0, 0.99999))
    assert 1 > lowered > following
    assert finite_snr(flow, ()) == ()


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0, 4.0])
@pytest.mark.parametrize(("alpha", "sigma", "sigma_next"), [(one, 3.0, 1.0), (flow, 0.9, 0.2)])
def test_a_step_of_the_sde_keeps_the_noise_level(eta: float, alpha: object, sigma: float, sigma_next: float) -> None:
    """x = α·D + σ·noise comes out as such at sigma_next: signal and noise are both what they are to be."""
    share = one if alpha is one else flow
    step = reverse_sde(share, sigma, sigma_next, eta)
    assert step.keep * share(sigma) + step.weight(1) == pytest.approx(share(sigma_next), rel=1e-14)
    assert (step.keep * sigma) ** 2 + step.sigma_up**2 == pytest.approx(sigma_next**2, rel=1e-14)
    if eta == 1:  # the posterior of DDPM: in σ/α, what is kept falls by the ratio squared
        ratio = sigma_next * share(sigma) / (sigma * share(sigma_next))
        assert step.keep == pytest.approx(ratio**2 * share(sigma_next) / share(sigma), rel=1e-14)


def no_noise(sigma: float, sigma_next: float, /) -> torch.Tensor:
    raise AssertionError(f"asked for noise from {sigma} to {sigma_next}")


def linear_denoiser(constant: float, slope: float) -> Denoiser:
    """Predicts constant + slope·λ, λ = −log σ, whatever x is."""

    def predict(x: torch.Tensor, sigma: float, /) -> Prediction:
        return ConstantDenoiser(constant - slope * math.log(sigma))(x, sigma)

    return predict


def solution(constant: float, slope: float, x: float, sigma: float, sigma_next: float, rate: float) -> float:
    """Of the SDE's mean, rate = 1 + τ²: e^(−rate·h)·x + ∫ rate·e^(−rate·(λ_next − λ))·D(λ) dλ."""
    start, end = -math.log(sigma), -math.log(sigma_next)
    left = math.exp(rate * (start - end))
    at_end, at_start = (constant + slope * (u - 1 / rate) for u in (end, start))  # of an antiderivative
    return left * x + at_end - left * at_start


def walk_to(sampler: SamplerFunction, denoise: Denoiser, sigmas: tuple[float, ...], **options: Any) -> float:
    x = torch.tensor([1.7], dtype=torch.float64)
    *_, last = sampler(denoise, x, sigmas, no_noise, **options)
    return float(last.x)


UNEVEN = (5.0, 4.0, 2.9, 2.5, 1.1, 0.7)
"""Within the default percents of sa_solver, so that τ is eta in every step."""


@pytest.mark.parametrize("tau", [0.0, 1.0, 1.3])
@pytest.mark.parametrize("sampler", [sa_solver, sa_solver_pece])
def test_sa_solver_is_exact_for_predictions_that_are_linear_in_lambda(sampler: SamplerFunction, tau: float) -> None:
    """Its first step is corrected by two predictions, later ones use more: s_noise 0 leaves the SDE's mean."""
    came = walk_to(sampler, linear_denoiser(0.3, -0.8), UNEVEN, eta=tau, s_noise=0.0)
    assert came == pytest.approx(solution(0.3, -0.8, 1.7, 5.0, 0.7, 1 + tau**2), rel=1e-10)


def test_seeds_3_is_exact_for_predictions_that_are_linear_in_lambda() -> None:
    came = walk_to(seeds_3, linear_denoiser(0.3, -0.8), UNEVEN, eta=0.7, s_noise=0.0)
    assert came == pytest.approx(solution(0.3, -0.8, 1.7, 5.0, 0.7, 1.7), rel=1e-10)
