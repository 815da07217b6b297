"""Bad requests: one clear error that names field, cause and remedy, before anything is computed."""

from __future__ import annotations

import typing

import pytest
import torch

from sdkit.errors import RequestError, SamplingError, UnknownNameError
from sdkit.request import Request, RequestFields
from sdkit.testing import ToyModel, make_pipeline
from sdkit.types import ScheduleParams, StepDone
from tests.pipeline._pictures import PROMPT, paint, plugin


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"width": 130}, "width is 130, which is not a multiple of 8; use 128 or 136"),
        ({"height": 9}, "height is 9, which is not a multiple of 8; use 8 or 16"),
        ({"sampler": "eular"}, "There is no sampler named 'eular'. Did you mean 'euler'?"),
        ({"schedule": "karas"}, "There is no schedule named 'karas'. Did you mean 'karras'?"),
        ({"guidance": "cgf"}, "There is no guidance named 'cgf'. Did you mean 'cfg'?"),
        ({"prompt_syntax": "comfi"}, "There is no prompt syntax named 'comfi'. Did you mean 'comfy'?"),
        (
            {"sampler": "euler", "sampler_options": {"s_chrn": 1}},
            "sampler 'euler' has no option 's_chrn'. Did you mean 's_churn'?",
        ),
        (
            {"sampler": "dpmpp_2m", "sampler_options": {"eta": 1}},
            "sampler 'dpmpp_2m' has no options, so 'eta' cannot be set",
        ),
        (
            {"sampler_options": {"s_churn": -1}},
            "sampler 'euler', option 's_churn': Input should be greater than or equal to 0, not -1",
        ),
        ({"options": {"wildcard": {}}}, "There is no plugin with options named 'wildcard'."),
        ({"model": "other"}, "the request is for the model 'other', but this pipeline has 'toy' loaded"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_done_is_said_before_anything_is_computed(fields: RequestFields, message: str) -> None:
    model = ToyModel()
    pipe = make_pipeline(model=model)
    for call in (pipe, pipe.stream, pipe.encode):
        with pytest.raises(RequestError) as caught:
            call(PROMPT, **fields)
        assert str(caught.value).startswith(message)
    assert (model.evaluations, model.texts_encoded) == (0, 0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"steps": 0}, "steps: input should be greater than or equal to 1, not 0"),
        ({"steps": 10_000}, "steps: input should be less than or equal to 1000, not 10000"),
        ({"width": 4}, "width: input should be greater than or equal to 8, not 4"),
        ({"count": 0}, "count: input should be greater than or equal to 1, not 0"),
        ({"guidance_scale": float("nan")}, "guidance_scale: input should be a finite number, not nan"),
        ({"stepz": 3}, "stepz: there is no such field. Did you mean 'steps'?"),
        ({"seed": 1, "seeds": (1, 2)}, "give seed (and count) or seeds, not both"),
        ({"seeds": ()}, "seeds: tuple should have at least 1 item after validation, not 0, not ()"),
        ({"seeds": (1, -1)}, "seeds: seeds are from 0 to 2**64 - 1, not -1"),
        ({"seeds": (1, 2), "count": 3}, "count is 3, but there are 2 seeds; leave count out"),
        ({"seed": 2**64}, "seed: input should be less than or equal to 18446744073709551615, not 18446744073709551616"),
        ({"prompt": "\ud800"}, "prompt: the text has half a surrogate pair in it; it was decoded wrongly somewhere"),
        ({"steps": "many"}, "steps: input should be a valid integer, unable to parse string as an integer, not 'many'"),
        ({"steps": 0, "width": 1}, "the request has several faults:\n  width: input"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_fields_out_of_bounds_say_what_is_allowed(fields: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        Request(**fields)
    assert str(caught.value).startswith(message)


def test_unknown_names_can_be_caught_with_their_suggestions() -> None:
    with pytest.raises(UnknownNameError) as caught:
        make_pipeline()(PROMPT, sampler="dpmpp_2n")
    assert (caught.value.kind, caught.value.name) == ("sampler", "dpmpp_2n")
    assert caught.value.nearest[0] == "dpmpp_2m"


@pytest.mark.parametrize(
    ("fields", "sampler", "schedule", "options"),
    [
        ({"sampler": "DPM++ 2M Karras"}, "dpmpp_2m", "karras", {}),
        ({"sampler": "DPM++ 2M Karras", "schedule": "simple"}, "dpmpp_2m", "simple", {}),
        ({"sampler": "euler a", "sampler_options": {"eta": 0.5}}, "euler_ancestral", "normal", {"eta": 0.5}),
        ({"sampler": "dpmpp_sde_gpu"}, "dpmpp_sde", "normal", {}),
    ],
)
def test_labels_of_other_programs_stand_for_the_names_here(
    fields: dict[str, object], sampler: str, schedule: str, options: dict[str, object]
) -> None:
    request = make_pipeline()(Request(prompt=PROMPT, steps=2, **fields)).request
    assert (request.sampler, request.schedule, request.sampler_options) == (sampler, schedule, options)


def test_a_misspelt_label_is_recognised() -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean 'DPM\+\+ 2M Karras' \(sampler 'dpmpp_2m', schedule"):
        make_pipeline()(PROMPT, sampler="DPM++ 2M Karass")


def test_the_extremes_that_are_allowed_work() -> None:
    pipe = make_pipeline()
    assert len(list(pipe.stream(PROMPT, steps=1000, width=8, height=8))) == 1004
    combinations = [(sampler, "normal") for sampler in pipe.samplers] + [("euler", name) for name in pipe.schedules]
    for sampler, schedule in combinations:
        assert torch.isfinite(paint(pipe, sampler=sampler, schedule=schedule, steps=1, width=8)).all()


def test_prompts_of_no_and_of_ten_thousand_words() -> None:
    pipe = make_pipeline()
    long = " ".join(f"word{index}" for index in range(10_000))
    result = pipe(long, seed=7, steps=1)
    assert result.images[0].prompt == long
    assert pipe.encode(long).positive[0].context.shape == (1, 130 * 77, 12)
    assert torch.isfinite(paint(pipe, "", steps=1)).all()
    assert torch.equal(paint(pipe, "   "), paint(pipe, ""))


def test_prompts_of_different_lengths_share_a_batch() -> None:
    def mixed(plan) -> None:
        plan.prompts[1] = " ".join(["word"] * 100)  # two windows of tokens beside one

    together = make_pipeline(plugins=[plugin("mixed", prepare_run=mixed)])(PROMPT, seed=7, count=2)
    alone = paint(make_pipeline(), seed=7)
    torch.testing.assert_close(together.images[0].pixels, alone[0])  # the sum over more tokens is rounded otherwise


@pytest.mark.parametrize(
    ("sigmas", "message"),
    [
        ((3.0,), "at least two sigmas"),
        ((3.0, float("nan"), 0.0), "sigma 1 of 3 is nan"),
        ((1.0, 2.0, 0.0), "sigma"),
        ((), "at least two sigmas"),
    ],
)
def test_a_schedule_that_does_not_descend_is_an_error_that_names_its_plugin(
    sigmas: tuple[float, ...], message: str
) -> None:
    def bring(register) -> None:
        register("bad", lambda steps, params: sigmas)

    pipe = make_pipeline(plugins=[plugin("odd", register_schedules=bring)])
    with pytest.raises(SamplingError, match=message) as caught:
        pipe(PROMPT, schedule="bad")
    assert caught.value.__notes__ == ["raised by plugin 'odd' in its schedule 'bad'"]


def test_a_schedule_may_give_numbers_of_any_kind() -> None:
    def bring(register) -> None:
        def listed(steps: int, params: ScheduleParams) -> list[float]:
            return [2, 1, 0]

        register("listed", listed)

    pipe = make_pipeline(plugins=[plugin("plugin", register_schedules=bring)])
    steps = [event.step for event in pipe.stream(PROMPT, schedule="listed") if isinstance(event, StepDone)]
    assert [step.sigma for step in steps] == [2.0, 1.0]
    assert isinstance(steps[0].sigma, float)


def test_what_cannot_be_imported_is_an_error_at_once() -> None:
    def bring(register) -> None:
        register("gone", "nowhere.to:be_found")

    pipe = make_pipeline(plugins=[plugin("lazy", register_samplers=bring)])
    with pytest.raises(Exception, match=r"'lazy': cannot import 'nowhere\.to:be_found'"):
        pipe.stream(PROMPT, sampler="gone")


def test_the_fields_of_a_call_are_those_of_a_request() -> None:
    assert set(typing.get_type_hints(RequestFields)) == set(Request.model_fields) - {"prompt"}


def test_a_request_and_fields_may_be_mixed() -> None:
    pipe = make_pipeline()
    request = Request(prompt="a blue star", seed=7, steps=3)
    assert torch.equal(pipe(request).images[0].pixels, paint(pipe, "a blue star", steps=3)[0])
    assert torch.equal(pipe(request, steps=4).images[0].pixels, paint(pipe, "a blue star", steps=4)[0])
