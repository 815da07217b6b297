"""In a pipeline: off unless asked for, picture by picture, combined, recorded; and what is refused."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import JsonValue

import sdkit
import sdkit_guidance
from sdkit import Pipeline, Request
from sdkit.errors import RequestError
from sdkit.hookspecs import RegisterGuidance, RegisterSampler
from sdkit.testing import ToyModel, make_pipeline
from sdkit.types import Denoiser, Evaluate, Guide, Noise, Prediction, PredictionType, Run, Step, StepDone

Options = dict[str, dict[str, JsonValue]]

WAYS: dict[str, dict[str, Any]] = {
    "rescale": {"options": {"guidance": {"rescale": 0.7}}},
    "interval": {"options": {"guidance": {"interval": [0.3, 5.0]}}},
    "threshold": {"options": {"guidance": {"threshold": 0.9, "threshold_limit": 1}}},
    "mimic": {"options": {"dynthresh": {"mimic_scale": 4, "threshold_percentile": 0.9}}},
    "mimic together": {"options": {"dynthresh": {"mimic_scale": 4, "separate_feature_channels": False}}},
    "changing": {"options": {"dynthresh": {"cfg_mode": "cosine_down", "cfg_scale_min": 2}}},
    "apg": {"guidance": "apg"},
    "perp_neg": {"guidance": "perp_neg"},
}
ASKED: dict[str, Any] = {"negative_prompt": "a blue ring", "guidance_scale": 9.0, "steps": 6}


@pytest.fixture(scope="module")
def pipe() -> Pipeline:
    return make_pipeline([sdkit_guidance])


def latents(pipe: Pipeline, **fields: Any) -> torch.Tensor:
    return pipe("a red star", **{**ASKED, **fields}).latents.tensor


@pytest.mark.parametrize("prediction", ["eps", "v", "flow"])
@pytest.mark.parametrize("scale", [1.0, 9.0])
def test_is_off_unless_it_is_asked_for(prediction: PredictionType, scale: float):
    with_it, without = (
        latents(make_pipeline(plugins, model=ToyModel(prediction=prediction)), seed=3, guidance_scale=scale)
        for plugins in ([sdkit_guidance], [])
    )
    assert torch.equal(with_it, without)


@pytest.mark.parametrize("sampler", ["euler", "heun"])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_changes_the_picture_and_every_picture_is_as_if_it_were_alone(pipe: Pipeline, way: str, sampler: str):
    together = latents(pipe, seeds=[3, 4, 5], sampler=sampler, **WAYS[way])
    assert not torch.allclose(together, latents(pipe, seeds=[3, 4, 5], sampler=sampler), atol=1e-3)
    for row, seed in enumerate((3, 4, 5)):
        alone = latents(pipe, seed=seed, sampler=sampler, **WAYS[way])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("prediction", ["eps", "v", "flow"])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_works_for_every_kind_of_model(way: str, prediction: PredictionType):
    pipe = make_pipeline([sdkit_guidance], model=ToyModel(prediction=prediction))
    assert bool(latents(pipe, seed=3, **WAYS[way]).isfinite().all())


def test_outside_the_interval_the_negative_prompt_costs_nothing():
    model = ToyModel()
    pipe = make_pipeline([sdkit_guidance], model=model)
    events = pipe.stream("a red star", seed=3, options={"guidance": {"interval": [0.3, 5.0]}}, **ASKED)
    sigmas = [event.step.sigma for event in events if isinstance(event, StepDone)]
    inside = [0.3 < sigma <= 5.0 for sigma in sigmas]
    assert 0 < sum(inside) < len(sigmas) == 6
    assert model.rows == 6 + sum(inside)


def needing(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], noise: Noise, /) -> Iterator[Step]:
    """Euler's method, from where the negative branch says that the noise is, as CFG++ has it."""
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        prediction = denoise(x, sigma)
        assert prediction.uncond is not None
        assert not torch.equal(prediction.uncond, prediction.cond)
        x_next = prediction.denoised + (x - prediction.uncond) * (sigma_next / sigma)
        yield (step := Step(index, sigma, sigma_next, x, prediction, x_next))
        x = step.x


class NeedsUncond:
    @sdkit.hookimpl
    def register_samplers(self, register: RegisterSampler) -> None:
        register("needing", needing, uncond=True)


@pytest.mark.parametrize("guidance", ["cfg", "apg", "perp_neg"])
def test_samplers_that_need_the_negative_branch_get_it_outside_the_interval_and_at_scale_1(guidance: str):
    pipe = make_pipeline([sdkit_guidance, NeedsUncond()])
    asked: dict[str, Any] = {"sampler": "needing", "guidance": guidance, "seed": 3}
    narrow = latents(pipe, **asked, options={"guidance": {"interval": [4.0, 5.0]}})
    assert not torch.allclose(narrow, latents(pipe, **asked))
    assert bool(latents(pipe, **asked, guidance_scale=1.0).isfinite().all())


