"""Schedules between two sigmas: what their options do, and what they refuse."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from sdkit.errors import RequestError
from sdkit.sampling import schedules
from sdkit.types import ScheduleParams
from tests.sampling._figures import params

BOUNDS = ScheduleParams((0.04, 4.0), 0.04, 4.0)


def test_rho_of_karras() -> None:
    assert schedules.karras(3, BOUNDS, rho=1.0) == pytest.approx((4.0, 2.02, 0.04, 0.0))
    assert schedules.karras(3, BOUNDS, rho=2.0) == pytest.approx((4.0, 1.21, 0.04, 0.0))  # ((2 + 0.2)/2)²


def test_exponential_is_even_in_the_logarithm() -> None:
    assert schedules.exponential(3, BOUNDS) == pytest.approx((4.0, 0.4, 0.04, 0.0))


def test_rho_of_polyexponential() -> None:
    assert schedules.polyexponential(20, params()) == pytest.approx(schedules.exponential(20, params()), rel=1e-6)
    assert schedules.polyexponential(3, BOUNDS, rho=2.0)[1] == pytest.approx(0.04 * 100**0.25)


def test_kl_optimal_is_even_in_the_angle() -> None:
    angles = [math.atan(sigma) for sigma in schedules.kl_optimal(5, BOUNDS)[:-1]]
    gaps = [above - below for above, below in pairwise(angles)]
    assert max(gaps) - min(gaps) < 1e-6


def test_linear_quadratic_is_even_up_to_the_threshold_and_goes_on_without_a_bend() -> None:
    sigmas = schedules.linear_quadratic(8, ScheduleParams((1.0,), 0.1, 1.0), threshold_noise=0.2, linear_steps=2)
    assert sigmas[:3] == pytest.approx((1.0, 0.9, 0.8))
    curve = (0.8 - 6 * 0.1) / 36  # 0.8 must go in six steps, of which the slope alone takes 0.1 each
    assert sigmas[2:] == pytest.approx([0.8 - 0.1 * i - curve * i * i for i in range(7)], abs=1e-7)


def test_linear_quadratic_needs_steps_for_both() -> None:
    with pytest.raises(RequestError, match="8 linear steps of 8; leave one for the rest, so use 7 or fewer"):
        schedules.linear_quadratic(8, params(), linear_steps=8)


def test_linear_quadratic_refuses_to_rise() -> None:
    with pytest.raises(RequestError, match=r"cannot remove 0\.9 of the noise in 1 of 10 steps.*lower threshold_noise"):
        schedules.linear_quadratic(10, params(), threshold_noise=0.9, linear_steps=1)
