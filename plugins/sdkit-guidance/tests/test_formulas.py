"""The numbers: each formula as its paper has it, worked out another way and one picture at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from pydantic import JsonValue

from sdkit.testing import ToyModel
from sdkit.types import Prediction, PredictionType, Prompt, Run
from sdkit_guidance.guides import apg, cfg, perp_neg
from sdkit_guidance.options import DynthreshOptions
from sdkit_guidance.thresholds import adjustment, mimic, threshold

Options = dict[str, dict[str, JsonValue]]


def noise(seed: int, *, dtype: torch.dtype = torch.float64, size: int = 3) -> torch.Tensor:
    return torch.randn(2, 4, size, size, generator=torch.Generator().manual_seed(seed), dtype=dtype)


COND, UNCOND, X = noise(1) + 0.3, noise(2), noise(3) * 2.5


class Branches:
    """An evaluation with fixed answers that remembers what was asked for."""

    def __init__(self, cond: torch.Tensor = COND, uncond: torch.Tensor = UNCOND) -> None:
        self.answers = {"positive": cond, "negative": uncond}
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, x: torch.Tensor, sigma: float, names: tuple[str, ...]) -> dict[str, torch.Tensor]:
        self.asked.append(names)
        return {name: self.answers[name] for name in names}


def images(*tensors: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
    """The tensors' rows as vectors, one picture after another."""
    return zip(*(tensor.flatten(1) for tensor in tensors), strict=True)


def as_batch(rows: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack(rows).view_as(COND)


# ── rescale ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("prediction", ["eps", "v", "flow"])
def test_rescale_is_the_papers_formula_on_velocities_as_in_comfyui(make_run: Any, prediction: PredictionType):
    sigma, scale, phi = 0.8, 9.0, 0.7
    run = make_run(prediction, guidance_scale=scale, options={"guidance": {"rescale": phi}})
    came = cfg(run, Branches())(X, sigma)
    root = math.sqrt(sigma**2 + 1)
    rows: list[torch.Tensor] = []
    for x, cond, uncond in images(X, COND, UNCOND):
        v_cond, v_uncond = ((x / root**2 - denoised) * root / sigma for denoised in (cond, uncond))
        v = v_uncond + scale * (v_cond - v_uncond)
        v = phi * v * v_cond.std() / v.std() + (1 - phi) * v
        rows.append(x / root**2 - v * sigma / root)
    torch.testing.assert_close(came.denoised, as_batch(rows))
    assert came.cond is COND
    assert came.uncond is UNCOND


@pytest.mark.parametrize("prediction", ["eps", "flow"])
def test_rescale_of_the_output_is_the_papers_formula_on_what_the_network_puts_out(
    make_run: Any, prediction: PredictionType
):
    sigma, scale, phi = 0.8, 9.0, 0.7
    options: Options = {"guidance": {"rescale": phi, "rescale_of": "output"}}
    came = cfg(make_run(prediction, guidance_scale=scale, options=options), Branches())(X, sigma)
    rows: list[torch.Tensor] = []
    for x, cond, uncond in images(X, COND, UNCOND):
        positive, negative = (x - cond) / sigma, (x - uncond) / sigma
        output = negative + scale * (positive - negative)
        rows.append(x - sigma * output * (phi * positive.std() / output.std() + 1 - phi))
    torch.testing.assert_close(came.denoised, as_batch(rows))


def test_rescale_of_the_output_of_a_v_model_is_that_of_the_velocity(make_run: Any):
    both = [
        cfg(make_run("v", guidance_scale=9, options={"guidance": {"rescale": 0.7, "rescale_of": of}}), Branches())
        for of in ("v", "output")
    ]
    assert torch.equal(*(guide(X, 0.8).denoised for guide in both))


# ── apg ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def expected_apg(update: torch.Tensor, scale: float, eta: float, limit: float) -> torch.Tensor:
    """cond + (scale − 1)·(orthogonal + eta·parallel), one picture at a time."""
    rows: list[torch.Tensor] = []
    for cond, whole in images(COND, update):
        short = whole * min(1.0, limit / float(whole.norm())) if limit else whole
        unit = cond / cond.norm()
        parallel = torch.dot(short, unit) * unit
        rows.append(cond + (scale - 1) * (short - parallel + eta * parallel))
    return as_batch(rows)


@pytest.mark.parametrize(("eta", "limit"), [(0.0, 0.0), (0.3, 0.0), (1.0, 3.0), (0.0, 9.8), (-1.0, 2.0)])
def test_apg_projects_after_it_limits(make_run: Any, eta: float, limit: float):
    options: Options = {"apg": {"eta": eta, "norm_threshold": limit, "momentum": 0}}
    run = make_run(guidance="apg", guidance_scale=9.0, options=options)
    came = apg(run, Branches())(X, 1.0)
    torch.testing.assert_close(came.denoised, expected_apg(COND - UNCOND, 9.0, eta, limit))


def test_one_of_the_limits_above_shortens_one_picture_only():
    norms = (COND - UNCOND).flatten(1).norm(dim=1)
    assert float(norms.min()) < 9.8 < float(norms.max())


def test_apg_with_nothing_to_do_is_cfg_to_the_bit(make_run: Any):
    off: Options = {"apg": {"eta": 1, "norm_threshold": 0, "momentum": 0}}
    tamed = apg(make_run(guidance="apg", guidance_scale=9.0, options=off), Branches())
    assert torch.equal(tamed(X, 1.0).denoised, cfg(make_run(guidance_scale=9.0), Branches())(X, 1.0).denoised)


class Updates:
    """An `apg` with momentum alone, by the updates that it sees and the sums that it takes."""

    def __init__(self, run: Run) -> None:
        self.branches = Branches(torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 1, 2))
        self.guide = apg(run, self.branches)

    def __call__(self, update: float, sigma: float, width: int = 2) -> float:
        answer = torch.full((1, 1, 1, width), update)
        self.branches.answers = {"positive": answer, "negative": torch.zeros_like(answer)}
        guided = self.guide(torch.zeros(1, 1, 1, width), sigma).denoised  # update + (3 − 1)·sum
        return (float(guided[0, 0, 0, 0]) - update) / 2


