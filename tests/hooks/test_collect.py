"""The hooks by which a plugin says what it brings: each name it registers can be asked for, and does what it says."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pytest
import torch
import typer
from pydantic import BaseModel
from safetensors.torch import save_file
from typer.testing import CliRunner

import sdkit
from sdkit.errors import LoraKeyError, PluginLoadError, RequestError, UnknownNameError
from sdkit.graph import Graph, GraphResult, Work
from sdkit.models import CheckpointFile, Declined, Detection, TensorInfo
from sdkit.models.lora import Difference, LoraLayer
from sdkit.pipeline import Pipeline
from sdkit.testing import ToyModel, make_pipeline
from sdkit.types import (
    Denoiser,
    Evaluate,
    Guide,
    Noise,
    NoiseKind,
    Prediction,
    Prompt,
    Run,
    ScheduleParams,
    Segment,
    Step,
    StepDone,
)
from tests.pipeline._pictures import paint, plugin


class LeapOptions(BaseModel):
    """Options of `leap`."""

    shift: float = 0.0


def leap(
    denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], noise: Noise, /, *, shift: float
) -> Iterator[Step]:
    """All the way in one step."""
    prediction = denoise(x, sigmas[0])
    yield Step(0, sigmas[0], sigmas[-1], x, prediction, prediction.denoised + shift)


@pytest.mark.hook("register_samplers")
def test_a_registered_sampler_samples_with_its_options() -> None:
    class Leaping:
        @sdkit.hookimpl
        def register_samplers(self, register) -> None:
            register("leap", leap, options=LeapOptions)

    pipe = make_pipeline(plugins=[Leaping])
    plain = pipe("red", sampler="leap", seed=1).latents.tensor
    shifted = pipe("red", sampler="leap", sampler_options={"shift": 0.5}, seed=1).latents.tensor
    assert torch.equal(shifted, plain + 0.5)
    assert pipe.samplers["leap"].owner == "Leaping"
    assert torch.equal(paint(pipe), paint(make_pipeline())), "who does not ask for it does not get it"


@pytest.mark.hook("register_schedules")
def test_a_registered_schedule_decides_the_sigmas() -> None:
    class Linear:
        @sdkit.hookimpl
        def register_schedules(self, register) -> None:
            register("linear", self.linear)

        def linear(self, steps: int, params: ScheduleParams) -> tuple[float, ...]:
            return tuple(params.sigma_max * (1 - i / steps) for i in range(steps + 1))

    sigmas: list[float] = []

    class Watching:
        @sdkit.hookimpl
        def sample_step(self, step: Step) -> None:
            sigmas.append(step.sigma)

    pipe = make_pipeline(plugins=[Linear, Watching])
    top = pipe.model.spec.sigmas[-1]
    pipe("red", schedule="linear", steps=4)
    assert sigmas == [top, top * 0.75, top * 0.5, top * 0.25]


class Flat:
    """A noise source of one number: every seed's noise is `level` everywhere."""

    def __init__(self, run: Run, *, level: float) -> None:
        self.run, self.level = run, level
        self.asked: list[str] = []

    def start(self) -> torch.Tensor:
        return torch.full(self.run.shape, self.level)

    def steps(self, kind: NoiseKind) -> Noise:
        assert kind == "white"
        return lambda sigma, sigma_next: torch.zeros(self.run.shape)


class FlatOptions(BaseModel):
    """Options of `flat`."""

    level: float = 0.25


@pytest.mark.hook("register_noise_sources")
def test_a_registered_noise_source_makes_the_start_and_the_samplers_noise() -> None:
    class FlatNoise:
        @sdkit.hookimpl
        def register_noise_sources(self, register) -> None:
            register("flat", Flat, options=FlatOptions, aliases=("level",))

    pipe = make_pipeline(plugins=[FlatNoise])
    steps = [
        event.step
        for event in pipe.stream("red", noise="flat", noise_options={"level": 0.5}, sampler="euler_ancestral", steps=3)
        if isinstance(event, StepDone)
    ]
    assert steps[0].x_in.unique().tolist() == pytest.approx([0.5 * (1 + steps[0].sigma ** 2) ** 0.5])
    quiet = pipe("red", noise="flat", noise_options={"level": 0.5}, sampler="euler_ancestral", steps=3)
    assert torch.equal(quiet.latents.tensor, steps[-1].x), "no noise of another source on the way"
    assert torch.equal(pipe("red", noise="level").latents.tensor, pipe("red", noise="flat", seed=9).latents.tensor)
    assert torch.equal(paint(pipe), paint(make_pipeline())), "who does not ask for it does not get it"
    with pytest.raises(RequestError, match=r"noise source 'flat' has no option 'levle'\. Did you mean 'level'\?"):
        pipe("red", noise="flat", noise_options={"levle": 1.0})


