"""Euler's and Heun's methods and DPM-Solver++(2M): with their options, what sdkit expects of any sampler."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sdkit.sampling.samplers.dpmpp import dpmpp_2m
from sdkit.sampling.samplers.euler import euler, euler_ancestral
from sdkit.sampling.samplers.heun import heun
from sdkit.testing.denoisers import ConstantDenoiser, GaussianDenoiser, RecordingDenoiser
from sdkit.testing.samplers import SamplerFunction, assert_sampler_ok
from sdkit.types import NoiseKind

FUNCTIONS: dict[str, SamplerFunction] = {
    "euler": euler,
    "euler_ancestral": euler_ancestral,
    "heun": heun,
    "dpmpp_2m": dpmpp_2m,
}


@pytest.mark.parametrize(
    ("name", "order", "noise", "options"),
    [
        ("euler", 1, "none", {}),
        ("euler", None, "white", {"s_churn": 5.0}),
        ("euler_ancestral", None, "white", {}),
        ("euler_ancestral", None, "white", {"eta": 0.5}),
        ("euler_ancestral", 1, "white", {"eta": 0.0}),
        ("heun", 2, "none", {}),
        ("heun", None, "white", {"s_churn": 40.0}),
        ("dpmpp_2m", 2, "none", {}),
    ],
)
def test_a_sampler_is_what_it_is_registered_as(
    name: str, order: float | None, noise: NoiseKind, options: dict[str, Any]
) -> None:
    assert_sampler_ok(FUNCTIONS[name], order=order, noise=noise, **options)


def test_ancestral_share_of_noise_differs_by_custom() -> None:
    """Between 0 and 1, eta scales the new noise's std for α = 1, and the way down for flow models."""
    noise = torch.ones(1, dtype=torch.float64)
    x = torch.tensor([2.0], dtype=torch.float64)
    eps = next(iter(euler_ancestral(ConstantDenoiser(0.0), x, (2.0, 1.0), lambda *_: noise, eta=0.5)))
    up = 0.5 * (1 - 1 / 4) ** 0.5
    assert float(eps.x) == pytest.approx((1 - up**2) ** 0.5 + up, rel=1e-12)
    flow = next(iter(euler_ancestral(ConstantDenoiser(0.0, flow=True), x, (0.8, 0.4), lambda *_: noise, eta=0.5)))
    down = 0.4 * 0.75
    kept = 0.6 / (1 - down) * down
    assert float(flow.x) == pytest.approx(kept * 2.0 / 0.8 + (0.4**2 - kept**2) ** 0.5, rel=1e-12)


def test_noise_is_scaled_by_s_noise() -> None:
    x = torch.zeros(1, dtype=torch.float64)
    ones = torch.ones(1, dtype=torch.float64)
    results = [
        float(next(iter(euler_ancestral(ConstantDenoiser(0.0), x, (2.0, 1.0), lambda *_: ones, s_noise=factor))).x)
        for factor in (1.0, 0.5, 0.0)
    ]
    assert results == pytest.approx([0.75**0.5, 0.5 * 0.75**0.5, 0.0])


def test_churn_raises_sigma_as_in_the_paper() -> None:
    denoise = RecordingDenoiser(GaussianDenoiser(0.0, 1.0))
    x = torch.ones(1, dtype=torch.float64)
    list(euler(denoise, x, (4.0, 2.0, 1.0), lambda *_: x, s_churn=0.4, s_tmin=1.5, s_tmax=3.0))
    assert denoise.sigmas == pytest.approx([4.0, 2.0 * 1.2])
    denoise = RecordingDenoiser(GaussianDenoiser(0.0, 1.0))
    list(euler(denoise, x, (4.0, 2.0), lambda *_: x, s_churn=50.0))
    assert denoise.sigmas == pytest.approx([4.0 * 2**0.5])


def test_churn_stays_below_sigma_1_of_flow_models() -> None:
    denoise = RecordingDenoiser(GaussianDenoiser(0.0, 1.0, flow=True))
    x = torch.ones(1, dtype=torch.float64)
    list(heun(denoise, x, (1.0, 0.8, 0.0), lambda *_: x, s_churn=2.0))
    assert max(denoise.sigmas) == 1.0