@pytest.fixture
def updates(make_run: Any) -> Updates:
    options: Options = {"apg": {"eta": 1, "norm_threshold": 0, "momentum": -0.5}}
    return Updates(make_run(guidance="apg", guidance_scale=3.0, options=options))


def test_momentum_adds_the_sum_before(updates: Updates):
    assert [updates(1, 10.0), updates(3, 5.0), updates(2, 1.0)] == [1, 3 - 0.5, 2 - 0.5 * 2.5]


def test_momentum_of_a_sampler_that_goes_back_is_that_of_the_sigma_above(updates: Updates):
    assert updates(1, 10.0) == 1
    assert updates(8, 5.0) == 7.5  # looked ahead
    assert updates(4, 5.0) == 3.5  # and again, at the same sigma: the first look does not count
    assert updates(2, 7.0) == 1.5  # churned up, still below 10
    assert updates(6, 1.0) == 5.25


def test_momentum_starts_from_nothing_where_a_run_begins_anew(updates: Updates):
    updates(1, 10.0)
    updates(1, 5.0)
    assert updates(3, 10.0) == 3


def test_momentum_does_not_mix_shapes(updates: Updates):
    updates(1, 10.0)
    assert updates(3, 5.0, width=4) == 3


# ── perp_neg ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("scale", [1.0, 7.0])
def test_perp_neg_takes_off_what_is_perpendicular(make_run: Any, scale: float):
    run = make_run(guidance="perp_neg", guidance_scale=scale, options={"perp_neg": {"neg_scale": 1.5}})
    x = X.float()
    came = perp_neg(run, Branches(COND.float(), UNCOND.float()))(x, 0.7)

    model = ToyModel()
    timestep = min(range(1000), key=lambda t: abs(math.log(model.spec.sigmas[t] / 0.7)))
    output = model.predict(x / math.sqrt(0.7**2 + 1), timestep, model.encode_text(Prompt("", ()), 1))
    rows: list[torch.Tensor] = []
    for cond, uncond, empty in images(COND, UNCOND, (x - 0.7 * output).double()):
        p, n = cond - empty, uncond - empty
        away = n - torch.dot(n, p) / torch.dot(p, p) * p
        assert float(torch.dot(away, p)) == pytest.approx(0, abs=1e-9)
        rows.append(empty + scale * (p - 1.5 * away))
    torch.testing.assert_close(came.denoised.double(), as_batch(rows), rtol=1e-5, atol=1e-5)
    assert came.uncond is not None
    assert torch.equal(came.uncond, UNCOND.float())


# ── intervals ────────────────────────────────────────────────────────────────────────────────────────────────────────

POSITIVE, BOTH = ("positive",), ("negative", "positive")


@pytest.mark.parametrize("guidance", [cfg, apg, perp_neg])
def test_outside_the_interval_the_positive_branch_is_all_that_is_evaluated(make_run: Any, guidance: Any):
    branches = Branches(COND.float(), UNCOND.float())
    options: Options = {"guidance": {"interval": [0.5, 2.0]}}
    guide = guidance(make_run(guidance=guidance.__name__, guidance_scale=7.0, options=options), branches)
    outside = {sigma: guide(X.float(), sigma) for sigma in (2.001, 0.5)}
    inside = {sigma: guide(X.float(), sigma) for sigma in (2.0, 0.501)}
    assert branches.asked == [POSITIVE] * 2 + [BOTH] * 2
    for prediction in outside.values():
        assert torch.equal(prediction.denoised, COND.float())
        assert prediction.uncond is None
    for prediction in inside.values():
        assert not torch.allclose(prediction.denoised, COND.float())


