"""Parts of a schedule: ranges of steps, left-over noise, latents handed on, sigmas given as they are."""

from __future__ import annotations

import pytest
import torch

from sdkit.errors import RequestError
from sdkit.images import Image
from sdkit.request import Request
from sdkit.testing import ToyModel, make_pipeline
from sdkit.types import Step, StepDone
from tests.pipeline._pictures import PROMPT, plugin


@pytest.mark.parametrize("prediction", ["eps", "v", "flow"])
def test_two_parts_of_a_schedule_are_the_whole(prediction) -> None:
    pipe = make_pipeline(model=ToyModel(prediction=prediction))
    cond = pipe.encode(PROMPT)
    whole = pipe.sample(cond, seeds=(3, 4), steps=8)
    half = pipe.sample(cond, seeds=(3, 4), steps=8, end_step=5, leftover_noise=True)
    rest = pipe.sample(cond, latents=half, steps=8, start_step=5, add_noise=False)
    assert rest.seeds == (3, 4)
    assert not torch.allclose(half.tensor, whole.tensor, atol=1e-2)
    torch.testing.assert_close(rest.tensor, whole.tensor, rtol=1e-5, atol=1e-6)


def test_a_range_takes_its_steps_and_removes_the_noise_in_the_last() -> None:
    pipe = make_pipeline()
    events = [event.step for event in pipe.stream(PROMPT, steps=8) if isinstance(event, StepDone)]
    sigmas = [*(step.sigma for step in events), 0.0]
    part = [
        event.step for event in pipe.stream(PROMPT, steps=8, start_step=2, end_step=5) if isinstance(event, StepDone)
    ]
    assert [step.sigma for step in part] == sigmas[2:5]
    assert [step.sigma_next for step in part] == [*sigmas[3:5], 0.0]
    assert [step.index for step in part] == [0, 1, 2]


def test_a_range_beyond_the_end_leaves_the_latents_as_they_are() -> None:
    model = ToyModel()
    pipe = make_pipeline(model=model)
    start = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    assert torch.equal(pipe.sample(pipe.encode(PROMPT), latents=start, steps=4, start_step=9).tensor, start)
    assert model.evaluations == 0


def test_without_added_noise_sampling_starts_from_the_latents() -> None:
    pipe = make_pipeline()
    start = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    first: list[torch.Tensor] = []

    def look(step: Step) -> None:
        first.append(step.x_in)

    looking = pipe.using(plugin("look", sample_step=look))
    looking.sample(pipe.encode(PROMPT), latents=start, steps=4, start_step=1, add_noise=False)
    assert torch.equal(first[0], start)


def test_latents_bring_their_size_and_seeds() -> None:
    pipe = make_pipeline()
    cond = pipe.encode(PROMPT)
    made = pipe.sample(cond, seeds=(5, 9), width=40, height=24, steps=2)
    again = pipe.sample(cond, latents=made, denoise=0.5, steps=2)
    assert again.seeds == (5, 9)
    assert again.tensor.shape == (2, 4, 3, 5)
    one = pipe.sample(cond, latents=made.tensor[:1], seeds=(1, 2, 3), denoise=0.5, steps=2)
    assert one.tensor.shape == (3, 4, 3, 5)


def test_the_pictures_of_continued_latents_are_those_of_their_own_rows() -> None:
    pipe = make_pipeline()
    cond = pipe.encode(PROMPT)
    made = pipe.sample(cond, seeds=(5, 9), steps=2)
    both = pipe.sample(cond, latents=made, denoise=0.5, steps=3).tensor
    alone = pipe.sample(cond, latents=made.tensor[1:], seed=9, denoise=0.5, steps=3).tensor
    torch.testing.assert_close(both[1:], alone)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"width": 64}, "width is 64, but the latents are of 32×32 pictures"),
        ({"seeds": (1, 2, 3)}, "the latents are of 2 pictures, but 3 are asked for"),
        ({"init_image": Image(torch.zeros(3, 32, 32))}, "latents or an init_image"),
    ],
)
def test_latents_that_do_not_fit(fields, message: str) -> None:
    pipe = make_pipeline()
    cond = pipe.encode(PROMPT)
    made = pipe.sample(cond, seeds=(5, 9), steps=1)
    with pytest.raises(RequestError, match=message):
        pipe.sample(cond, latents=made, **fields)


def test_sigmas_as_given() -> None:
    given = (14.0, 6.0, 2.5, 0.7, 0.0)
    steps = [event.step for event in make_pipeline().stream(PROMPT, sigmas=given) if isinstance(event, StepDone)]
    assert (*(step.sigma for step in steps), 0.0) == given
    result = make_pipeline()(PROMPT, sigmas=given, seed=3)
    assert result.request.sigmas == given
    assert result.request.steps is None
    again = make_pipeline()(result.request)
    assert torch.equal(again.latents.tensor, result.latents.tensor)


@pytest.mark.parametrize(
    ("sigmas", "message"),
    [
        ((1.0, 2.0, 0.0), "sigmas: sigma 1 is 2 after 1; give them descending"),
        ((2.0, 1.0, -1.0), "sigmas: sigma 2 is -1; sigmas are finite and not negative"),
        ((float("nan"), 0.0), "sigmas: sigma 0 is nan; sigmas are finite"),
        ((7.0,), "sigmas: a step needs two sigmas, and there are 1"),
    ],
)
def test_sigmas_that_cannot_be(sigmas: tuple[float, ...], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        Request(sigmas=sigmas)


def test_nothing_to_start_from() -> None:
    pipe = make_pipeline()
    with pytest.raises(RequestError, match="start_step is 4, but there are no more steps than that, and nothing to"):
        pipe(PROMPT, steps=4, start_step=4)
    with pytest.raises(RequestError, match="add_noise=False needs latents"):
        pipe(PROMPT, add_noise=False)
    for shape in ((1, 3, 4, 4), (4, 4, 4), (0, 4, 4, 4)):
        with pytest.raises(RequestError, match=r"latents of 'toy' are \[B, 4, H, W\], not \["):
            pipe.sample(pipe.encode(PROMPT), latents=torch.zeros(shape), steps=2)


def test_doubts_are_warnings() -> None:
    pipe = make_pipeline()
    (warning,) = pipe(PROMPT, zero_terminal_snr=True).warnings
    assert warning.startswith("zero_terminal_snr with a model that predicts eps")
    (warning,) = pipe(PROMPT, variation_seed=3).warnings
    assert warning == "variation_seed without variation_strength changes nothing"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sigmas": (1.0, 0.0), "steps": 3}, "give sigmas, or steps, not both"),
        ({"sigmas": (1.0, 0.0), "steps": 3, "schedule": "karras"}, "give sigmas, or steps and schedule, not both"),
        ({"start_step": 3, "end_step": 3}, "end_step is 3, but start_step 3: there is no step between"),
        ({"leftover_noise": True}, "leftover_noise needs an end_step"),
        ({"start_step": -1}, "start_step: .* greater than or equal to 0"),
        ({"variation_strength": 0.5}, "variation_strength needs a variation_seed"),
    ],
)
def test_fields_that_do_not_go_together(fields, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        Request(**fields)
