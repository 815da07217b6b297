"""Schedules, the denoise rule, and the check of sigmas."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import cast

import pytest
import torch

from sdkit.errors import RequestError, SamplingError
from sdkit.sampling import check_sigmas, schedules, sigmas_for
from sdkit.types import Schedule, ScheduleParams
from tests.sampling._figures import SCHEDULES, params, tensors


def schedule(name: str) -> Schedule:
    return cast("Schedule", getattr(schedules, name))


def assert_sigmas(came: tuple[float, ...], expected: torch.Tensor) -> None:
    assert list(came) == pytest.approx(expected.tolist(), rel=1e-6, abs=0)


@pytest.mark.parametrize("steps", [1, 10, 30])
@pytest.mark.parametrize("name", SCHEDULES)
def test_table(name: str, steps: int) -> None:
    assert_sigmas(schedule(name)(steps, params()), tensors("sigmas")[f"{name}.{steps}"])


DENOISED = [key for key in tensors("sigmas") if key.startswith("ksampler.euler.")]


@pytest.mark.parametrize("key", DENOISED)
def test_table_after_the_denoise_rule(key: str) -> None:
    _, _, name, steps, whole, part = key.split(".")
    came = sigmas_for(schedule(name), int(steps), params(), float(f"{whole}.{part}"))
    assert_sigmas(came, tensors("sigmas")[key])


def test_there_are_figures_for_the_denoise_rule() -> None:
    assert len(DENOISED) == 21


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3, 999, 1000])
def test_every_number_of_steps_that_a_request_may_ask_for_gives_good_sigmas(name: str, steps: int) -> None:
    sigmas = schedule(name)(steps, params())
    check_sigmas(sigmas)
    assert len(sigmas) == steps + 1
    assert sigmas[0] == pytest.approx(params().sigma_max, rel=1e-6)


@pytest.mark.parametrize("name", SCHEDULES)
def test_flow_models_are_spaced_linearly(name: str) -> None:
    table = tuple((i + 1) / 1000 for i in range(1000))
    sigmas = schedule(name)(7, ScheduleParams(table, table[0], table[-1], "flow"))
    check_sigmas(sigmas)
    if name in ("normal", "sgm_uniform"):
        gaps = [above - below for above, below in pairwise(sigmas[:-1])]
        assert max(gaps) - min(gaps) < 1e-9


def test_denoise_0_leaves_nothing_to_do() -> None:
    assert sigmas_for(schedules.normal, 20, params(), 0.0) == ()


def test_denoise_takes_the_end_of_a_longer_schedule() -> None:
    assert sigmas_for(schedules.normal, 5, params(), 0.5) == schedules.normal(10, params())[-6:]
    assert sigmas_for(schedules.normal, 5, params(), 0.99991) == schedules.normal(5, params())


def test_hopelessly_small_denoise_is_refused_before_it_costs_anything() -> None:
    with pytest.raises(RequestError, match=r"denoise: 1e-300 in 20 steps .* use at least 0\.0002, or 0"):
        sigmas_for(schedules.normal, 20, params(), 1e-300)


@pytest.mark.parametrize(
    ("sigmas", "message"),
    [
        ((), "no steps to take: a run needs at least two sigmas, not 0"),
        ((1.0,), "not 1"),
        ((2.0, math.nan, 0.0), "sigma 1 of 3 is nan"),
        ((math.inf, 1.0, 0.0), "sigma 0 of 3 is inf"),
        ((2.0, 1.0, 1.0, 0.0), "sigma 2 of 4 is 1 after 1; use another schedule or fewer steps"),
        ((1.0, 2.0, 0.0), "must descend, but sigma 1 of 3 is 2 after 1"),
        ((1.0, 0.5, -0.1), "sigma 2 of 3 is -0.1; sigmas are never negative"),
    ],
)
def test_bad_sigmas_are_refused_by_place(sigmas: tuple[float, ...], message: str) -> None:
    with pytest.raises(SamplingError, match=message):
        check_sigmas(sigmas)


def test_simple_with_more_steps_than_the_model_has_timesteps_is_refused() -> None:
    few = ScheduleParams((0.1, 1.0, 10.0), 0.1, 10.0)
    with pytest.raises(SamplingError, match="use another schedule or fewer steps"):
        check_sigmas(schedules.simple(5, few))