def test_percents_are_of_the_training_timesteps(make_run: Any):
    run = make_run(guidance_scale=7.0, options={"guidance": {"interval_percent": [0.25, 0.75]}})
    branches, sigmas = Branches(), run.spec.sigmas
    guide = cfg(run, branches)
    for timestep in (760, 740, 260, 240):
        guide(X, sigmas[timestep])
    assert branches.asked == [POSITIVE, BOTH, BOTH, POSITIVE]

    whole = cfg(make_run(guidance_scale=7.0, options={"guidance": {"interval_percent": [0, 1]}}), branches)
    plain = cfg(make_run(guidance_scale=7.0), branches)
    for sigma in (sigmas[-1] * 1.001, sigmas[0]):
        assert torch.equal(whole(X, sigma).denoised, plain(X, sigma).denoised)


# ── a scale that changes ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("mode", "sched_val", "share"),
    [
        ("Linear Down", 1, 0.75),
        ("Linear Up", 1, 0.25),
        ("Cosine Down", 1, math.cos(math.pi / 8)),
        ("Cosine Up", 1, 1 - math.cos(math.pi / 8)),
        ("Half Cosine Down", 1, math.cos(0.25)),
        ("Half Cosine Up", 1, 1 - math.cos(0.25)),
        ("Power Down", 2, 1 - 1 / 16),
        ("Power Up", 2, 1 / 16),
        ("Linear Repeating", 1, 0.5),
        ("Linear Repeating", 3, 0.5),
        ("Cosine Repeating", 1, 0.5),
        ("Cosine Repeating", 2, 0.0),
        ("Sawtooth", 3, 0.75),
        ("CONSTANT", 1, 1.0),
    ],
)
def test_the_scale_changes_as_the_mode_says(make_run: Any, mode: str, sched_val: float, share: float):
    """A quarter of the way down, from 9 to 3."""
    options: Options = {"dynthresh": {"cfg_mode": mode, "cfg_scale_min": 3, "sched_val": sched_val}}
    run = make_run(guidance_scale=9.0, options=options)
    came = cfg(run, Branches())(X, run.spec.sigmas[749]).denoised
    scale = float(((came - UNCOND) / (COND - UNCOND)).median())
    expected = 9.0 if mode == "CONSTANT" else 6 * share + 3
    assert scale == pytest.approx(expected, abs=0.03)  # 250/998 of the way, to be exact


def test_where_the_changing_scale_is_1_the_negative_branch_is_not_evaluated(make_run: Any):
    run = make_run(guidance_scale=9.0, options={"dynthresh": {"cfg_mode": "linear_down", "cfg_scale_min": 1}})
    branches = Branches()
    cfg(run, branches)(X, run.spec.sigmas[0])
    assert branches.asked == [POSITIVE]


# ── thresholds ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_threshold_is_imagens():
    values = torch.stack([COND[0] * 3, COND[1] * 0.1])
    rows: list[torch.Tensor] = []
    for (row,) in images(values):
        magnitudes = sorted(map(abs, row.tolist()))
        place = 0.9 * (len(magnitudes) - 1)
        low = int(place)
        s = max(1.0, magnitudes[low] + (magnitudes[low + 1] - magnitudes[low]) * (place - low))
        rows.append(row.clamp(-s, s) / s)
    came = threshold(values, 0.9, 1.0)
    torch.testing.assert_close(came, as_batch(rows))
    assert torch.equal(came[1], values[1])
    torch.testing.assert_close(threshold(values * 2.5, 0.9, 2.5), came * 2.5)


def by_hand(guided: torch.Tensor, reference: torch.Tensor, percentile: float, kind: str) -> torch.Tensor:
    """One channel, or one image's channels, each centred already."""
    if kind == "std":
        return guided * reference.std() / guided.std()
    wants, has = float(reference.abs().max()), float(torch.quantile(guided.abs(), percentile))
    top = max(wants, has)
    return guided.clamp(-top, top) / top * wants