@pytest.mark.hook("register_guidance")
def test_a_registered_guidance_combines_the_branches() -> None:
    class Positive:
        @sdkit.hookimpl
        def register_guidance(self, register) -> None:
            register("positive", self.positive)

        def positive(self, run: Run, evaluate: Evaluate) -> Guide:
            def guide(x: torch.Tensor, sigma: float) -> Prediction:
                cond = evaluate(x, sigma, ("positive",))["positive"]
                return Prediction(denoised=cond, cond=cond)

            return guide

    pipe = make_pipeline(plugins=[Positive])
    assert torch.equal(paint(pipe, guidance="positive"), paint(pipe, guidance_scale=1.0))
    assert not torch.equal(paint(pipe, guidance="positive"), paint(pipe))


class Moons:
    """A family of checkpoints that hold a key `moon`, and the source `moon://…` that they come from."""

    def __init__(self) -> None:
        self.told: list[str] = []

    name = "moon"

    @sdkit.hookimpl
    def register_model_families(self, register) -> None:
        register("moon", self)

    @sdkit.hookimpl
    def load_checkpoint(self, source: str) -> object:
        return _MoonFile(source) if source.startswith("moon://") else None

    @sdkit.hookimpl
    def model_loaded(self, model: ToyModel) -> None:
        self.told.append(model.name)

    def detect(self, file: CheckpointFile) -> Detection | Declined:
        if "moon" not in file.infos:
            return Declined("no key named moon")
        return Detection("moon", "eps", ("a key named moon",), {}, None)

    def load(self, file: CheckpointFile, detection: Detection, **placement: object) -> ToyModel:
        return ToyModel(name=str(file.path).rpartition("/")[2])


class _MoonFile:
    def __init__(self, source: str) -> None:
        self.path = source
        self.metadata: dict[str, str] = {}
        self.infos = {"moon": TensorInfo((1,), "F32")}


@pytest.fixture
def moons(monkeypatch: pytest.MonkeyPatch) -> Moons:
    monkeypatch.setenv("SDKIT_PLUGINS", "none")
    return Moons()


@pytest.mark.hook("register_model_families")
def test_a_registered_family_recognises_and_loads_its_models(moons: Moons) -> None:
    pipe = Pipeline.load("moon://full", plugins=[moons])
    assert isinstance(pipe.model, ToyModel)
    assert torch.equal(paint(pipe), paint(make_pipeline())), "the model that the family made is the one that paints"


@pytest.mark.hook("load_checkpoint")
def test_sources_that_the_plugin_leaves_alone_are_not_found(moons: Moons) -> None:
    assert Pipeline.load("moon://new", plugins=[moons]).model.name == "new"
    with pytest.raises(sdkit.SdkitError, match="sun://new"):
        Pipeline.load("sun://new", plugins=[moons])


@pytest.mark.hook("model_loaded")
def test_plugins_are_told_of_a_loaded_model_once(moons: Moons) -> None:
    pipe = Pipeline.load("moon://half", plugins=[moons])
    pipe("red")
    pipe.using(plugin("other", model_loaded=lambda: moons.told.append("again")))("red")
    assert moons.told == ["half"]


@pytest.mark.hook("register_prompt_syntaxes")
def test_a_registered_syntax_parses_the_prompts_that_name_it() -> None:
    class Lower:
        @sdkit.hookimpl
        def register_prompt_syntaxes(self, register) -> None:
            register("lower", lambda text: Prompt(text, (Segment(text.lower()),)))

    pipe = make_pipeline(plugins=[Lower])
    assert torch.equal(paint(pipe, "A RED circle", prompt_syntax="lower"), paint(pipe, "a red circle"))
    assert not torch.equal(paint(pipe, "A RED circle"), paint(pipe, "a red circle"))