def test_all_at_once_in_the_order_that_is_promised(pipe: Pipeline):
    """The guided prediction, rescaled, then with the mimicked range, then thresholded: at each step, by hand."""
    options: Options = {
        "guidance": {"rescale": 0.5, "interval": [0.3, 5.0], "threshold": 0.9, "threshold_limit": 0.8},
        "dynthresh": {"mimic_scale": 3, "variability_measure": "std"},
    }
    seen = 0
    for event in pipe.stream("a red star", seed=3, options=options, **ASKED):
        if not isinstance(event, StepDone):
            continue
        x, sigma, prediction = event.step.x_in, event.step.sigma, event.step.prediction
        cond, expected = prediction.cond, prediction.cond
        if 0.3 < sigma <= 5.0:
            seen += 1
            assert prediction.uncond is not None
            root = math.sqrt(sigma**2 + 1)
            v, w = ((x / root**2 - denoised) * root / sigma for denoised in (cond, prediction.uncond))
            guided = w + (v - w) * 9.0
            guided = guided * (0.5 * v.std() / guided.std() + 0.5)
            expected = x / root**2 - guided * sigma / root
            mimicked = prediction.uncond + (cond - prediction.uncond) * 3
            means = expected.mean((2, 3), keepdim=True)
            expected = means + (expected - means) * mimicked.std((2, 3), keepdim=True) / expected.std(
                (2, 3), keepdim=True
            )
        s = max(0.8, float(torch.quantile(expected.abs(), 0.9)))
        torch.testing.assert_close(prediction.denoised, expected.clamp(-s, s) * 0.8 / s, rtol=1e-4, atol=1e-4)
    assert 0 < seen < 6


def test_the_record_of_a_picture_makes_it_again(pipe: Pipeline, tmp_path: Path):
    options: Options = {"guidance": {"rescale": 0.7, "interval": [0.3, 5.0]}, "apg": {"momentum": -0.25}}
    image = pipe("a red star", seed=3, guidance="apg", options=options, **ASKED).images[0]
    request = Request.from_image(image.save(tmp_path / "it.png"))
    assert request.options == options
    assert torch.equal(pipe.run(request).images[0].pixels, image.pixels)


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("namespace", "values", "message"),
    [
        ("guidance", {"rescal": 0.7}, "(guidance) has no option 'rescal'. Did you mean 'rescale'?"),
        ("guidance", {"rescale": 1.5}, "option 'rescale': Input should be less than or equal to 1, not 1.5"),
        ("guidance", {"rescale": float("nan")}, "option 'rescale': Input should be a finite number"),
        ("guidance", {"interval": [5, 0.3]}, "'interval': the lower sigma comes first, but 5 is not below 0.3"),
        ("guidance", {"interval": [-1, 2]}, "greater than or equal to 0, not -1"),
        ("guidance", {"interval_percent": [0.8, 0.2]}, "the start comes first, but 0.8 is not below 0.2"),
        ("guidance", {"interval_percent": [0, 20]}, "less than or equal to 1, not 20"),
        ("guidance", {"interval": [1, 2], "interval_percent": [0, 1]}, "give interval (sigmas) or interval_percent"),
        ("guidance", {"threshold": 99.5}, "option 'threshold': Input should be less than or equal to 1, not 99.5"),
        ("dynthresh", {"mimic_scale": -7}, "option 'mimic_scale': Input should be greater than or equal to 0, not -7"),
        ("dynthresh", {"mimic_mode": "Down"}, "Input should be 'constant', 'linear_down'"),
        ("dynthresh", {"threshold_percentile": 0.9}, "threshold_percentile does nothing without dynthresh.mimic_scale"),
        ("apg", {"eta": 0.5}, "apg.eta is for guidance='apg', and this is 'cfg'"),
        ("perp_neg", {"neg_scale": 2}, "perp_neg.neg_scale is for guidance='perp_neg', and this is 'cfg'"),
        ("perp_neg", {"neg_scale": -1}, "option 'neg_scale': Input should be greater than or equal to 0, not -1"),
    ],
)
def test_options_that_cannot_be_or_would_do_nothing(
    pipe: Pipeline, namespace: str, values: dict[str, JsonValue], message: str
):
    with pytest.raises(RequestError) as caught:
        latents(pipe, seed=0, options={namespace: values})
    assert message in str(caught.value)


class Elsewhere:
    """Another plugin's guidance."""

    @sdkit.hookimpl
    def register_guidance(self, register: RegisterGuidance) -> None:
        register("elsewhere", self.guidance)

    def guidance(self, run: Run, evaluate: Evaluate) -> Guide:
        def guide(x: torch.Tensor, sigma: float) -> Prediction:
            predicted = evaluate(x, sigma, ("negative", "positive"))
            cond, uncond = predicted["positive"], predicted["negative"]
            return Prediction(uncond + (cond - uncond) * 9.0, cond, uncond)

        return guide


@pytest.mark.parametrize(
    "options",
    [{"guidance": {"rescale": 0.7}}, {"guidance": {"interval": [1, 2]}}, {"dynthresh": {"cfg_mode": "linear_up"}}],
)
def test_what_other_guidances_do_not_know_is_refused_for_them(options: Options):
    pipe = make_pipeline([sdkit_guidance, Elsewhere()])
    with pytest.raises(RequestError, match="is for the guidances cfg, apg, perp_neg; 'elsewhere' does not know it"):
        latents(pipe, seed=0, guidance="elsewhere", options=options)


@pytest.mark.parametrize("way", ["threshold", "mimic"])
def test_thresholds_are_for_every_guidance(way: str):
    pipe = make_pipeline([sdkit_guidance, Elsewhere()])
    torch.testing.assert_close(
        latents(pipe, seed=3, guidance="elsewhere", **WAYS[way]), latents(pipe, seed=3, **WAYS[way])
    )
