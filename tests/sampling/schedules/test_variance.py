"""vp and laplace: their formulas, and what becomes of sigmas that the model does not know."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from sdkit.rounding import float32
from sdkit.sampling import flow_sigmas, schedules
from sdkit.types import ScheduleParams
from tests.sampling._figures import params

FLOW = ScheduleParams(flow_sigmas(), 0.001, 1.0, "flow")


def test_vp() -> None:
    sigmas = schedules.vp(3, params())
    middle = 0.5005
    assert sigmas[0] == pytest.approx(math.sqrt(math.exp(19.9 / 2 + 0.1) - 1), rel=1e-6)
    assert sigmas[1] == pytest.approx(math.sqrt(math.exp(19.9 * middle**2 / 2 + 0.1 * middle) - 1), rel=1e-6)
    assert sigmas[2] == pytest.approx(0.010487, rel=1e-3)
    assert schedules.vp(1, params(), beta_d=2.0, beta_min=0.0)[0] == pytest.approx(math.sqrt(math.e - 1), rel=1e-6)


def test_laplace() -> None:
    """Even quantiles: half of the distribution is above exp(mu), a quarter beyond mu ± beta·log 2."""
    wide = replace(params(), sigma_min=1e-6, sigma_max=1e6)
    sigmas = schedules.laplace(5, wide, mu=0.7, beta=0.3)
    assert sigmas[1:4] == pytest.approx([math.exp(0.7 + 0.3 * math.log(2) * side) for side in (1, 0, -1)], rel=1e-4)
    assert sigmas[-1] == 0


def test_laplace_visits_each_end_once() -> None:
    sigmas = schedules.laplace(11, params(), beta=3.0)
    assert (sigmas[0], sigmas[-2]) == (float32(params().sigma_max), float32(params().sigma_min))
    assert len(sigmas) < 12


def test_laplace_of_flow_models_is_symmetrical_around_half_the_way() -> None:
    sigmas = schedules.laplace(9, FLOW)
    assert len(sigmas) == 10
    assert sigmas[4] == pytest.approx(0.5)
    assert sigmas[3] + sigmas[5] == pytest.approx(1.0)


def test_vp_of_flow_models() -> None:
    plain, flow = schedules.vp(4, params()), schedules.vp(4, FLOW)
    assert flow == pytest.approx((1.0, *(sigma / (1 + sigma) for sigma in plain[1:])))