class LoudOptions(BaseModel):
    """Options for the tests."""

    factor: float = 1.0


@pytest.mark.hook("register_options")
def test_registered_options_reach_the_hooks_of_a_run_typed() -> None:
    class Loud:
        @sdkit.hookimpl
        def register_options(self, register) -> None:
            register("loud", LoudOptions)

        @sdkit.hookimpl
        def wrap_decode(self, run: Run):
            factor = run.option(LoudOptions).factor
            return lambda decode: lambda latents: decode(latents) * factor

    pipe = make_pipeline(plugins=[Loud])
    assert torch.equal(paint(pipe), paint(make_pipeline()))
    assert torch.equal(paint(pipe, options={"loud": {"factor": 0.5}}), paint(pipe) * 0.5)


@pytest.mark.hook("register_commands")
def test_a_registered_command_runs() -> None:
    class Greeting:
        @sdkit.hookimpl
        def register_commands(self, cli: typer.Typer) -> None:
            @cli.command()
            def greet(name: str) -> None:
                """Say hello."""
                typer.echo(f"hello {name}")

    cli = typer.Typer()
    make_pipeline(plugins=[Greeting]).manager.add_commands(cli)
    assert CliRunner().invoke(cli, ["greet", "you"]).stdout == "hello you\n"


@pytest.mark.hook("register_lora_formats")
def test_a_registered_lora_format_reads_its_part_of_a_file(tmp_path: Path) -> None:
    class Shift:
        def matches(self, keys: Collection[str], metadata: Mapping[str, str]) -> bool:
            return any(key.endswith(".shift") for key in keys)

        def convert(self, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> list[LoraLayer]:
            keys = [key for key in tensors if key.endswith(".shift")]
            return [LoraLayer(key.removesuffix(".shift"), (key,), Difference(tensors[key])) for key in keys]

    class Shifting:
        @sdkit.hookimpl
        def register_lora_formats(self, register) -> None:
            register("shift", Shift())

    shift = torch.linspace(-1, 1, 16).view(4, 4)
    save_file({"lora_unet_colours.shift": shift}, tmp_path / "shift.safetensors")
    save_file({"lora_unet_colours.diff": shift}, tmp_path / "diff.safetensors")
    pipe = make_pipeline(plugins=[Shifting])
    assert torch.equal(
        paint(pipe, loras=(tmp_path / "shift.safetensors",)), paint(pipe, loras=(tmp_path / "diff.safetensors",))
    )
    assert not torch.equal(paint(pipe, loras=(tmp_path / "shift.safetensors",)), paint(pipe))
    with pytest.raises(LoraKeyError, match="No format that is registered knows any of them"):
        make_pipeline()("red", loras=[tmp_path / "shift.safetensors"])


@pytest.mark.hook("register_nodes")
def test_a_registered_node_runs_in_graphs_and_is_imported_when_asked_for() -> None:
    @sdkit.node
    def twice(value: int) -> int:
        return 2 * value

    class Numbers:
        @sdkit.hookimpl
        def register_nodes(self, register) -> None:
            register("twice", twice)
            register("half", "no_such_module:half")

    workspace = sdkit.Workspace(plugins=[Numbers])
    graph = Graph()
    graph.add("twice", value=graph.add("twice", value=3))
    assert workspace.run(graph).value("2") == 12
    graph.add("half", value=1)
    with pytest.raises(PluginLoadError, match="cannot import 'no_such_module:half'"):
        workspace.check(graph)


@pytest.mark.hook("register_executors")
def test_a_registered_executor_runs_the_graph() -> None:
    class Fixed:
        def execute(self, work: Work, emit: object) -> GraphResult:
            return GraphResult(dict.fromkeys(work.plan.outputs, ("elsewhere",)))

    class Elsewhere:
        @sdkit.hookimpl
        def register_executors(self, register) -> None:
            register("elsewhere", Fixed)

    graph = Graph()
    graph.add("integer", value=3)
    assert sdkit.Workspace().run(graph).value("1") == 3
    assert sdkit.Workspace(plugins=[Elsewhere], executor="elsewhere").run(graph).value("1") == "elsewhere"
    with pytest.raises(UnknownNameError, match=r"executor .*'elswhere'.*'elsewhere'"):
        sdkit.Workspace(plugins=[Elsewhere], executor="elswhere")
