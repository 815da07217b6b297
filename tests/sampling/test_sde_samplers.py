"""The samplers of the reverse SDE: order without noise, mean and variance with it, and what their options promise."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch

from sdkit.builtin.samplers.options import Seeds3Options
from sdkit.errors import RequestError
from sdkit.plugins.registry import validate_options
from sdkit.sampling import BrownianNoise, SeededNoise
from sdkit.sampling.samplers.dpmpp_sde import dpmpp_2m_sde, dpmpp_2m_sde_heun, dpmpp_3m_sde, dpmpp_sde
from sdkit.sampling.samplers.er_sde import er_sde
from sdkit.sampling.samplers.sa_solver import sa_solver, sa_solver_pece
from sdkit.sampling.samplers.seeds import exp_heun_2_x0, exp_heun_2_x0_sde, seeds_2, seeds_3
from sdkit.testing.denoisers import ConstantDenoiser, GaussianDenoiser, RecordingDenoiser, log_sigmas
from sdkit.testing.samplers import SamplerFunction, assert_sampler_ok
from sdkit.types import Noise, NoiseKind

BROWNIAN: tuple[SamplerFunction, ...] = (dpmpp_sde, dpmpp_2m_sde, dpmpp_2m_sde_heun, dpmpp_3m_sde)
STOCHASTIC: tuple[SamplerFunction, ...] = (
    *BROWNIAN,
    er_sde,
    seeds_2,
    seeds_3,
    exp_heun_2_x0_sde,
    sa_solver,
    sa_solver_pece,
)
ALL: tuple[SamplerFunction, ...] = (*STOCHASTIC, exp_heun_2_x0)


def kind_of(sampler: SamplerFunction) -> NoiseKind:
    return "none" if sampler is exp_heun_2_x0 else "brownian" if sampler in BROWNIAN else "white"


def noise_for_shape(sampler: SamplerFunction, shape: tuple[int, ...], seed: int = 5) -> Noise:
    white = SeededNoise(range(seed, seed + shape[0]), shape[1:])
    return BrownianNoise(white) if sampler in BROWNIAN else white


class EachItsOwn:
    """The k-th draw is 1 at place k and 0 elsewhere, so that a result shows how much of each draw is in it."""

    def __init__(self, places: int) -> None:
        self.draws = list(torch.eye(places, dtype=torch.float64))
        self.calls: list[tuple[float, float]] = []

    def __call__(self, sigma: float, sigma_next: float, /) -> torch.Tensor:
        self.calls.append((sigma, sigma_next))
        return self.draws.pop(0)


def std_at_end(sampler: SamplerFunction, gauss: GaussianDenoiser, sigmas: tuple[float, ...], **options: Any) -> float:
    """Without sampling: the start and all noise are multiples of unit vectors, independent Gaussians of unit variance,
    of which the end is a linear combination. Brownian noise is made of a path's stretches between all sigmas asked for.
    """
    asked = EachItsOwn(1)
    asked.draws *= 10_000
    list(sampler(gauss, torch.zeros(1, dtype=torch.float64), sigmas, asked, **options))
    points = sorted({sigma for call in asked.calls for sigma in call})
    stretches = torch.tensor([0.0] + [math.sqrt(b - a) for a, b in pairwise(points)], dtype=torch.float64)

    def brownian(sigma: float, sigma_next: float, /) -> torch.Tensor:
        among = torch.zeros_like(stretches)
        span = slice(1 + points.index(sigma_next), 1 + points.index(sigma))
        among[span] = stretches[span] / math.sqrt(sigma - sigma_next)
        return among

    own = EachItsOwn(1 + len(asked.calls))
    own.draws.pop(0)  # the start's
    start = torch.zeros(len(points) if sampler in BROWNIAN else 1 + len(asked.calls), dtype=torch.float64)
    start[0] = gauss.marginal(sigmas[0])[1]
    *_, last = sampler(gauss, start, sigmas, brownian if sampler in BROWNIAN else own, **options)
    return float(last.x.norm())


@pytest.mark.parametrize("flow", [False, True])
@pytest.mark.parametrize("eta", [1.0, 0.4])
@pytest.mark.parametrize("sampler", STOCHASTIC)
def test_the_law_of_gaussian_data(sampler: SamplerFunction, eta: float, flow: bool) -> None:
    gauss = GaussianDenoiser(0.0, 0.8, flow=flow)
    first, last = (0.98, 0.03) if flow else (12.0, 0.1)
    target = gauss.marginal(last)[1]
    coarse, fine = (
        abs(std_at_end(sampler, gauss, log_sigmas(first, last, steps), eta=eta) / target - 1) for steps in (50, 100)
    )
    assert fine < 0.02
    assert fine < 0.7 * coarse


@pytest.mark.parametrize("sampler", STOCHASTIC)
@pytest.mark.parametrize("eta", [1.0, 0.4])
def test_mean_and_variance(sampler: SamplerFunction, eta: float) -> None:
    assert_sampler_ok(sampler, noise=kind_of(sampler), eta=eta)


@pytest.mark.parametrize(
    ("sampler", "options"),
    [
        (dpmpp_2m_sde, {"solver_type": "heun"}),
        (dpmpp_sde, {"r": 0.8, "eta": 0.5}),
        (er_sde, {"solver_type": "reverse_time_sde"}),
        (er_sde, {"solver_type": "reverse_time_sde", "eta": 0.5, "max_stage": 2}),
        (seeds_2, {"solver_type": "phi_2", "r": 0.7}),
        (seeds_3, {"r_1": 0.5, "r_2": 1.0}),
        (exp_heun_2_x0_sde, {"solver_type": "phi_1"}),
        (sa_solver, {"sde_start_percent": 0.0, "sde_end_percent": 1.0}),
        (sa_solver, {"use_pece": True, "predictor_order": 2, "corrector_order": 2, "simple_order_2": True}),
    ],
)
def test_mean_and_variance_with_other_options(sampler: SamplerFunction, options: dict[str, Any]) -> None:
    assert_sampler_ok(sampler, noise=kind_of(sampler), **options)


@pytest.mark.parametrize(
    ("sampler", "order", "options"),
    [
        (dpmpp_sde, 2, {"eta": 0.0, "r": 0.3}),
        (dpmpp_2m_sde, 2, {"eta": 0.0, "solver_type": "heun"}),
        (er_sde, 1, {"solver_type": "ode", "max_stage": 1}),
        (er_sde, 1.8, {"solver_type": "ode", "max_stage": 2}),
        (seeds_2, 2, {"eta": 0.0, "solver_type": "phi_2", "r": 0.7}),
        (seeds_3, 3, {"eta": 0.0, "r_1": 0.2}),
        (seeds_3, 2, {"eta": 0.0, "r_1": 0.2, "r_2": 0.5}),
        (exp_heun_2_x0, 2, {"solver_type": "phi_1"}),
        (sa_solver, 2, {"eta": 0.0, "predictor_order": 2, "corrector_order": 0}),
        (sa_solver, 1, {"eta": 0.0, "predictor_order": 1, "corrector_order": 0}),
    ],
)
def test_order_with_other_options(sampler: SamplerFunction, order: float, options: dict[str, Any]) -> None:
    assert_sampler_ok(sampler, order=order, noise=kind_of(sampler), **options)


@pytest.mark.parametrize("sampler", STOCHASTIC)
def test_no_noise_is_drawn_where_it_would_count_for_nothing(sampler: SamplerFunction) -> None:
    x = torch.ones(1, dtype=torch.float64)
    for options in ({"eta": 0.0}, {"s_noise": 0.0}):
        noise = EachItsOwn(0)
        list(sampler(GaussianDenoiser(0.0, 1.0), x, log_sigmas(4.0, 0.4, 4), noise, **options))
        assert noise.calls == []


@pytest.mark.parametrize("sampler", STOCHASTIC)
def test_noise_counts_in_proportion_to_s_noise(sampler: SamplerFunction) -> None:
    x = torch.zeros(64, dtype=torch.float64)
    one, two = (
        list(sampler(ConstantDenoiser(0.0), x, (3.0, 2.0, 1.0), EachItsOwn(64), s_noise=factor))[-1].x
        for factor in (1.0, 0.5)
    )
    assert float(one.norm()) > 0.4
    assert torch.allclose(two, one / 2, rtol=1e-12)


@pytest.mark.parametrize("flow", [False, True])
@pytest.mark.parametrize("eta", [1.0, 0.3])
@pytest.mark.parametrize(
    ("sampler", "draws"),
    [(dpmpp_2m_sde, 1), (dpmpp_3m_sde, 1), (seeds_2, 2), (seeds_3, 3), (exp_heun_2_x0_sde, 2), (sa_solver, 1)],
)
def test_a_step_adds_as_much_noise_as_the_sde(sampler: SamplerFunction, draws: int, eta: float, flow: bool) -> None:
    """Of independent draws in each step: σ_next²·(1 − e^(−2·strength·h)), h the step in log(α/σ)."""
    x, noise = torch.zeros(draws, dtype=torch.float64), EachItsOwn(draws)
    sigma, sigma_next = (0.7, 0.5) if flow else (3.0, 2.0)
    ratio = (sigma_next / sigma) * ((1 - sigma) / (1 - sigma_next) if flow else 1.0)  # e^(−h)
    (step,) = sampler(ConstantDenoiser(0.0, flow=flow), x, (sigma, sigma_next), noise, eta=eta)
    strength = eta**2 if sampler is sa_solver else eta
    assert len(noise.calls) == draws
    assert float(step.x.norm()) == pytest.approx(sigma_next * math.sqrt(1 - ratio ** (2 * strength)), rel=1e-12)


@pytest.mark.parametrize("sampler", ALL)
def test_a_flow_model_from_pure_noise(sampler: SamplerFunction) -> None:
    """σ = 1 is α = 0, where λ is −∞: steps still begin at 1, and the data come out with their mean and variance."""
    gauss, shape = GaussianDenoiser(0.6, 0.8, flow=True), (2, 48, 48)
    x = SeededNoise((1, 2), shape[1:]).start().double()
    sigmas = (*(1 - i / 100 for i in range(100)), 0.0)
    steps = list(sampler(gauss, x, sigmas, noise_for_shape(sampler, shape)))
    assert [steps[0].sigma, steps[0].sigma_next] == [1.0, 0.99]
    assert steps[0].x_in is x
    x = steps[-1].x
    assert float(x.mean()) == pytest.approx(0.6, abs=0.05)
    assert float(x.std()) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("sampler", ALL)
@pytest.mark.parametrize("sigmas", [(1.0, 0.0), (1.0, 0.4), (1.0, 0.99999, 0.5, 0.0)])
def test_few_steps_from_pure_noise_never_go_uphill(sampler: SamplerFunction, sigmas: tuple[float, ...]) -> None:
    denoise = RecordingDenoiser(GaussianDenoiser(0.6, 0.8, flow=True))
    x, noise = torch.ones(1, dtype=torch.float64), EachItsOwn(9)
    steps = list(sampler(denoise, x, sigmas, lambda a, b: noise(a, b)[:1]))
    assert bool(steps[-1].x.isfinite())
    assert [(step.sigma, step.sigma_next) for step in steps] == list(pairwise(sigmas))
    assert denoise.sigmas[0] < 1
    assert denoise.sigmas == sorted(denoise.sigmas, reverse=True)
    assert all(a > b > 0 for a, b in noise.calls)


@pytest.mark.parametrize("sampler", ALL)
def test_float32_stays_float32(sampler: SamplerFunction) -> None:
    for flow, sigmas in ((False, (9.0, 3.0, 1.0, 0.3, 0.0)), (True, (1.0, 0.8, 0.5, 0.2, 0.0))):
        gauss, shape = GaussianDenoiser(0.6, 0.8, flow=flow), (2, 3, 4)
        x = SeededNoise((1, 2), shape[1:]).start() * sigmas[0]
        single = [step.x for step in sampler(gauss, x, sigmas, noise_for_shape(sampler, shape))]
        double = [step.x for step in sampler(gauss, x.double(), sigmas, noise_for_shape(sampler, shape))]
        assert {x.dtype for x in single} == {torch.float32}
        assert all(torch.allclose(a.double(), b, atol=1e-5) for a, b in zip(single, double, strict=True))


def test_both_looks_of_dpmpp_sde_see_one_path() -> None:
    noise, x = EachItsOwn(2), torch.zeros(2, dtype=torch.float64)
    list(dpmpp_sde(ConstantDenoiser(0.0), x, (4.0, 1.0), noise))
    assert noise.calls == [(4.0, pytest.approx(2.0)), (4.0, 1.0)]


def test_reverse_time_er_sde_begins_as_dpmpp_2m_sde() -> None:
    """Both solve the same SDE, to the same order as long as there is no history."""
    for flow, sigmas in ((False, (3.0, 1.5)), (True, (0.8, 0.5))):
        x, gauss = torch.tensor([2.0, -1.0], dtype=torch.float64), GaussianDenoiser(0.3, 0.7, flow=flow)
        (first,) = er_sde(gauss, x, sigmas, EachItsOwn(2), solver_type="reverse_time_sde", eta=0.6)
        (second,) = dpmpp_2m_sde(gauss, x, sigmas, EachItsOwn(2), eta=0.6)
        assert torch.allclose(first.x, second.x, rtol=1e-12)


def test_er_sde_withstands_a_large_eta() -> None:
    x = torch.ones(64, dtype=torch.float64)
    *_, last = er_sde(ConstantDenoiser(0.4), x, (80.0, 20.0, 5.0, 1.0), EachItsOwn(64), eta=100.0)
    assert float(last.x[10]) == pytest.approx(0.4)
    assert bool(last.x.isfinite().all())


def test_the_wasted_draw_of_the_exponential_heun_counts_for_nothing() -> None:
    noise, x = EachItsOwn(4), torch.zeros(4, dtype=torch.float64)
    *_, last = exp_heun_2_x0_sde(ConstantDenoiser(0.0), x, (4.0, 2.0, 1.0), noise)
    assert noise.calls == [(4.0, 2.0), (pytest.approx(2.0), 2.0), (2.0, 1.0), (pytest.approx(1.0), 1.0)]
    assert [float(part) != 0 for part in last.x] == [True, False, True, False]


def test_seeds_3_looks_in_order() -> None:
    with pytest.raises(RequestError, match=r"sampler 'seeds_3', option 'r_2': .* greater than r_1, 0.8"):
        validate_options(Seeds3Options, {"r_1": 0.8}, "sampler 'seeds_3'")
