"""Plugins at fault: what they raise comes out as it is with their name on it, what they return is checked, and the
pipeline is as good as before afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Unpack

import pytest
import torch

from sdkit.errors import HookResultError, NonFiniteError
from sdkit.images import Image
from sdkit.pipeline import Pipeline
from sdkit.request import RequestFields
from sdkit.testing import ToyModel, make_pipeline
from sdkit.types import CallPatches, Embedding, StepDone
from tests.pipeline._pictures import PROMPT, paint, plugin, seeded

FIRST = ["parse_prompt", "encode", "encode_image", "decode", "make_noise"]
WRAPPERS = ["wrap_encode", "wrap_denoiser", "wrap_sampler", "wrap_decode"]
FUNCTIONS = ["transform_prompt", "adjust_prediction", "finish_image"]
NOTIFY = ["prepare_run", "sample_step", "run_finished"]

GREY = Image(torch.full((3, 32, 32), 0.5))
IMG2IMG: RequestFields = {"init_image": GREY, "denoise": 0.5}


class Boom(Exception):
    """Somebody's own exception."""


def fail() -> None:
    raise Boom("at fault")


def pass_on(inner: Callable[..., object]) -> Callable[..., object]:
    """A wrapper that changes nothing."""

    def around(*arguments: object) -> object:
        return inner(*arguments)

    return around


class Fault:
    """Raises as long as it is on."""

    def __init__(self) -> None:
        self.on = True

    def happen(self) -> None:
        if self.on:
            raise Boom("at fault")


def fails(pipe: Pipeline, **fields: Unpack[RequestFields]) -> list[str]:
    """The notes on the Boom that a run ends with."""
    with pytest.raises(Boom) as caught:
        pipe(PROMPT, **seeded(fields))
    assert str(caught.value) == "at fault"
    return caught.value.__notes__


@pytest.mark.parametrize("hook", FIRST + WRAPPERS + FUNCTIONS + NOTIFY)
def test_what_a_hook_raises_comes_out_as_it_is_with_plugin_and_hook(hook: str) -> None:
    fault = Fault()

    def implementation() -> None:
        fault.happen()

    pipe = make_pipeline(plugins=[plugin("broken", **{hook: implementation})])
    assert fails(pipe, **IMG2IMG) == [f"raised by plugin 'broken' in its hook {hook!r}"]
    fault.on = False
    assert torch.equal(paint(pipe, **IMG2IMG), paint(make_pipeline(), **IMG2IMG))


@pytest.mark.parametrize("hook", WRAPPERS)
@pytest.mark.parametrize("innocent", [False, True], ids=["alone", "inside an innocent one"])
def test_what_a_wrapper_raises_when_called_carries_its_name_alone(hook: str, innocent: bool) -> None:
    fault = Fault()

    def wrap(inner: Callable[..., object]) -> Callable[..., object]:
        def around(*arguments: object) -> object:
            fault.happen()
            return inner(*arguments)

        return around

    plugins = [plugin("broken", **{hook: lambda: wrap})]
    if innocent:
        plugins.append(plugin("innocent", **{hook: lambda: pass_on}))
    pipe = make_pipeline(plugins=plugins)
    assert fails(pipe) == [f"raised by plugin 'broken' in its hook {hook!r}"]
    fault.on = False
    assert torch.equal(paint(pipe), paint(make_pipeline()))


@pytest.mark.parametrize("hook", FUNCTIONS)
def test_what_a_factorys_function_raises_carries_its_name(hook: str) -> None:
    fault = Fault()

    def change(first: object, *more: object) -> object:
        fault.happen()
        return first

    pipe = make_pipeline(plugins=[plugin("broken", **{hook: lambda: change})])
    assert fails(pipe) == [f"raised by plugin 'broken' in its hook {hook!r}"]
    fault.on = False
    assert torch.equal(paint(pipe), paint(make_pipeline()))


