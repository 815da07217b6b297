"""The hooks that put a function around a stage: where it stands, what it sees, what it changes, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch

import sdkit
from sdkit.errors import ModelError
from sdkit.images import Image
from sdkit.pipeline import Pipeline
from sdkit.testing import ToyModel, make_pipeline
from sdkit.types import (
    BoundSampler,
    Denoiser,
    DiffusionModel,
    Embedding,
    Latents,
    Patch,
    Prediction,
    Prompt,
    Run,
    RunPlan,
    Step,
    StepDone,
)
from tests.pipeline._pictures import PROMPT, paint, plugin


@pytest.mark.hook("transform_prompt")
def test_transform_prompt_changes_each_pictures_prompts_by_its_seed() -> None:
    class Colours:
        @sdkit.hookimpl
        def transform_prompt(self, plan: RunPlan) -> Callable[[str, int], str]:
            return lambda text, seed: text.replace("COLOUR", ("red", "blue")[seed % 2])

    result = make_pipeline(plugins=[Colours])("a COLOUR circle", negative_prompt="COLOUR", seed=2, count=2)
    assert [(image.prompt, image.negative_prompt) for image in result.images] == [
        ("a red circle", "red"),
        ("a blue circle", "blue"),
    ]
    for image, colour, seed in zip(result.images, ("red", "blue"), (2, 3), strict=True):
        alone = paint(make_pipeline(), f"a {colour} circle", negative_prompt=colour, seed=seed)
        assert torch.equal(image.pixels, alone[0])
    assert result.request.prompt == "a COLOUR circle", "the request is the one that was asked"


@pytest.mark.hook("patch_model")
def test_patch_model_gives_the_run_a_model_of_its_own() -> None:
    made: list[str] = []

    class Fainter:
        @sdkit.hookimpl
        def patch_model(self, run: Run, model: DiffusionModel) -> Patch:
            def halved(name: str, weight: torch.Tensor) -> torch.Tensor:
                made.append(name)
                return weight * 0.5

            return Patch(key="fainter", targets=frozenset({"unet.colours.weight"}), apply=halved)

    model = ToyModel()
    pipe, plain = Pipeline(model, plugins=[Fainter]), Pipeline(model)
    before, faint = paint(plain), paint(pipe)
    assert not torch.equal(faint, before)
    assert torch.equal(paint(plain), before), "the model itself is as it was"
    assert torch.equal(paint(pipe), faint)
    assert made == ["unet.colours.weight"], "the same patch is applied once"
    assert "patch" in pipe(PROMPT).timings
    assert "patch" not in plain(PROMPT).timings


@pytest.mark.hook("patch_model")
def test_patches_of_several_plugins_stack_the_nearest_last_and_count_where_they_say() -> None:
    def adding(name: str, factor: float, plus: float, sigmas: tuple[float, float] | None = None) -> object:
        def patch_model(run: Run, model: DiffusionModel) -> Patch:
            targets = frozenset({"unet.colours.weight"})
            return Patch((name, factor, plus), targets, lambda _, weight: weight * factor + plus, sigmas)

        return plugin(name, patch_model=patch_model)

    far, near = adding("far", 1.0, 0.1), adding("near", 2.0, 0.0)
    both = adding("both", 2.0, 0.2)
    assert torch.equal(paint(make_pipeline(plugins=[far, near])), paint(make_pipeline(plugins=[both])))
    half = adding("half", 0.5, 0.0, sigmas=(3.0, 0.5))
    whole, none = adding("whole", 0.5, 0.0), paint(make_pipeline())
    assert not torch.equal(paint(make_pipeline(plugins=[half])), none)
    assert not torch.equal(paint(make_pipeline(plugins=[half])), paint(make_pipeline(plugins=[whole])))
    nowhere = adding("nowhere", 0.5, 0.0, sigmas=(1e6, 1e5))
    assert torch.equal(paint(make_pipeline(plugins=[nowhere])), none)


@pytest.mark.hook("patch_model")
def test_a_patch_of_a_weight_that_is_not_there_is_refused() -> None:
    def patch_model(run: Run, model: DiffusionModel) -> Patch:
        return Patch("k", frozenset({"unet.colour.weight"}), lambda _, weight: weight)

    message = r"a patch changes 'unet.colour.weight', which 'toy' does not have. Did you mean 'unet.colours.weight'\?"
    with pytest.raises(ModelError, match=message):
        make_pipeline(plugins=[plugin("p", patch_model=patch_model)])(PROMPT)


@pytest.mark.hook("wrap_encode")
def test_wrap_encode_changes_what_the_model_is_told() -> None:
    class Louder:
        @sdkit.hookimpl
        def wrap_encode(self, run: Run):
            def wrap(encode: Callable[[Prompt], Embedding]) -> Callable[[Prompt], Embedding]:
                def encode_louder(prompt: Prompt) -> Embedding:
                    embedding = encode(prompt)
                    return replace(embedding, context=embedding.context * 2)

                return encode_louder

            return wrap

    loud = paint(make_pipeline(plugins=[Louder]))
    assert torch.equal(loud, paint(make_pipeline(), f"({PROMPT}:2)", prompt_syntax="comfy"))
    assert not torch.equal(loud, paint(make_pipeline()))


@pytest.mark.hook("wrap_denoiser")
def test_wrap_denoiser_may_call_the_inner_one_any_number_of_times() -> None:
    class Twice:
        @sdkit.hookimpl
        def wrap_denoiser(self, run: Run):
            def wrap(denoise: Denoiser) -> Denoiser:
                def twice(x: torch.Tensor, sigma: float, /) -> Prediction:
                    first, second = denoise(x, sigma), denoise(x, sigma)
                    return replace(first, denoised=(first.denoised + second.denoised) / 2)

                return twice

            return wrap

    class Nothing:
        @sdkit.hookimpl
        def wrap_denoiser(self, run: Run):
            def wrap(denoise: Denoiser) -> Denoiser:
                def nothing(x: torch.Tensor, sigma: float, /) -> Prediction:
                    return Prediction(torch.zeros_like(x), torch.zeros_like(x))

                return nothing

            return wrap

    once, twice, never = ToyModel(), ToyModel(), ToyModel()
    plain = paint(make_pipeline(model=once))
    assert torch.equal(paint(make_pipeline(plugins=[Twice], model=twice)), plain)
    assert twice.evaluations == 2 * once.evaluations
    assert make_pipeline(plugins=[Nothing], model=never)(PROMPT).latents.tensor.count_nonzero() == 0
    assert never.evaluations == 0


@pytest.mark.hook("wrap_sampler")
def test_wrap_sampler_decides_what_the_sampler_walks() -> None:
    class StopEarly:
        @sdkit.hookimpl
        def wrap_sampler(self, run: Run):
            def wrap(sampler: BoundSampler) -> BoundSampler:
                def all_but_the_last(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...]) -> Iterator[Step]:
                    yield from sampler(denoise, x, sigmas[:-1])

                return all_but_the_last

            return wrap

    whole = [event.step.x for event in make_pipeline().stream(PROMPT, seed=7) if isinstance(event, StepDone)]
    early = make_pipeline(plugins=[StopEarly])(PROMPT, seed=7).latents.tensor
    assert torch.equal(early, whole[-2])


@pytest.mark.hook("adjust_prediction")
def test_adjust_prediction_comes_after_guidance() -> None:
    sigmas: list[float] = []

    class Threshold:
        @sdkit.hookimpl
        def adjust_prediction(self, run: Run):
            def adjust(prediction: Prediction, sigma: float) -> Prediction:
                sigmas.append(sigma)
                assert prediction.uncond is not None
                cond, uncond = prediction.cond, prediction.uncond
                assert torch.equal(prediction.denoised, uncond + (cond - uncond) * 3.0)
                return replace(prediction, denoised=prediction.denoised.clamp(-0.1, 0.1))

            return adjust

    steps = list(make_pipeline(plugins=[Threshold]).stream(PROMPT, seed=7))
    walked = [event.step for event in steps if isinstance(event, StepDone)]
    assert sigmas == [step.sigma for step in walked]
    assert all(step.denoised.abs().max() <= 0.1 for step in walked)
    plain = [event.step for event in make_pipeline().stream(PROMPT, seed=7) if isinstance(event, StepDone)]
    assert torch.equal(walked[0].denoised, plain[0].denoised.clamp(-0.1, 0.1))


@pytest.mark.hook("wrap_decode")
def test_wrap_decode_changes_the_pixels_of_the_whole_batch() -> None:
    class Mirror:
        @sdkit.hookimpl
        def wrap_decode(self, run: Run):
            def wrap(decode: Callable[[Latents], torch.Tensor]) -> Callable[[Latents], torch.Tensor]:
                return lambda latents: decode(latents).flip(-1)

            return wrap

    assert torch.equal(paint(make_pipeline(plugins=[Mirror]), count=2), paint(make_pipeline(), count=2).flip(-1))


@pytest.mark.hook("finish_image")
def test_finish_image_changes_each_picture_and_keeps_its_record() -> None:
    class Negative:
        @sdkit.hookimpl
        def finish_image(self, run: Run) -> Callable[[Image], Image]:
            return lambda image: replace(image, pixels=1 - image.pixels)

    (image,) = make_pipeline(plugins=[Negative])(PROMPT, seed=7).images
    assert torch.equal(image.pixels, 1 - paint(make_pipeline())[0])
    assert (image.seed, image.prompt) == (7, PROMPT)
    assert "Negative" in image.text["sdkit"], "the record names the plugin that took part"


@pytest.mark.parametrize(
    "hook",
    [
        "transform_prompt",
        "wrap_encode",
        "wrap_denoiser",
        "wrap_sampler",
        "adjust_prediction",
        "wrap_decode",
        "finish_image",
    ],
)
def test_a_factory_is_called_once_per_run_and_may_stay_out(hook: str) -> None:
    calls: list[str] = []
    pipe = make_pipeline(plugins=[plugin("shy", **{hook: lambda: calls.append(hook)})])
    assert torch.equal(paint(pipe, count=2), paint(make_pipeline(), count=2))
    assert calls == [hook]


def _logging_wrapper(name: str, log: list[str]) -> Callable[..., object]:
    """A `wrap_…` hook that notes when it goes in and when it comes out again."""

    def wrap(inner: Callable[..., object]) -> Callable[..., object]:
        def around(*arguments: object) -> object:
            log.append(f"{name} in")
            made = inner(*arguments)
            log.append(f"{name} out")
            return made

        return around

    return lambda: wrap


@pytest.mark.parametrize("hook", ["wrap_encode", "wrap_denoiser", "wrap_decode"])
def test_the_nearest_wrapper_is_outermost(hook: str) -> None:
    log: list[str] = []
    plugins = [plugin(name, **{hook: _logging_wrapper(name, log)}) for name in ("far", "near")]
    make_pipeline(plugins=plugins)(PROMPT, steps=1)
    assert log[:4] == ["near in", "far in", "far out", "near out"]


def test_the_nearest_sampler_wrapper_is_outermost() -> None:
    log: list[str] = []

    def logging(name: str) -> object:
        def wrap(sampler: BoundSampler) -> BoundSampler:
            def around(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...]) -> Iterator[Step]:
                log.append(f"{name} in")
                yield from sampler(denoise, x, sigmas)
                log.append(f"{name} out")

            return around

        return plugin(name, wrap_sampler=lambda: wrap)

    make_pipeline(plugins=[logging("far"), logging("near")])(PROMPT)
    assert log == ["near in", "far in", "far out", "near out"]


def test_the_nearest_plugins_function_has_the_last_word() -> None:
    def named(name: str) -> object:
        return plugin(
            name,
            transform_prompt=lambda: lambda text, seed: f"{name}({text})",
            adjust_prediction=lambda: (
                lambda prediction, sigma: replace(
                    prediction, denoised=torch.full_like(prediction.denoised, float(len(name)))
                )
            ),
            finish_image=lambda: lambda image: replace(image, prompt=f"{image.prompt}, finished by {name}"),
        )

    result = make_pipeline(plugins=[named("far"), named("near")])("red")
    assert result.images[0].prompt == "near(far(red)), finished by far, finished by near"
    assert result.latents.tensor.unique().tolist() == [4.0]


def test_a_plugin_added_by_using_is_nearer_than_those_given_before() -> None:
    def named(name: str) -> object:
        return plugin(name, transform_prompt=lambda: lambda text, seed: f"{name}({text})")

    pipe = make_pipeline(plugins=[named("given")])
    assert pipe.using(named("used"), named("last"))("red").images[0].prompt == "last(used(given(red)))"
    assert pipe("red").images[0].prompt == "given(red)"
