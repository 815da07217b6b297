"""Multistep samplers: their weights, their options, and what they do beside stepping; beyond what all samplers are
checked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch

from sdkit.errors import SamplingError
from sdkit.plugins import load_manager
from sdkit.sampling.samplers.adams import ipndm, ipndm_v, lms
from sdkit.sampling.samplers.deis import deis
from sdkit.sampling.samplers.dpmpp import dpmpp_2m_cfg_pp
from sdkit.sampling.samplers.euler import euler
from sdkit.sampling.samplers.gradient_estimation import gradient_estimation, gradient_estimation_cfg_pp
from sdkit.sampling.samplers.maths import exponential_lagrange, integrated_lagrange
from sdkit.sampling.samplers.res_multistep import (
    res_multistep,
    res_multistep_ancestral,
    res_multistep_ancestral_cfg_pp,
    res_multistep_cfg_pp,
)
from sdkit.sampling.samplers.uni_pc import uni_pc, uni_pc_bh2
from sdkit.settings import Settings
from sdkit.testing.denoisers import ConstantDenoiser, GaussianDenoiser, RecordingDenoiser, karras_sigmas
from sdkit.testing.samplers import SamplerFunction, assert_sampler_ok
from sdkit.types import Prediction
from tests.sampling._figures import assert_close, double, golden, golden_denoiser

DETERMINISTIC: dict[str, SamplerFunction] = {
    "lms": lms,
    "ipndm": ipndm,
    "ipndm_v": ipndm_v,
    "deis": deis,
    "res_multistep": res_multistep,
    "res_multistep_cfg_pp": res_multistep_cfg_pp,
    "gradient_estimation": gradient_estimation,
    "gradient_estimation_cfg_pp": gradient_estimation_cfg_pp,
    "dpmpp_2m_cfg_pp": dpmpp_2m_cfg_pp,
    "uni_pc": uni_pc,
    "uni_pc_bh2": uni_pc_bh2,
}
ALL = {
    **DETERMINISTIC,
    "res_multistep_ancestral": res_multistep_ancestral,
    "res_multistep_ancestral_cfg_pp": res_multistep_ancestral_cfg_pp,
}
CFG_PP = [name for name in ALL if name.endswith("_cfg_pp")]
UNEVEN = (10.0, 6.1, 4.0, 2.2, 1.5, 0.6, 0.35, 0.1)
GAUSS = GaussianDenoiser(0.6, 0.8)


def start() -> torch.Tensor:
    return torch.randn(2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 10


def no_noise(sigma: float, sigma_next: float, /) -> torch.Tensor:
    raise AssertionError("no noise was promised")


def result(
    sampler: SamplerFunction, sigmas: tuple[float, ...] = UNEVEN, denoise: Any = GAUSS, **options: Any
) -> torch.Tensor:
    *_, last = sampler(denoise, start(), sigmas, no_noise, **options)
    return last.x


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max())


# ── all of them ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "order", "options"),
    [
        ("lms", 1, {"order": 1}),
        ("lms", 2, {"order": 2}),
        ("ipndm", 1, {"max_order": 1}),
        ("ipndm", 2, {"max_order": 2}),
        ("ipndm_v", 2, {"max_order": 2}),
        ("ipndm_v", 2, {"max_order": 3}),
        ("deis", 1, {"max_order": 1}),
        ("deis", 2, {"max_order": 2}),
        ("deis", 2, {"max_order": 2, "deis_mode": "rhoab"}),
        ("gradient_estimation", 1, {"ge_gamma": 1.0}),
        ("gradient_estimation", 2, {"ge_gamma": 1.5}),
        ("uni_pc", 2, {"order": 1}),
        ("uni_pc_bh2", 2, {"order": 1}),
        ("res_multistep_ancestral", 2, {"eta": 0.0}),
        ("res_multistep_ancestral_cfg_pp", 2, {"eta": 0.0}),
    ],
)
def test_order_with_options(name: str, order: float, options: dict[str, Any]) -> None:
    def sampler(*args: Any) -> Any:  # its own `order` is another than the one that is measured
        return ALL[name](*args, **options)

    assert_sampler_ok(sampler, order=order)


@pytest.mark.parametrize("flow", [False, True])
@pytest.mark.parametrize("sampler", [uni_pc, uni_pc_bh2])
def test_uni_pc_is_of_one_order_more_than_its_predictor(sampler: SamplerFunction, flow: bool) -> None:
    """But for the last step, which is of first order and not corrected."""
    assert _order_before_last(sampler, 1, flow) == pytest.approx(2, abs=0.1)
    assert _order_before_last(sampler, 2, flow) == pytest.approx(3, abs=0.1)
    errors = [_errors(sampler, order, flow, 80) for order in (1, 2, 3)]
    assert max(errors[0][:-1]) > 5 * max(errors[1][:-1]) > 25 * max(errors[2][:-1])


def _order_before_last(sampler: SamplerFunction, order: int, flow: bool) -> float:
    coarse, fine = (max(_errors(sampler, order, flow, count)[:-1]) for count in (80, 160))
    return math.log2(coarse / fine)


def _errors(sampler: SamplerFunction, order: int, flow: bool, count: int) -> list[float]:
    gauss = GaussianDenoiser(0.6, 0.8, flow=flow)
    first, last = (0.95, 0.05) if flow else (10.0, 0.1)
    steps = sampler(gauss, start(), karras_sigmas(first, last, count), no_noise, order=order)
    return [difference(step.x, gauss.path(start(), first, step.sigma_next)) for step in steps]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_flow_from_pure_noise(name: str, dtype: torch.dtype) -> None:
    """From sigma 1, where α is 0 and log(α/σ) is not finite; in any number of steps."""
    gauss, x = GaussianDenoiser(0.6, 0.1, flow=True), start().to(dtype) / 10
    for sigmas in ((1.0, 0.0), (1.0, 0.5), (1.0, 0.6, 0.0), tuple(1 - i / 40 for i in range(41))):
        *_, last = ALL[name](gauss, x, sigmas, lambda *_: torch.zeros_like(x))
        assert last.x.dtype == dtype
        assert bool(last.x.isfinite().all())
    assert float(last.x.mean()) == pytest.approx(0.6, abs=0.12)


@pytest.mark.parametrize("name", ALL)
def test_nothing_waits_for_the_device(name: str) -> None:
    """Tensors on "meta" have no values, so reading one raises."""
    x = torch.empty(2, 3, device="meta")
    for sigmas in (UNEVEN, (*UNEVEN, 0.0)):
        steps = list(ALL[name](GAUSS, x, sigmas, lambda *_: x))
        assert steps[-1].x.device.type == "meta"


# ── Adams–Bashforth ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("count", range(1, 11))
def test_integrated_lagrange_is_exact_for_polynomials(count: int) -> None:
    nodes, end = [2.0 - 0.13 * k for k in range(count)], 1.7
    weights = integrated_lagrange(nodes, end)
    for power in range(count):
        exact = (end ** (power + 1) - nodes[0] ** (power + 1)) / (power + 1)
        assert math.fsum(w * node**power for w, node in zip(weights, nodes, strict=True)) == pytest.approx(exact, 1e-6)


def test_equal_steps() -> None:
    """ipndm has the textbook's weights then; ipndm_v up to order 3, its fourth is of its own."""
    even = tuple(10.0 - 1.1 * i for i in range(9))
    for order in (1, 2, 3, 4):
        expected = result(lms, even, order=order)
        assert difference(result(ipndm, even, max_order=order), expected) < 1e-12
        assert (difference(result(ipndm_v, even, max_order=order), expected) < 1e-12) is (order < 4)


