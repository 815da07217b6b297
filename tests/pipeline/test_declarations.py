"""What a sampler declares decides how it is run; what a request says of the model's noise levels is believed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from pydantic import BaseModel

from sdkit.errors import RequestError
from sdkit.pipeline import Pipeline
from sdkit.request import Request
from sdkit.testing import ToyModel, make_pipeline
from sdkit.types import Denoiser, Noise, RunStarted, Step, StepDone
from tests.pipeline._pictures import PROMPT, plugin


class PerImage(BaseModel):
    """Whether each picture decides its own steps."""

    per_image: bool = True


def straight(
    denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], noise: Noise, /, *, per_image: bool = True
) -> Iterator[Step]:
    """Euler's method in short; it looks at its whole batch, as an adaptive sampler does."""
    assert len(x) == 1 or not per_image
    for index in range(len(sigmas) - 1):
        prediction = denoise(x, sigmas[index])
        x = prediction.denoised + (x - prediction.denoised) * (sigmas[index + 1] / sigmas[index])
        x = x + 0.1 * x.mean()
        yield Step(index, sigmas[index], sigmas[index + 1], x, prediction, x)


def declaring(**declared: object) -> Pipeline:
    """A pipeline with `straight` registered so."""
    return make_pipeline(
        [plugin("declaring", register_samplers=lambda register: register("straight", straight, **declared))]
    )


def steps_of(pipe: Pipeline, **fields: object) -> list[Step]:
    events = pipe.stream(Request(**{"prompt": PROMPT, "sampler": "straight", "seed": 7, **fields}))
    return [event.step for event in events if isinstance(event, StepDone)]


@pytest.mark.parametrize("needs", [False, True])
def test_the_negative_branch_runs_at_scale_1_only_for_a_sampler_that_needs_it(needs: bool) -> None:
    predictions = [step.prediction for step in steps_of(declaring(uncond=needs), guidance_scale=1.0)]
    assert all((prediction.uncond is not None) == needs for prediction in predictions)


def test_a_sampler_may_have_the_penultimate_sigma_dropped() -> None:
    plain, one_more = declaring(), declaring(discard_penultimate=True)
    longer = [*(step.sigma for step in steps_of(plain, steps=6)), 0.0]
    shorter = [*(step.sigma for step in steps_of(one_more, steps=5)), 0.0]
    assert shorter == longer[:-2] + longer[-1:]


def test_an_adaptive_sampler_gets_one_picture_a_run() -> None:
    pipe = declaring(adaptive=True, options=PerImage)
    events = list(pipe.stream(PROMPT, sampler="straight", seed=7, count=3))
    assert [event.images for event in events if isinstance(event, RunStarted)] == [1, 1, 1]
    together = pipe(PROMPT, sampler="straight", seed=7, count=3, sampler_options={"per_image": False})
    alone = pipe(PROMPT, sampler="straight", seed=7, count=3)
    assert not torch.allclose(together.latents.tensor, alone.latents.tensor)


def test_by_hand_it_is_the_same() -> None:
    pipe = declaring(adaptive=True, options=PerImage)
    whole = pipe(PROMPT, sampler="straight", seed=7, count=3)
    sampled = pipe.sample(pipe.encode(PROMPT), sampler="straight", seed=7, count=3)
    assert torch.equal(sampled.tensor, whole.latents.tensor)
    assert sampled.seeds == (7, 8, 9)


def test_a_given_prediction_type_reads_the_output_as_that() -> None:
    model = ToyModel(prediction="v")
    right = make_pipeline(model=model)(PROMPT, seed=7).latents.tensor
    wrong = make_pipeline(model=ToyModel(prediction="v"))(PROMPT, seed=7, prediction="eps").latents.tensor
    assert not torch.allclose(right, wrong, atol=1e-2)


def test_zero_terminal_snr_begins_with_nothing_but_noise() -> None:
    pipe = make_pipeline(model=ToyModel(prediction="v"))
    first = next(event.step for event in pipe.stream(PROMPT, zero_terminal_snr=True) if isinstance(event, StepDone))
    assert first.sigma > 4000
    assert pipe(PROMPT, zero_terminal_snr=True, seed=7).images


def test_flow_shift_moves_steps_towards_much_noise() -> None:
    pipe = make_pipeline(model=ToyModel(prediction="flow"))

    def sigmas(**fields: float) -> list[float]:
        events = pipe.stream(Request(prompt=PROMPT, steps=4, **fields))
        return [event.step.sigma for event in events if isinstance(event, StepDone)]

    assert all(shifted >= plain for shifted, plain in zip(sigmas(flow_shift=3.0), sigmas(), strict=True))
    half = sigmas()[2]  # about: the even steps begin and end elsewhere, too
    assert sigmas(flow_shift=3.0)[2] == pytest.approx(3 * half / (1 + 2 * half), rel=5e-3)


def test_flow_shift_is_for_flow_models() -> None:
    with pytest.raises(RequestError, match="flow_shift"):
        make_pipeline()(PROMPT, flow_shift=3.0)
