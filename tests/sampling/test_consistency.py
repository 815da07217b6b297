"""LCM and TCD: against the papers' other implementations, and what sdkit expects of any sampler."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers.schedulers.scheduling_tcd import TCDScheduler

from sdkit.sampling.samplers.consistency import lcm, tcd
from sdkit.testing.denoisers import ConstantDenoiser, GaussianDenoiser, RecordingDenoiser
from sdkit.testing.samplers import assert_sampler_ok
from tests.sampling._figures import assert_close


def test_lcm_keeps_mean_and_variance() -> None:
    assert_sampler_ok(lcm, noise="white", consistency=True)
    assert_sampler_ok(lcm, noise="white", consistency=True, noise_clip_std=6.0)
    with pytest.raises(AssertionError, match="should have variance"):
        assert_sampler_ok(lcm, noise="white", consistency=True, s_noise=1.1)


@pytest.mark.parametrize("eta", [0.3, 1.0])
def test_tcd_keeps_mean_and_variance(eta: float) -> None:
    assert_sampler_ok(tcd, noise="white", consistency=True, eta=eta)


@pytest.mark.parametrize("eta", [0.0, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("steps", [1, 4, 7])
def test_tcd_steps_as_diffusers_does(steps: int, eta: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Theirs is in the variance-preserving scaling, x/√(1 + σ²); its last step is to timestep 0, σ = 0.029."""
    scheduler = TCDScheduler()
    scheduler.set_timesteps(steps)
    table = ((1 - scheduler.alphas_cumprod.double()) / scheduler.alphas_cumprod.double()).sqrt()
    timesteps = scheduler.timesteps.tolist()
    sigmas = (*(float(table[t]) for t in timesteps), float(table[0]))
    draws = torch.randn(steps, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    mine, theirs, denoise = iter(draws), iter(draws), GaussianDenoiser(0.6, 0.8)
    monkeypatch.setattr("diffusers.schedulers.scheduling_tcd.randn_tensor", lambda *_, **__: next(theirs))
    x = draws[0] * sigmas[0]
    scaled = x / math.sqrt(1 + sigmas[0] ** 2)
    for timestep, step in zip(timesteps, tcd(denoise, x, sigmas, lambda *_: next(mine), eta=eta), strict=True):
        at = scaled * math.sqrt(1 + step.sigma**2)
        eps = (at - denoise(at, step.sigma).denoised) / step.sigma
        scaled = scheduler.step(eps, timestep, scaled, eta=eta, return_dict=False)[0]
        assert_close(step.x, scaled * math.sqrt(1 + step.sigma_next**2), 1e-4, f"step {step.index}")


def test_tcd_of_a_flow_model_goes_down_by_a_share_of_sigma() -> None:
    noise = torch.ones(1, dtype=torch.float64)
    (step,) = tcd(ConstantDenoiser(0.0, flow=True), noise * 2, (0.8, 0.4), lambda *_: noise, eta=0.5)
    kept = 0.6 / 0.8 * 0.2  # scaled from α(0.2) to α(0.4)
    assert float(step.x) == pytest.approx(kept * 2.0 / 0.8 + (0.4**2 - kept**2) ** 0.5, rel=1e-12)


def test_lcm_changes_its_factor_from_first_to_last_step() -> None:
    x = torch.zeros(1, 1, dtype=torch.float64)
    steps = lcm(ConstantDenoiser(0.0), x, (8.0, 4.0, 2.0, 1.0), lambda *_: x + 1, s_noise=1.2, s_noise_end=0.8)
    assert [float(step.x) for step in steps] == pytest.approx([1.2 * 4, 1.0 * 2, 0.8])
    (alone,) = lcm(ConstantDenoiser(0.0), x, (8.0, 4.0), lambda *_: x + 1, s_noise=1.2, s_noise_end=0.8)
    assert float(alone.x) == pytest.approx(1.2 * 4)


def test_lcm_clips_noise_by_each_pictures_own_std() -> None:
    noise = torch.tensor([[-3.0, -1.0, 1.0, 3.0], [-30.0, -10.0, 10.0, 30.0]], dtype=torch.float64)
    (step,) = lcm(ConstantDenoiser(0.0), torch.zeros_like(noise), (2.0, 1.0), lambda *_: noise, noise_clip_std=1.0)
    std = (20 / 3) ** 0.5
    assert step.x.tolist() == [pytest.approx([-std, -1, 1, std]), pytest.approx([-10 * std, -10, 10, 10 * std])]


def test_each_evaluates_once_and_ends_at_the_prediction() -> None:
    for sampler in (lcm, tcd):
        denoise = RecordingDenoiser(ConstantDenoiser(0.25))
        (step,) = sampler(denoise, torch.ones(1, 1), (14.6, 0.0), lambda *_: torch.ones(1, 1))
        assert (float(step.x), denoise.sigmas) == (0.25, [14.6])