def test_uneven_steps() -> None:
    """rhoab is lms; ipndm_v is, too, to order 2, and ipndm to order 1."""
    for order in (1, 2, 3, 4):
        expected = result(lms, order=order)
        assert difference(result(deis, max_order=order, deis_mode="rhoab"), expected) < 1e-12
        assert (difference(result(ipndm_v, max_order=order), expected) < 1e-12) is (order < 3)
        assert (difference(result(ipndm, max_order=order), expected) < 1e-12) is (order < 2)


def test_euler_is_order_1_of_all() -> None:
    for sampler, options in (
        (lms, {"order": 1}),
        (ipndm, {"max_order": 1}),
        (ipndm_v, {"max_order": 1}),
        (deis, {"max_order": 1}),
        (gradient_estimation, {"ge_gamma": 1.0}),
        (uni_pc, {}),
        (res_multistep, {}),
    ):
        sigmas = UNEVEN if options else (10.0, 3.0)
        assert difference(result(sampler, sigmas, **options), result(euler, sigmas)) < 1e-12


def test_gradient_estimation_of_one_and_a_half_is_ipndm() -> None:
    even = tuple(10.0 - 1.1 * i for i in range(9))
    assert difference(result(gradient_estimation, even, ge_gamma=1.5), result(ipndm, even, max_order=2)) < 1e-12


# ── DEIS ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("nodes", [(9.1, 14.6), (0.21, 0.62, 1.31), (2.9, 5.2, 9.1, 14.6)])
@pytest.mark.parametrize("ratio", [0.9, 0.3, 0.05])
def test_deis_weights_are_the_tabulated_sums(nodes: tuple[float, ...], ratio: float) -> None:
    """Over 10 000 equidistant t from both ends, each times a 10 000th of the way, in which the method's tables are.

    Those are computed in float32, where 1 + 0.002² is another number.
    """
    end, slopes = nodes[0] * ratio, torch.eye(len(nodes), dtype=torch.float64)
    assert_close(_tab_weights(nodes, end, slopes), _sums(nodes, end), 2e-6, "weights")


