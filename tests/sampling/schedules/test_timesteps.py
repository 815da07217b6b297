"""Schedules by training timesteps: what they do where steps and timesteps do not go together."""

from __future__ import annotations

import pytest

from sdkit.errors import RequestError
from sdkit.rounding import float32
from sdkit.sampling import schedules, sigmas_for
from sdkit.types import ScheduleParams
from tests.sampling._figures import params

FEW = ScheduleParams((0.1, 1.0, 10.0), 0.1, 10.0)


def test_simple_names_the_largest_number_of_steps() -> None:
    assert schedules.simple(3, FEW) == (10.0, 1.0, float32(0.1), 0.0)
    with pytest.raises(RequestError, match=r"'simple' has 3 steps at most for this model.*not 5 .*use fewer, or 'norm"):
        schedules.simple(5, FEW)


def test_simple_says_so_where_it_is_the_end_of_a_longer_schedule() -> None:
    with pytest.raises(RequestError, match=r"1,000 steps at most .* not 1,200 \(with denoise below 1"):
        sigmas_for(schedules.simple, 600, params(), 0.5)


def test_normal_has_any_number_of_steps() -> None:
    sigmas = schedules.normal(5, FEW)
    assert sigmas[:5:2] == pytest.approx((10.0, 1.0, 0.1))
    assert sigmas[1] == pytest.approx(10**0.5)


@pytest.mark.parametrize(("steps", "came"), [(30, 31), (501, 999), (999, 999), (1000, 999), (5000, 999)])
def test_ddim_uniform_rounds_its_stride_down(steps: int, came: int) -> None:
    sigmas = schedules.ddim_uniform(steps, params())
    assert len(sigmas) - 1 == came
    assert sigmas[-2] == float32(params().sigmas[1])


def test_sd_turbo_takes_every_hundredth_timestep() -> None:
    table = params().sigmas
    assert schedules.sd_turbo(1, params()) == pytest.approx((table[999], 0.0), rel=1e-6)
    assert schedules.sd_turbo(4, params()) == pytest.approx((*table[:600:-100], 0.0), rel=1e-6)


def test_sd_turbo_has_ten_steps_at_most() -> None:
    assert schedules.sd_turbo(10, params())[-2] == pytest.approx(params().sigmas[99], rel=1e-6)
    with pytest.raises(RequestError, match=r"'sd_turbo' has 10 steps at most, not 20 .*turbo models want 1 to 4"):
        schedules.sd_turbo(20, params())
