"""The beta schedule and its distribution function, against closed forms and the figures of scipy 1.17."""

from __future__ import annotations

import math

import pytest

from sdkit.rounding import float32
from sdkit.sampling import schedules
from sdkit.sampling.schedules.distribution import beta_distribution
from tests.sampling._figures import params

PLACES = (1e-9, 0.003, 0.2, 0.5, 0.81, 0.9995)


@pytest.mark.parametrize("x", PLACES)
@pytest.mark.parametrize("a", [0.01, 0.6, 1.0, 7.0, 50.0])
def test_closed_forms(x: float, a: float) -> None:
    assert beta_distribution(x, a, 1.0) == pytest.approx(x**a, rel=1e-12)
    assert beta_distribution(x, 1.0, a) == pytest.approx(-math.expm1(a * math.log1p(-x)), rel=1e-12)
    assert beta_distribution(0.25, a, 0.6) + beta_distribution(0.75, 0.6, a) == pytest.approx(1.0, rel=1e-12)
    assert beta_distribution(x, 0.5, 0.5) == pytest.approx(2 / math.pi * math.asin(math.sqrt(x)), rel=1e-12)


@pytest.mark.parametrize(
    ("a", "b", "shares"),
    [
        (0.6, 0.6, (2.74706995724952e-06, 0.021151351062687906, 0.2713679328265825, 0.5, 0.7373159369740395)),
        (0.01, 0.01, (0.40648115413632696, 0.47187222763873454, 0.4931733002308647, 0.5, 0.5071394840436113)),
        (0.1, 5.0, (0.15400906653907143, 0.6835739377538815, 0.9766004939306011, 0.998744026761861)),
        (2.5, 3.7, (3.864994698614466e-22, 5.990141051820837e-06, 0.14502473939616603, 0.6977441894228754)),
        (50.0, 50.0, (0.0, 3.1347769099950196e-98, 1.3286199631860443e-11, 0.5, 0.9999999999981559, 1.0)),
    ],
)
def test_distribution(a: float, b: float, shares: tuple[float, ...]) -> None:
    came = [beta_distribution(x, a, b) for x in PLACES[: len(shares)]]
    assert came == pytest.approx(shares, rel=1e-12, abs=1e-100)
    assert (beta_distribution(0.0, a, b), beta_distribution(1.0, a, b)) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("a", "b", "steps", "timesteps"),
    [
        (0.6, 0.6, 7, (999, 928, 782, 598, 401, 217, 71)),
        (0.3, 1.2, 7, (999, 514, 267, 124, 47, 12, 1)),
        (2.0, 2.0, 8, (999, 778, 673, 584, 500, 415, 326, 221)),
        (5.0, 0.4, 9, (999, 998, 995, 989, 977, 958, 930, 884, 799)),
        (0.01, 0.01, 40, (999, 993, 500, 6, 0)),
    ],
)
def test_the_timesteps_are_the_rounded_quantiles_without_repetitions(
    a: float, b: float, steps: int, timesteps: tuple[int, ...]
) -> None:
    expected = [float32(params().sigmas[timestep]) for timestep in timesteps]
    assert schedules.beta(steps, params(), alpha=a, beta=b) == (*expected, 0.0)


def test_there_are_fewer_steps_than_asked_for_where_timesteps_would_repeat() -> None:
    sigmas = schedules.beta(1000, params())
    table = [float32(sigma) for sigma in params().sigmas]
    timesteps = [table.index(sigma) for sigma in sigmas[:-1]]
    assert (len(timesteps), sum(timesteps)) == (847, 423077)


def test_the_largest_sigma_comes_first_even_where_hardly_anything_is_near_it() -> None:
    assert schedules.beta(5, params(), alpha=50.0, beta=50.0)[0] == float32(params().sigma_max)