def _tab_weights(nodes: tuple[float, ...], end: float, slopes: torch.Tensor) -> torch.Tensor:
    """What the last step from `nodes[0]` to `end` multiplies each slope with, seen from outside."""
    calls = iter(slopes.flip(0))

    def denoise(x: torch.Tensor, sigma: float, /) -> Prediction:
        denoised = x - next(calls) * sigma
        return Prediction(denoised=denoised, cond=denoised)

    sigmas = (*reversed(nodes), end)
    *_, last = deis(denoise, torch.zeros(len(nodes), dtype=torch.float64), sigmas, no_noise, max_order=4)
    return last.x - last.x_in


def _sums(nodes: tuple[float, ...], end: float) -> torch.Tensor:
    low, high = math.log1p(0.002**2) / 1e-3, math.log1p(80.0**2)
    beta_d = 2 * (low - high) / (1e-3 - 1)
    beta_min = high - beta_d / 2

    def time(sigma: float) -> float:
        return (math.sqrt(beta_min**2 + 2 * beta_d * math.log1p(sigma**2)) - beta_min) / beta_d

    times = [time(node) for node in nodes]
    t = torch.linspace(times[0], time(end), 10_000, dtype=torch.float64)
    sigma = torch.expm1(beta_d * t**2 / 2 + beta_min * t).sqrt()
    slope = (beta_min + beta_d * t) * (1 + sigma**2) / (2 * sigma)
    sums: list[float] = []
    for j, own in enumerate(times):
        share = torch.ones_like(t)
        for other in (*times[:j], *times[j + 1 :]):
            share = share * (t - other) / (own - other)
        sums.append(float((slope * share).sum()) * (time(end) - times[0]) / 10_000)
    return double(sums)


# ── exponential integrators ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("h", [1e-3, 0.4, 3.0])
def test_exponential_lagrange_is_exact_for_polynomials(h: float) -> None:
    """Of D(u) = u² and lower, by the antiderivative of h·e^((u − 1)h)·u²."""
    nodes = (0.0, -1.2, 1.0)
    weights = exponential_lagrange(nodes, h)
    gone = -math.expm1(-h)
    exact = (gone, 1 - gone / h, 1 - 2 / h + 2 * gone / h**2)
    for power in range(3):
        came = math.fsum(w * node**power for w, node in zip(weights, nodes, strict=True))
        assert came == pytest.approx(exact[power], abs=1e-9)


def test_uni_pc_variants() -> None:
    """bh2 is the same through either name; the variants differ, and only through the steps of low order."""
    assert difference(result(uni_pc, variant="bh2"), result(uni_pc_bh2)) == 0
    assert difference(result(uni_pc), result(uni_pc_bh2)) > 1e-4


def test_uni_pc_evaluates_once_a_step_at_uncorrected_x() -> None:
    denoise, counts = RecordingDenoiser(GAUSS), list[int]()
    steps = list[torch.Tensor]()
    for step in uni_pc(denoise, start(), (*UNEVEN, 0.0), no_noise):
        counts.append(len(denoise.sigmas))
        steps.append(step.x)
    assert denoise.sigmas == list(UNEVEN)
    assert counts == [2, 3, 4, 5, 6, 7, 8, 8]


def test_uni_pc_predicts_anew_where_x_was_assigned() -> None:
    denoise, edited = RecordingDenoiser(GAUSS), start()
    for step in uni_pc(denoise, start(), UNEVEN, no_noise):
        if step.index == 2:
            step.x = edited
        if step.index == 3:
            assert torch.equal(step.denoised, GAUSS(edited, step.sigma).denoised)
    assert denoise.sigmas == sorted([*UNEVEN[:-1], UNEVEN[3]], reverse=True)


def test_uni_pc_keeps_a_thousandth_of_the_noise_unless_predictions_agree() -> None:
    """As a mask makes them agree: there the result is what is protected, exactly."""
    kept = torch.tensor([[True, False, False]])

    def masked(x: torch.Tensor, sigma: float, /) -> Prediction:
        denoised = torch.where(kept, 0.25, GAUSS(x, sigma).denoised)
        return Prediction(denoised=denoised, cond=denoised)

    *_, last = uni_pc(masked, start(), (*UNEVEN, 0.0), no_noise)
    assert torch.equal(last.x[:, :1], torch.full((2, 1), 0.25, dtype=torch.float64))
    rest = (last.x - last.denoised)[:, 1:] / (last.x_in - last.denoised)[:, 1:]
    assert rest.flatten().tolist() == pytest.approx([2**-10 / 0.1] * 4)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_uni_pc_keeps_as_much_noise_at_every_order(order: int) -> None:
    *_, last = uni_pc(GAUSS, start(), (*UNEVEN, 0.0), no_noise, order=order)
    expected = last.denoised + (last.x_in - last.denoised) * (2**-10 / 0.1)
    assert difference(last.x, expected) < 1e-12


