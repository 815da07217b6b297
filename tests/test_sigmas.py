"""Sigma tables, against other implementations and the papers' numbers."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler, rescale_zero_terminal_snr
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler

from sdkit.rounding import float32, log32
from sdkit.sigmas import (
    BetaSchedule,
    betas,
    distilled_sigmas,
    flow_sigmas,
    scaled_linear_sigmas,
    shifted,
    sigma_at,
    sigma_at_time,
    sigmas_of,
    zero_terminal_snr,
)
from tests.sampling._figures import tensors


def bars(sigmas: tuple[float, ...]) -> list[float]:
    return [1 / (sigma**2 + 1) for sigma in sigmas]


def test_stable_diffusion_is_the_references_to_the_last_digit() -> None:
    assert [float32(sigma) for sigma in scaled_linear_sigmas()] == tensors("sigmas")["model_sigmas"].tolist()
    assert [log32(sigma) for sigma in scaled_linear_sigmas()] == tensors("sigmas")["model_log_sigmas"].tolist()


@pytest.mark.parametrize("schedule", ["scaled_linear", "linear", "squaredcos_cap_v2"])
def test_betas_are_those_of_the_same_names_elsewhere(schedule: BetaSchedule) -> None:
    other = DDIMScheduler(beta_schedule=schedule, beta_start=0.0005, beta_end=0.02, num_train_timesteps=500)
    came = betas(schedule, 0.0005, 0.02, 500)
    assert came == pytest.approx(other.betas.tolist(), rel=1e-4)
    assert bars(sigmas_of(came)) == pytest.approx(other.alphas_cumprod.tolist(), rel=1e-3, abs=1e-6)


def test_names_in_the_configuration_files_of_latent_diffusion() -> None:
    assert betas("sqrt_linear", 0.1, 0.3, 3) == betas("linear", 0.1, 0.3, 3) == pytest.approx((0.1, 0.2, 0.3))


def test_zero_terminal_snr() -> None:
    stretched = zero_terminal_snr(scaled_linear_sigmas())
    rescaled = rescale_zero_terminal_snr(torch.tensor(betas(), dtype=torch.float64))
    other = torch.cumprod(1 - rescaled, 0).tolist()
    assert bars(stretched)[:-1] == pytest.approx(other[:-1], rel=1e-9)
    assert (other[-1], bars(stretched)[-1]) == (0.0, pytest.approx(4.8973451890853435e-08))
    assert stretched[0] == pytest.approx(scaled_linear_sigmas()[0])
    assert stretched[-1] == pytest.approx(4518.765, rel=1e-5)


def test_distilled_tables_keep_every_nth_sigma_and_the_last() -> None:
    table = scaled_linear_sigmas()
    assert distilled_sigmas(table) == tuple(map(float32, table[19::20]))
    assert len(distilled_sigmas(table)) == 50


@pytest.mark.parametrize("shift", [1.0, 3.0, 0.5])
def test_flow_tables(shift: float) -> None:
    other = torch.as_tensor(FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=shift).sigmas)
    assert flow_sigmas(shift) == pytest.approx(other.flip(0).tolist(), rel=1e-5)
    assert flow_sigmas(shift)[-1] == 1.0
    assert len(flow_sigmas(shift, 250)) == 250


def test_exponential_shift_is_a_shift() -> None:
    mu, time = 1.15, 0.3
    assert shifted(time, math.exp(mu)) == pytest.approx(math.exp(mu) / (math.exp(mu) + (1 / time - 1)))


def test_shift_of_3() -> None:
    assert (shifted(0.25, 3.0), shifted(0.5, 3.0), shifted(1.0, 3.0)) == (0.5, 0.75, 1.0)


def test_between_timesteps_the_logarithm_is_interpolated() -> None:
    table = (0.01, 1.0, 4.0)
    assert sigma_at(table, 0.5, "eps") == pytest.approx(0.1)
    assert sigma_at(table, 1.5, "v") == pytest.approx(2.0)
    assert sigma_at(table, 2.0, "eps") == pytest.approx(4.0)
    assert [sigma_at(table, place, "eps") for place in (-1.0, 2.1)] == pytest.approx([0.01, 4.0])


@pytest.mark.parametrize("shift", [1.0, 3.0, 0.2, 12.0])
@pytest.mark.parametrize("time", [0.0002, 0.001, 0.00149, 0.33333, 0.5, 0.9993, 1.0])
def test_between_timesteps_flow_models_keep_their_shift(shift: float, time: float) -> None:
    table = flow_sigmas(shift)
    assert sigma_at_time(table, time) == pytest.approx(shifted(time, shift), rel=1e-9)
    assert sigma_at(table, time * 1000 - 1, "flow") == pytest.approx(shifted(time, shift), rel=1e-9)
