"""Align Your Steps: the published sigmas, other numbers of steps, other models."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sdkit.sampling import schedules
from sdkit.sampling.schedules.optimised import interpolated
from tests.sampling._figures import params

SD1 = (14.6146, 6.4746, 3.8637, 2.6946, 1.8842, 1.3944, 0.9643, 0.6524, 0.3977, 0.1515, 0.0)
SDXL = (14.6146, 6.3184, 3.7681, 2.1811, 1.3405, 0.8621, 0.5551, 0.3799, 0.2332, 0.1114, 0.0)


def test_ten_steps_are_the_published_ones() -> None:
    assert schedules.align_your_steps(10, replace(params(), family="sd1")) == pytest.approx(SD1, abs=1e-4)
    assert schedules.align_your_steps(10, replace(params(), family="sdxl")) == pytest.approx(SDXL, abs=1e-4)


def test_the_table_can_be_chosen() -> None:
    assert schedules.align_your_steps(10, replace(params(), family="sd1"), table="sdxl") == pytest.approx(
        SDXL, abs=1e-4
    )
    assert schedules.align_your_steps(10, params(), table="svd")[:2] == (700.0, 54.5)


def test_other_numbers_of_steps_lie_between_in_the_logarithm() -> None:
    twenty = schedules.align_your_steps(20, params())
    assert twenty[::2] == pytest.approx(SD1, abs=1e-4)
    assert twenty[1] == pytest.approx((14.6146412293 * 6.4745760956) ** 0.5)
    assert twenty[19] == pytest.approx((0.1515232662 * 0.0291671582) ** 0.5)
    assert schedules.align_your_steps(1, params()) == (pytest.approx(14.6146412293), 0.0)


def test_interpolated() -> None:
    assert interpolated((100.0, 10.0, 1.0), 2) == pytest.approx((100.0, 1.0))
    assert interpolated((100.0, 10.0, 1.0), 5) == pytest.approx((100.0, 10**1.5, 10.0, 10**0.5, 1.0))