def test_what_a_sampler_wrapper_raises_between_two_steps_carries_its_name() -> None:
    def wrap(sampler: Callable[..., Iterator[object]]) -> Callable[..., Iterator[object]]:
        def around(*arguments: object) -> Iterator[object]:
            for index, step in enumerate(sampler(*arguments)):
                yield step
                if index == 1:
                    raise Boom("at fault")

        return around

    seen: list[int] = []
    pipe = make_pipeline(plugins=[plugin("broken", wrap_sampler=lambda: wrap)])
    with pytest.raises(Boom) as caught:
        seen.extend(event.index for event in pipe.stream(PROMPT) if isinstance(event, StepDone))
    assert seen == [0, 1]
    assert caught.value.__notes__ == ["raised by plugin 'broken' in its hook 'wrap_sampler'"]


@pytest.mark.parametrize("kind", ["sampler", "schedule", "guidance", "prompt syntax"])
def test_what_is_registered_carries_the_name_of_its_plugin_too(kind: str) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise Boom("at fault")

    hooks = {
        "sampler": "register_samplers",
        "schedule": "register_schedules",
        "guidance": "register_guidance",
        "prompt syntax": "register_prompt_syntaxes",
    }
    field = kind.replace(" ", "_")
    pipe = make_pipeline(plugins=[plugin("broken", **{hooks[kind]: lambda register: register("bad", fail)})])
    request: RequestFields = {field: "bad"}  # pyright: ignore[reportAssignmentType] - one of four
    assert fails(pipe, **request) == [f"raised by plugin 'broken' in its {kind} 'bad'"]
    assert torch.equal(paint(pipe), paint(make_pipeline()))


def test_what_a_guide_raises_carries_the_name_of_its_plugin() -> None:
    def guide(x: torch.Tensor, sigma: float) -> None:
        fail()

    def bring(register: Callable[..., None]) -> None:
        register("bad", lambda run, evaluate: guide)

    pipe = make_pipeline(plugins=[plugin("broken", register_guidance=bring)])
    assert fails(pipe, guidance="bad") == ["raised by plugin 'broken' in its guidance 'bad'"]


class BrokenModel(ToyModel):
    """Raises at its third evaluation."""

    def predict(
        self, x: torch.Tensor, timestep: float, embedding: Embedding, patches: CallPatches | None = None
    ) -> torch.Tensor:
        if self.evaluations == 2:
            raise Boom("the model's fault")
        return super().predict(x, timestep, embedding, patches)


def test_faults_of_the_core_are_not_put_down_to_the_plugins_around_it() -> None:
    through = {hook: lambda: pass_on for hook in WRAPPERS}
    pipe = make_pipeline(plugins=[plugin("innocent", **through)], model=BrokenModel())
    with pytest.raises(Boom) as caught:
        pipe(PROMPT)
    assert not hasattr(caught.value, "__notes__")

    def bring(register: Callable[..., None]) -> None:
        register("mine", "sdkit.sampling:cfg")

    with pytest.raises(Boom) as caught:
        make_pipeline(plugins=[plugin("innocent", register_guidance=bring)], model=BrokenModel())(
            PROMPT, guidance="mine"
        )
    assert not hasattr(caught.value, "__notes__")

    class BrokenDecoder(ToyModel):
        def decode(self, latents: torch.Tensor) -> torch.Tensor:
            return super().decode(latents) * float("nan")

    with pytest.raises(NonFiniteError) as nan:
        make_pipeline(plugins=[plugin("innocent", **through)], model=BrokenDecoder())(PROMPT)
    assert not hasattr(nan.value, "__notes__")


# ── wrong answers ────────────────────────────────────────────────────────────────────────────────────────────────────

PROMISED = {
    "parse_prompt": "Prompt",
    "encode": "Embedding",
    "encode_image": "Tensor",
    "decode": "Tensor",
    "make_noise": "Tensor",
    "transform_prompt": "str",
    "wrap_encode": "Embedding",
    "wrap_denoiser": "Prediction",
    "adjust_prediction": "Prediction",
    "wrap_decode": "Tensor",
    "finish_image": "Image",
}


