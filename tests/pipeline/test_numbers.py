"""Numbers that go wrong: NaN is said where it arose and who was near, never shown as a black picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch

from sdkit.errors import HookResultError, NonFiniteError, SamplingError
from sdkit.pipeline import Pipeline
from sdkit.testing import ToyModel, make_pipeline
from sdkit.types import CallPatches, Denoiser, Embedding, Noise, Prediction, Step, StepDone
from tests.pipeline._pictures import PROMPT, paint, plugin

NAN = float("nan")


class Failing(ToyModel):
    """NaN from the fourth evaluation on, as long as it is broken."""

    broken = True

    def predict(
        self, x: torch.Tensor, timestep: float, embedding: Embedding, patches: CallPatches | None = None
    ) -> torch.Tensor:
        output = super().predict(x, timestep, embedding, patches)
        return output * NAN if self.broken and self.evaluations > 3 else output


def test_nan_from_the_model_says_at_which_step_and_sigma() -> None:
    model = Failing()
    pipe = make_pipeline(model=model)
    with pytest.raises(NonFiniteError) as caught:
        pipe(PROMPT)
    step = [event.step for event in make_pipeline().stream(PROMPT) if isinstance(event, StepDone)][3]
    assert (caught.value.step, caught.value.sigma) == (3, step.sigma)
    assert str(caught.value) == (
        f"NaN or infinity after step 3 (sigma {step.sigma:.4g} → {step.sigma_next:.4g}), from the sampler 'euler' "
        'or what it called. If the model computes in float16, load it with dtype="float32".'
    )
    model.broken = False
    assert torch.equal(paint(pipe), paint(make_pipeline()))


def _spoil(step: Step) -> None:
    if step.index == 2:
        step.x = step.x / 0


SPOILERS: dict[str, dict[str, Callable[..., object]]] = {
    "sample_step": {"sample_step": _spoil},
    "adjust_prediction": {
        "adjust_prediction": lambda: lambda prediction, sigma: replace(prediction, denoised=prediction.denoised * NAN)
    },
    "wrap_encode": {
        "wrap_encode": lambda: (
            lambda encode: lambda prompt: replace(encode(prompt), context=torch.full((1, 77, 12), NAN))
        )
    },
    "make_noise": {"make_noise": lambda run: torch.full(run.shape, NAN)},
}


@pytest.mark.parametrize("hook", SPOILERS)
def test_nan_names_the_plugins_that_touch_the_numbers(hook: str) -> None:
    innocent = plugin("innocent", finish_image=lambda: None)
    pipe = make_pipeline(plugins=[innocent, plugin("spoiler", **SPOILERS[hook])])
    with pytest.raises(NonFiniteError, match=r"Plugins that touch the numbers: spoiler; try without\.") as caught:
        pipe(PROMPT)
    assert caught.value.step == (2 if hook == "sample_step" else 0)
    assert ("a plugin's sample_step" in str(caught.value)) == (hook == "sample_step")


@pytest.mark.parametrize(
    ("hook", "function"),
    [
        ("wrap_decode", lambda: lambda decode: lambda latents: decode(latents) * NAN),
        ("finish_image", lambda: lambda image: replace(image, pixels=image.pixels / 0)),
    ],
)
def test_nan_in_a_finished_picture_names_the_plugins_that_change_pictures(
    hook: str, function: Callable[..., object]
) -> None:
    pipe = make_pipeline(plugins=[plugin("spoiler", **{hook: function}), plugin("innocent", sample_step=lambda: None)])
    with pytest.raises(NonFiniteError, match=r"Plugins that change pictures: spoiler$"):
        pipe(PROMPT)


def test_nan_from_the_decoder_is_an_error() -> None:
    class Black(ToyModel):
        def decode(self, latents: torch.Tensor) -> torch.Tensor:
            return super().decode(latents).log()

    with pytest.raises(NonFiniteError, match="the decoder's pixels are NaN or infinite"):
        make_pipeline(model=Black())(PROMPT)


# ── samplers that do not do what samplers do ─────────────────────────────────────────────────────────────────────────


def sampling_by(function: Callable[..., object]) -> Pipeline:
    def bring(register: Callable[..., None]) -> None:
        register("odd", function)

    return make_pipeline(plugins=[plugin("bringer", register_samplers=bring)])


def no_steps(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], noise: Noise, /) -> Iterator[Step]:
    yield from ()


def no_generator(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], noise: Noise, /) -> None:
    denoise(x, sigmas[0])


def tensors(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], noise: Noise, /) -> Iterator[torch.Tensor]:
    yield denoise(x, sigmas[0]).denoised


def nothing(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], noise: Noise, /) -> Iterator[None]:
    yield None


def too_small(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], noise: Noise, /) -> Iterator[Step]:
    prediction = denoise(x, sigmas[0])
    yield Step(0, sigmas[0], 0.0, x, prediction, prediction.denoised[:, :, 1:])


def noisy(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], noise: Noise, /) -> Iterator[Step]:
    prediction = denoise(x, sigmas[0])
    yield Step(0, sigmas[0], 0.0, x, prediction, prediction.denoised + noise(sigmas[0], 0.0))


@pytest.mark.parametrize(
    ("function", "kind", "message"),
    [
        (no_steps, SamplingError, "the sampler 'odd' yielded no step for 7 sigmas"),
        (no_generator, HookResultError, "plugin 'bringer': sampler 'odd' must yield Step, not None"),
        (tensors, HookResultError, "plugin 'bringer': sampler 'odd' must yield Step, not Tensor"),
        (nothing, HookResultError, "plugin 'bringer': sampler 'odd' must yield Step, not None"),
        (
            too_small,
            HookResultError,
            r"after step 0, the sampler 'odd' .* left x as \[1, 4, 3, 4\] instead of \[1, 4, 4, 4\]",
        ),
        (noisy, SamplingError, "sampler 'odd' declared noise=\"none\" but asked for noise .*; register it with noise="),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_sampler_that_does_something_else_says_what(
    function: Callable[..., object], kind: type[Exception], message: str
) -> None:
    pipe = sampling_by(function)
    with pytest.raises(kind, match=message):
        pipe(PROMPT, sampler="odd")
    assert torch.equal(paint(pipe), paint(make_pipeline()))


def test_only_x_of_a_step_may_be_assigned() -> None:
    def replace_prediction(step: Step) -> None:
        step.prediction = Prediction(step.x, step.x)

    pipe = make_pipeline(plugins=[plugin("wrong", sample_step=replace_prediction)])
    with pytest.raises(AttributeError, match=r"Step\.prediction cannot be assigned; only Step\.x can") as caught:
        pipe(PROMPT)
    assert caught.value.__notes__ == ["raised by plugin 'wrong' in its hook 'sample_step'"]
