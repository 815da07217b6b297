"""DDIM, Heun++, DPM2 and DPM-Solver-fast: with their options, what sdkit expects of any sampler, and their formulas."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler

from sdkit.sampling.samplers.ddim import ddim
from sdkit.sampling.samplers.dpm2 import dpm_2
from sdkit.sampling.samplers.dpm_solver import dpm_fast
from sdkit.sampling.samplers.euler import euler
from sdkit.sampling.samplers.heun import heunpp2
from sdkit.testing.denoisers import ConstantDenoiser, GaussianDenoiser, RecordingDenoiser, karras_sigmas
from sdkit.testing.samplers import SamplerFunction, assert_sampler_ok
from tests.sampling._figures import assert_close, golden_denoiser

FUNCTIONS: dict[str, SamplerFunction] = {"ddim": ddim, "heunpp2": heunpp2, "dpm_2": dpm_2, "dpm_fast": dpm_fast}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ddim", {"eta": 1.0}),
        ("ddim", {"eta": 0.4}),
        ("heunpp2", {"s_churn": 5.0}),
        ("dpm_2", {"s_churn": 40.0}),
        ("dpm_fast", {"eta": 1.0, "denoise_to_zero": True}),
        ("dpm_fast", {"eta": 0.4, "denoise_to_zero": True}),
    ],
)
def test_with_noise_it_keeps_mean_and_variance(name: str, options: dict[str, Any]) -> None:
    assert_sampler_ok(FUNCTIONS[name], noise="white", **options)


@pytest.mark.parametrize("kind", ["eps", "flow"])
def test_ddim_without_noise_is_euler(kind: str) -> None:
    x, sigmas = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), (0.9, 0.6, 0.2, 0.0)
    results = [[step.x for step in run(golden_denoiser(kind), x, sigmas, _none)] for run in (ddim, euler)]
    assert all(torch.equal(mine, eulers) for mine, eulers in zip(*results, strict=True))


@pytest.mark.parametrize("eta", [0.3, 1.0])
def test_ddim_renews_noise_as_diffusers_does(eta: float) -> None:
    """Theirs is in the variance-preserving scaling, x/√(1 + σ²), and has no σ = 0: its last step is to timestep 0."""
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False
    )
    scheduler.set_timesteps(5)
    table = ((1 - scheduler.alphas_cumprod.double()) / scheduler.alphas_cumprod.double()).sqrt()
    timesteps = scheduler.timesteps.tolist()
    sigmas = tuple(float(table[t]) for t in timesteps)
    draws = torch.randn(4, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    noises, denoise = iter(draws), GaussianDenoiser(0.6, 0.8)
    x = draws[0] * sigmas[0]
    theirs = x / math.sqrt(1 + sigmas[0] ** 2)
    steps = ddim(denoise, x, sigmas, lambda *_: next(noises), eta=eta)
    for timestep, sigma, step, noise in zip(timesteps, sigmas, steps, draws, strict=False):
        at = theirs * math.sqrt(1 + sigma**2)
        eps = (at - denoise(at, sigma).denoised) / sigma
        theirs = scheduler.step(eps, timestep, theirs, eta=eta, variance_noise=noise, return_dict=False)[0]
        assert_close(step.x, theirs * math.sqrt(1 + step.sigma_next**2), 1e-5, f"step {step.index}")


def test_ddim_from_pure_noise_of_a_flow_model() -> None:
    """At σ = 1 nothing of x is kept at eta 1, and α(σ) = 0 divides nothing."""
    noise = torch.tensor([[2.0]])
    step = next(ddim(ConstantDenoiser(0.5, flow=True), torch.tensor([[7.0]]), (1.0, 0.6), lambda *_: noise, eta=1.0))
    assert float(step.x) == pytest.approx(0.4 * 0.5 + 0.6 * 2.0)


def test_heunpp2_weighs_slopes_by_the_sigmas_ahead() -> None:
    """With D = 0 the slope is x/σ, so every look ahead is Euler's line and the weights do not matter; with D = x they
    do: dx/dσ = 0. Between, by hand: D = x/2, slope x/(2σ)."""
    denoise = RecordingDenoiser(_Half())
    *_, last = heunpp2(denoise, torch.ones(1, dtype=torch.float64), (4.0, 3.0, 2.0, 1.0), _none)
    assert denoise.sigmas == [4.0, 3.0, 2.0, 3.0, 2.0, 2.0]

    def euler_step(x: float, sigma: float, sigma_next: float) -> float:
        return x + x / (2 * sigma) * (sigma_next - sigma)

    x = 1.0
    second, third = euler_step(x, 4, 3), euler_step(euler_step(x, 4, 3), 3, 2)
    w2, w3 = 3 / 12, 2 / 12
    x = x - ((1 - w2 - w3) * x / 8 + w2 * second / 6 + w3 * third / 4)
    x = x - ((1 - 2 / 8) * x / 6 + 2 / 8 * euler_step(x, 3, 2) / 4)
    assert float(last.x) == pytest.approx(euler_step(x, 2, 1), rel=1e-12)


def test_dpm_2_looks_in_the_geometric_middle() -> None:
    denoise = RecordingDenoiser(GaussianDenoiser(0.0, 1.0))
    list(dpm_2(denoise, torch.ones(1), (8.0, 2.0, 0.5, 0.0), _none))
    assert denoise.sigmas == pytest.approx([8.0, 4.0, 2.0, 1.0, 0.5])


@pytest.mark.parametrize(
    ("steps", "orders"), [(1, [1]), (2, [2]), (3, [2, 1]), (4, [3, 1]), (5, [3, 2]), (6, [3, 2, 1]), (7, [3, 3, 1])]
)
def test_dpm_fast_spends_its_evaluations(steps: int, orders: list[int]) -> None:
    denoise = RecordingDenoiser(GaussianDenoiser(0.0, 1.0))
    taken = list(dpm_fast(denoise, torch.ones(1), karras_sigmas(10.0, 0.1, steps), _none))
    ratio = 100 ** (1 / len(orders))
    starts = [10 / ratio**i for i in range(len(orders))]
    assert [step.sigma for step in taken] == pytest.approx(starts)
    inner = [s * ratio ** (-j / order) for s, order in zip(starts, orders, strict=True) for j in range(order)]
    assert denoise.sigmas == pytest.approx(inner)


@pytest.mark.parametrize(
    ("sigmas", "options", "left", "evaluations"),
    [
        ((10.0, 3.0, 0.5, 0.0), {}, 0.5, 3),
        ((10.0, 3.0, 0.5, 0.0), {"denoise_to_zero": True}, 0.0, 3),
        ((10.0, 3.0, 0.5), {"denoise_to_zero": True}, 0.5, 2),
        ((10.0, 0.0), {}, 0.0, 1),
    ],
)
def test_dpm_fast_leaves_the_noise_of_the_last_sigma_above_0(
    sigmas: tuple[float, ...], options: dict[str, bool], left: float, evaluations: int
) -> None:
    """Unless it is told not to, or there is nothing else to do. Its coefficients are float32's."""
    denoise = RecordingDenoiser(ConstantDenoiser(0.0))
    *_, last = dpm_fast(denoise, torch.full((1,), 10.0, dtype=torch.float64), sigmas, _none, **options)
    assert float(last.x) == pytest.approx(left, abs=5e-6)
    assert last.sigma_next == sigmas[-1]
    assert len(denoise.sigmas) == evaluations


def test_dpm_fast_never_denoises_below_its_end() -> None:
    """At eta 1 each step goes down past its sigma, but for the last one, which then has no noise to add."""
    asked: list[tuple[float, float]] = []

    def noise(sigma: float, sigma_next: float, /) -> torch.Tensor:
        asked.append((sigma, sigma_next))
        return torch.zeros(1)

    steps = list(dpm_fast(ConstantDenoiser(0.0), torch.full((1,), 8.0), (8.0, 7.0, 6.0, 5.0, 4.0, 1.0), noise, eta=1.0))
    assert asked == [pytest.approx((8.0, 8**0.5))]
    assert [float(step.x) for step in steps] == pytest.approx([1.0, 1 / 8**0.5])


class _Half:
    """Predicts half of x."""

    def __call__(self, x: torch.Tensor, sigma: float, /) -> Any:
        return ConstantDenoiser(float(x) / 2)(x, sigma)


def _none(sigma: float, sigma_next: float, /) -> torch.Tensor:
    raise AssertionError("no noise is needed here")