def test_uni_pc_to_zero_from_below_a_thousandth() -> None:
    *_, last = uni_pc(GAUSS, start(), (1.0, 0.0005, 0.0), no_noise)
    assert torch.equal(last.x, last.denoised)


# ── CFG++ ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", CFG_PP)
def test_cfg_pp_needs_the_negative_branch(name: str) -> None:
    def unguided(x: torch.Tensor, sigma: float, /) -> Prediction:
        return Prediction(denoised=x, cond=x)

    with pytest.raises(SamplingError, match=rf"'{name}' needs what the negative branch .*or choose '{name[:-7]}'\."):
        list(ALL[name](unguided, start(), UNEVEN, no_noise))
    assert load_manager(settings=Settings(plugins=("none",))).samplers[name].uncond


@pytest.mark.parametrize("name", CFG_PP)
def test_cfg_pp_keeps_the_noise_of_the_negative_branch(name: str) -> None:
    """The first step from σ = 2 to 1: the guided prediction, and half of what the negative branch takes for noise."""

    def guided(x: torch.Tensor, sigma: float, /) -> Prediction:
        return Prediction(denoised=torch.full_like(x, 3.0), cond=x, uncond=torch.full_like(x, 1.0))

    options: dict[str, Any] = {"eta": 0.0} if "ancestral" in name else {}
    step = next(iter(ALL[name](guided, start(), (2.0, 1.0), no_noise, **options)))
    assert difference(step.x, 3.0 + (start() - 1.0) / 2) < 1e-12


@pytest.mark.parametrize("name", [name for name in CFG_PP if name[:-7] in ALL])
def test_cfg_pp_is_plain_where_branches_agree(name: str) -> None:
    options: dict[str, Any] = {"eta": 0.0} if "ancestral" in name else {}
    assert difference(result(ALL[name], **options), result(ALL[name[:-7]], **options)) < 1e-12


# ── RES ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("options", [{}, {"eta": 0.5}])
def test_res_ancestral_keeps_the_variance_of_eps_models(options: dict[str, Any]) -> None:
    assert_sampler_ok(res_multistep_ancestral, noise="white", flow=False, **options)


def test_res_ancestral_noise() -> None:
    ones = torch.ones(1, dtype=torch.float64)
    for options, expected in (({}, 0.75**0.5), ({"s_noise": 0.5}, 0.5 * 0.75**0.5), ({"eta": 10.0}, 1.0)):
        steps = list(
            res_multistep_ancestral(ConstantDenoiser(0.0), 0 * ones, (2.0, 1.0, 0.5, 0.0), lambda *_: ones, **options)
        )
        assert float(steps[0].x) == pytest.approx(expected)
        assert float(steps[-1].x) == 0


# ── options, by another implementation's figures ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["eps", "flow"])
@pytest.mark.parametrize(
    ("sampler", "options", "name"),
    [
        (uni_pc, {"variant": "bh2"}, "uni_pc_bh2"),
        (deis, {"max_order": 4, "deis_mode": "rhoab"}, "lms"),
        (res_multistep_ancestral, {"eta": 0.0}, "res_multistep"),
        (res_multistep_ancestral_cfg_pp, {"eta": 0.0}, "res_multistep_cfg_pp"),
        (gradient_estimation, {"ge_gamma": 1.0}, "euler"),
    ],
)
def test_options_that_make_one_sampler_another(
    sampler: Callable[..., Any], options: dict[str, Any], name: str, kind: str
) -> None:
    figures = golden()[kind]
    x = double(golden()["noise0"]) * figures["sigmas"][0]
    *_, last = sampler(golden_denoiser(kind), x, tuple(figures["sigmas"]), no_noise, **options)
    tolerance = 1e-4 if name.startswith("uni_pc") else 1e-9
    assert_close(last.x, double(figures["samplers"][name]["x"]), tolerance, f"{name}, {kind}")


def test_steps_of_the_figures_are_uneven() -> None:
    """Else they could not tell the variable-step weights from the fixed ones."""
    sigmas = golden()["eps"]["sigmas"]
    assert len({round(a - b, 3) for a, b in pairwise(sigmas)}) == len(sigmas) - 1