def complaint(pipe: Pipeline, **fields: Unpack[RequestFields]) -> HookResultError:
    with pytest.raises(HookResultError) as caught:
        pipe(PROMPT, **seeded(fields))
    return caught.value


@pytest.mark.parametrize("hook", FIRST)
def test_an_answer_of_a_wrong_type_names_plugin_hook_and_both_types(hook: str) -> None:
    error = complaint(make_pipeline(plugins=[plugin("odd", **{hook: lambda: 3})]), **IMG2IMG)
    assert str(error) == f"plugin 'odd': {hook} must return {PROMISED[hook]}, not int"
    assert error.plugin == "odd"


@pytest.mark.parametrize("hook", WRAPPERS + FUNCTIONS)
def test_a_factory_that_returns_no_function_is_an_error(hook: str) -> None:
    error = complaint(make_pipeline(plugins=[plugin("odd", **{hook: lambda: 3})]))
    assert str(error) == f"plugin 'odd': {hook} must return a function or None, not int"


@pytest.mark.parametrize("hook", FUNCTIONS)
def test_a_factorys_function_that_forgets_to_return_is_an_error(hook: str) -> None:
    error = complaint(make_pipeline(plugins=[plugin("odd", **{hook: lambda: lambda *arguments: None})]))
    assert str(error) == f"plugin 'odd': {hook} must return {PROMISED[hook]}, not None"


@pytest.mark.parametrize("hook", WRAPPERS)
def test_a_wrapper_that_forgets_to_return_its_function_is_an_error(hook: str) -> None:
    error = complaint(make_pipeline(plugins=[plugin("odd", **{hook: lambda: lambda inner: None})]))
    assert str(error) == f"plugin 'odd': what {hook} returns must give a function back, not None"


@pytest.mark.parametrize("hook", ["wrap_encode", "wrap_denoiser", "wrap_decode"])
def test_a_wrapper_that_returns_something_else_is_an_error_of_its_own_plugin(hook: str) -> None:
    odd = plugin("odd", **{hook: lambda: lambda inner: lambda *arguments: 3})
    innocent = plugin("innocent", **{hook: lambda: pass_on})
    error = complaint(make_pipeline(plugins=[odd, innocent]))
    assert str(error) == f"plugin 'odd': {hook} must return {PROMISED[hook]}, not int"
    assert not hasattr(error, "__notes__"), "it passed through 'innocent', who is not to blame"


@pytest.mark.parametrize(
    ("made", "came"),
    [(lambda *_: None, "None"), (lambda *_: iter([None]), "None"), (lambda *_: torch.zeros(2), "Tensor")],
)
def test_a_sampler_wrapper_that_yields_no_steps_is_an_error(made: Callable[..., object], came: str) -> None:
    error = complaint(make_pipeline(plugins=[plugin("odd", wrap_sampler=lambda: lambda inner: made)]))
    assert str(error) == f"plugin 'odd': wrap_sampler must yield Step, not {came}"


@pytest.mark.parametrize(
    ("hook", "shape", "wanted"),
    [("make_noise", (1, 4, 8, 8), r"\[1, 4, 4, 4\]"), ("encode_image", (1, 3, 4, 4), r"\[1, 4, 4, 4\]")],
)
def test_latents_of_a_wrong_shape_name_both_shapes_and_the_plugin(
    hook: str, shape: tuple[int, ...], wanted: str
) -> None:
    error = complaint(make_pipeline(plugins=[plugin("odd", **{hook: lambda: torch.zeros(shape)})]), **IMG2IMG)
    assert str(error) == f"{hook} must return {wanted}, not {list(shape)} (plugins: odd)".replace("\\", "")


