"""Pipelines beside each other: what they share, what they do not; moving, unloading, tracing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest
import torch

import sdkit
from sdkit.errors import ModelError, NameTakenError, PluginHookError, UnknownNameError
from sdkit.pipeline import Pipeline
from sdkit.settings import Settings
from sdkit.testing import ToyModel, make_pipeline
from sdkit.types import DiffusionModel, Finished, Step, StepDone
from tests.pipeline._pictures import PROMPT, paint, plugin


class Brought:
    """Registers a sampler that stops after the first step."""

    @sdkit.hookimpl
    def register_samplers(self, register: Callable[..., None]) -> None:
        register("first_step", self.first_step)

    def first_step(self, denoise, x, sigmas, noise, /) -> Iterator[Step]:
        prediction = denoise(x, sigmas[0])
        yield Step(0, sigmas[0], sigmas[-1], x, prediction, prediction.denoised)


def test_using_shares_the_model_and_not_the_manager() -> None:
    pipe = make_pipeline()
    derived = pipe.using(Brought)
    assert derived.model is pipe.model
    assert derived.manager is not pipe.manager
    assert "first_step" in derived.samplers
    assert "first_step" not in pipe.samplers
    with pytest.raises(UnknownNameError, match="no sampler named 'first_step'"):
        pipe(PROMPT, sampler="first_step")
    assert torch.equal(paint(derived), paint(pipe))
    assert [info.name for info in derived.plugins if info.origin == "given"] == ["Brought"]


def test_using_a_wrong_plugin_leaves_the_pipeline_as_it_is() -> None:
    pipe = make_pipeline(plugins=[Brought])
    with pytest.raises(NameTakenError, match="'first_step'"):
        pipe.using(Brought)
    with pytest.raises(PluginHookError, match="Did you mean 'sample_step'"):
        pipe.using(plugin("wrong", sample_stp=lambda: None))
    assert torch.equal(paint(pipe), paint(make_pipeline()))


def test_two_pipelines_do_not_see_each_others_plugins() -> None:
    dark = plugin("dark", wrap_decode=lambda: lambda decode: lambda latents: decode(latents) * 0)
    light = plugin("light", wrap_decode=lambda: lambda decode: lambda latents: decode(latents) * 0 + 1)
    model = ToyModel()
    one, other, plain = (make_pipeline(plugins=given, model=model) for given in ([dark], [light], []))
    streams = [pipe.stream(PROMPT, seed=7) for pipe in (one, other)]
    *_, last = zip(*streams, strict=True)  # at the same time, too
    results = [event.result for event in last if isinstance(event, Finished)]
    assert [result.images[0].pixels.max() for result in results] == [0, 1]
    assert torch.equal(paint(plain), paint(make_pipeline()))


class Movable(ToyModel):
    """Goes where it is told, with other numbers there."""

    def __init__(self, place: str = "cpu") -> None:
        super().__init__()
        self.place = place

    def to(self, device: str, dtype: str) -> DiffusionModel:  # pyright: ignore[reportIncompatibleMethodOverride]
        assert dtype == "float32"
        return self if device == self.place else Movable(device)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return super().decode(latents) * (1.0 if self.place == "cpu" else 0.5)


def test_runs_under_way_finish_where_they_began() -> None:
    pipe = make_pipeline(model=Movable())
    stream = pipe.stream(PROMPT, seed=7)
    next(stream)
    derived = pipe.using()
    assert pipe.to("elsewhere") is pipe
    *_, finished = stream
    plain = paint(make_pipeline())
    assert torch.equal(finished.result.images[0].pixels, plain[0])  # pyright: ignore[reportAttributeAccessIssue]
    assert torch.equal(paint(pipe), plain * 0.5)
    assert torch.equal(paint(derived), plain), "a derived pipeline moves on its own"


def test_after_unload_every_call_says_so() -> None:
    pipe = make_pipeline()
    derived = pipe.using()
    pipe.unload()
    for call in (pipe, derived, pipe.encode):
        with pytest.raises(ModelError, match="the model 'toy' was unloaded; load it again"):
            call(PROMPT)
    assert "toy" in repr(pipe)


def test_a_pipeline_says_what_it_is() -> None:
    assert repr(make_pipeline()) == "<Pipeline 'toy' (toy) on cpu, plugins: none>"
    assert repr(make_pipeline(plugins=[Brought])) == "<Pipeline 'toy' (toy) on cpu, plugins: Brought>"


@pytest.fixture
def tracing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Turns the trace on, and puts logging back afterwards."""
    log = logging.getLogger("sdkit.hooks")
    handlers, propagate, level = log.handlers[:], log.propagate, log.level
    monkeypatch.setenv("SDKIT_TRACE_HOOKS", "1")
    log.handlers.clear()
    yield
    log.handlers[:], log.propagate = handlers, propagate
    log.setLevel(level)


@pytest.mark.usefixtures("tracing")
def test_sdkit_trace_hooks_prints_every_call_with_tensors_summarised(capsys: pytest.CaptureFixture[str]) -> None:
    traced = paint(make_pipeline(plugins=[plugin("mine", sample_step=lambda step: None)]))
    lines = capsys.readouterr().err.splitlines()
    hooks = [line.split(" · ")[1].partition("(")[0] for line in lines]
    assert [hooks.count(name) for name in ("encode", "sample_step", "decode", "finish_image")] == [2, 6, 1, 1]
    (decode,) = (line for line in lines if " · decode(" in line)
    assert decode.startswith("sdkit.builtin.stages · decode(latents=Latents(tensor=float32[1×4×4×4], ")
    assert "→ float32[1×3×32×32]" in decode
    (first, *_) = (line for line in lines if "sample_step" in line)
    assert first.startswith("mine · sample_step(step=Step(index=0, sigma=")
    assert "x=float32[1×4×4×4]" in first
    assert "encode(prompt=Prompt(text='a red circle'" in "\n".join(lines)
    assert max(map(len, lines)) < 400
    assert torch.equal(traced, paint(make_pipeline()))


def test_without_it_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    paint(make_pipeline())
    out = capsys.readouterr()
    assert (out.out, out.err) == ("", "")


def test_loading_fails_before_the_model_is_read_if_a_plugin_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDKIT_PLUGINS", "none")
    with pytest.raises(PluginHookError):
        Pipeline.load("no such file", plugins=[plugin("wrong", dekode=lambda: None)])


def test_settings_are_those_of_the_pipeline_it_was_derived_from() -> None:
    pipe = Pipeline(ToyModel(), settings=Settings(plugins=("none",)))
    assert [info for info in pipe.using().plugins if info.origin == "installed"] == []


def test_previews_are_small_pictures_of_what_a_step_has() -> None:
    pipe = make_pipeline()
    *_, last = (event for event in pipe.stream(PROMPT, seed=7, count=2) if isinstance(event, StepDone))
    previews = last.preview()
    final = pipe(PROMPT, seed=7, count=2)
    for preview, image in zip(previews, final.images, strict=True):
        assert (preview.pixels - image.pixels).abs().mean() < 0.1