@pytest.mark.parametrize("kind", ["ad", "std"])
@pytest.mark.parametrize("percentile", [1.0, 0.8])
def test_mimic_gives_each_channel_the_range_of_the_mimicked_scale(percentile: float, kind: str):
    guided, reference = UNCOND + 20 * (COND - UNCOND), UNCOND + 7 * (COND - UNCOND)
    options = DynthreshOptions.model_validate(
        {"mimic_scale": 7, "threshold_percentile": percentile, "variability_measure": kind}
    )
    came = mimic(guided, reference, options)
    for b, c in ((0, 0), (1, 3)):
        mean = guided[b, c].mean()
        expected = mean + by_hand(guided[b, c] - mean, reference[b, c] - reference[b, c].mean(), percentile, kind)
        torch.testing.assert_close(came[b, c], expected)


@pytest.mark.parametrize("kind", ["ad", "std"])
def test_mimic_of_channels_together_keeps_each_ones_mean(kind: str):
    guided, reference = UNCOND + 20 * (COND - UNCOND), UNCOND + 7 * (COND - UNCOND)
    options = DynthreshOptions.model_validate(
        {"mimic_scale": 7, "variability_measure": kind, "separate_feature_channels": False}
    )
    came = mimic(guided, reference, options)
    for b in range(2):
        mean, other = (tensor[b].mean((1, 2), keepdim=True) for tensor in (guided, reference))
        torch.testing.assert_close(came[b], mean + by_hand(guided[b] - mean, reference[b] - other, 1.0, kind))


def test_mimic_around_zero_scales_all_values_and_phi_takes_a_part():
    guided, reference = UNCOND + 20 * (COND - UNCOND), UNCOND + 7 * (COND - UNCOND)
    settings = {"mimic_scale": 7, "threshold_percentile": 0.8, "scaling_startpoint": "ZERO"}
    came = mimic(guided, reference, DynthreshOptions.model_validate(settings))
    b, c = 1, 2
    has = torch.quantile((guided[b, c] - guided[b, c].mean()).abs(), 0.8)
    wants = (reference[b, c] - reference[b, c].mean()).abs().max()
    torch.testing.assert_close(came[b, c], guided[b, c] * wants / has)
    part = mimic(guided, reference, DynthreshOptions.model_validate({**settings, "interpolate_phi": 0.25}))
    torch.testing.assert_close(part, 0.25 * came + 0.75 * guided)


def test_mimicking_the_scale_that_is_there_changes_nothing(make_run: Any):
    run = make_run(guidance_scale=7.0, options={"dynthresh": {"mimic_scale": 7}})
    prediction = cfg(run, Branches())(X, 1.0)
    torch.testing.assert_close(adjustment(run)(prediction, 1.0).denoised, prediction.denoised)


# ── precision and devices ────────────────────────────────────────────────────────────────────────────────────────────

EVERYTHING: Options = {
    "guidance": {"rescale": 0.5, "interval": [0.1, 100], "threshold": 0.99},
    "dynthresh": {"mimic_scale": 5, "cfg_mode": "linear_down", "cfg_scale_min": 4},
}


def everything(run: Run, guidance: Any, dtype: torch.dtype, device: str = "cpu", gain: float = 1.0) -> Prediction:
    """All of the options at once, at a size at which sums of squares exceed what float16 can hold."""
    cond, uncond, x = (
        (noise(seed, size=96).to(device, dtype) * factor) for seed, factor in ((1, gain), (2, gain), (3, 3.0))
    )
    guide = guidance(run, Branches(cond, uncond))
    guide(x, 2.0)
    return adjustment(run)(guide(x, 1.5), 1.5)


@pytest.mark.parametrize("guidance", [cfg, apg])
def test_half_precision_keeps_its_dtype_and_its_numbers(make_run: Any, guidance: Any):
    run = make_run(guidance=guidance.__name__, guidance_scale=12.0, options=EVERYTHING)
    half, double = (everything(run, guidance, dtype) for dtype in (torch.float16, torch.float64))
    assert half.denoised.dtype == torch.float16
    torch.testing.assert_close(half.denoised.double(), double.denoised, rtol=0.02, atol=0.03)


@pytest.mark.parametrize("guidance", [cfg, apg])
def test_flat_predictions_give_no_nan(make_run: Any, guidance: Any):
    run = make_run(guidance=guidance.__name__, guidance_scale=12.0, options=EVERYTHING)
    assert bool(everything(run, guidance, torch.float32, gain=0.0).denoised.isfinite().all())


@pytest.mark.parametrize("guidance", [cfg, apg])
def test_nothing_waits_for_the_device(make_run: Any, guidance: Any):
    """Tensors without data raise where a number of theirs is asked for."""
    run = make_run(guidance=guidance.__name__, guidance_scale=12.0, options=EVERYTHING)
    assert everything(run, guidance, torch.float32, device="meta").denoised.shape == (2, 4, 96, 96)
    with pytest.raises(RuntimeError, match="meta"):
        torch.zeros(1, device="meta").item()