@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 3, 32, 32), (1, 4, 32, 32)])
def test_pixels_of_a_wrong_shape_name_both_shapes_and_the_plugin(shape: tuple[int, ...]) -> None:
    odd = plugin("odd", wrap_decode=lambda: lambda decode: lambda latents: torch.zeros(shape))
    error = complaint(make_pipeline(plugins=[odd]))
    assert str(error) == f"decoding must give pixels [1, 3, H, W], not {list(shape)} (plugins: odd)"


def test_an_x_of_a_wrong_shape_says_after_which_step() -> None:
    def cut(step: StepDone) -> None:
        step.x = step.x[:, :3]  # pyright: ignore[reportAttributeAccessIssue] - what a plugin may do

    error = complaint(make_pipeline(plugins=[plugin("odd", sample_step=cut)]))
    assert str(error) == "after step 0, a plugin's sample_step left x as [1, 3, 4, 4] instead of [1, 4, 4, 4]"


def test_half_precision_is_brought_back_to_what_the_pipeline_computes_in() -> None:
    half = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(1)).half()
    single = half.float()
    as_half = make_pipeline(plugins=[plugin("half", make_noise=lambda: half)])
    as_float = make_pipeline(plugins=[plugin("float", make_noise=lambda: single)])
    assert torch.equal(paint(as_half), paint(as_float))
    halved = plugin("half", wrap_decode=lambda: lambda decode: lambda latents: decode(latents).half())
    assert paint(make_pipeline(plugins=[halved])).dtype == torch.float32


# ── prepare_run ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_unequal_lengths_after_prepare_run_say_how_many_of_what() -> None:
    def more(plan) -> None:
        plan.seeds.append(1)

    error = complaint(make_pipeline(plugins=[plugin("odd", prepare_run=more)]))
    assert str(error) == (
        "prepare_run (plugins: odd) must leave one seed, prompt and negative prompt per picture; "
        "it left 2 seeds, 1 prompts and 1 negative ones"
    )


@pytest.mark.parametrize(("field", "value"), [("prompt", "blue"), ("negative_prompt", "x"), ("seeds", (1,))])
def test_changing_the_requests_prompts_or_seeds_says_what_to_change_instead(field: str, value: object) -> None:
    def change(plan) -> None:
        plan.request = plan.request.replace(**{field: value})

    error = complaint(make_pipeline(plugins=[plugin("odd", prepare_run=change)]))
    plural = field if field == "seeds" else f"{field}s"
    assert (
        str(error) == f"prepare_run changed plan.request.{field} (plugins: odd); change plan.{plural}, one per picture"
    )


# ── what must never stop a run ───────────────────────────────────────────────────────────────────────────────────────


def test_a_preview_that_fails_is_a_warning_once_and_no_preview() -> None:
    pipe = make_pipeline(plugins=[plugin("broken", preview=fail)])
    events = [event for event in pipe.stream(PROMPT, seed=7) if isinstance(event, StepDone)]
    with pytest.warns(RuntimeWarning, match="plugin 'broken' failed in preview: Boom: at fault") as warned:
        assert [event.preview() for event in events] == [()] * 6
    assert len(warned) == 1
    assert torch.equal(paint(pipe), paint(make_pipeline()))


def test_a_preview_of_a_wrong_type_is_a_warning_that_names_the_plugin() -> None:
    pipe = make_pipeline(plugins=[plugin("odd", preview=lambda: GREY)])
    (event, *_) = (event for event in pipe.stream(PROMPT) if isinstance(event, StepDone))
    with pytest.warns(RuntimeWarning, match="plugin 'odd' failed in preview: .*must return tuple, not Image"):
        assert event.preview() == ()


def test_progress_that_fails_is_a_warning_once_and_the_run_goes_on() -> None:
    pipe = make_pipeline(plugins=[plugin("broken", progress=fail)])
    with pytest.warns(RuntimeWarning, match="plugin 'broken' failed in progress: Boom: at fault") as warned:
        assert torch.equal(paint(pipe), paint(make_pipeline()))
    assert len(warned) == 1
