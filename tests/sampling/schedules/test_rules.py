"""What a run makes of a schedule, and the check of sigmas."""

from __future__ import annotations

import math

import pytest

from sdkit.errors import RequestError, SamplingError
from sdkit.sampling import check_sigmas, schedules, sigmas_for
from tests.sampling._figures import params


def test_denoise_0_leaves_nothing_to_do() -> None:
    assert sigmas_for(schedules.normal, 20, params(), 0.0) == ()


def test_denoise_takes_the_end_of_a_longer_schedule() -> None:
    assert sigmas_for(schedules.normal, 5, params(), 0.5) == schedules.normal(10, params())[-6:]
    assert sigmas_for(schedules.normal, 5, params(), 0.99991) == schedules.normal(5, params())


def test_schedules_that_do_not_count_their_steps_are_taken_whole() -> None:
    """30 steps of ddim_uniform are 31; only the denoise rule cuts."""
    assert len(sigmas_for(schedules.ddim_uniform, 30, params(), 1.0)) == 32
    assert sigmas_for(schedules.ddim_uniform, 20, params(), 0.5) == schedules.ddim_uniform(40, params())[-21:]


def test_the_penultimate_sigma_is_dropped_from_one_step_more() -> None:
    longer = schedules.karras(6, params())
    assert sigmas_for(schedules.karras, 5, params(), 1.0, discard_penultimate=True) == (*longer[:5], 0.0)
    longer = schedules.karras(11, params())
    assert sigmas_for(schedules.karras, 5, params(), 0.5, discard_penultimate=True) == (*longer[5:10], 0.0)


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
