"""The hooks: the first file that a plugin author opens.

A plugin is a module or an object whose functions carry the names below and the mark `@sdkit.hookimpl`. A function may
leave out arguments that it does not need; it may not have defaults. Hooks come in four kinds:

**collect**   called once when a pipeline is built; tells what the plugin brings by calling `register(…)`.
**first**     asked one plugin after another, nearest first; the first answer that is not None counts. sdkit's own
              behaviour is the last to be asked.
**factory**   called once per run; returns a function, or None to stay out. The functions are composed, the nearest
              plugin's outermost. Whatever must change what inner code receives, or call it several times or never,
              is a factory.
**notify**    every plugin is told; what is returned is ignored. The first error is raised after all were told.

*Nearest* is: given as `Pipeline(plugins=[…])` or `pipe.using(…)`, the last one first; then installed plugins, in
reverse order of their names; then the built-in ones. `@sdkit.hookimpl(tryfirst=True)` and `trylast=True` change a
single hook's place. Pluggy's wrappers are not accepted: they cannot change what the inner functions receive, factories
can.

Every exception that a plugin raises reaches the caller as it is, with a note that names the plugin and the hook.

A picture's record names the plugins that took part, but for those that say `in_record = False`: they change nothing, or
nothing that the request does not say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import pluggy

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    import typer
    from pydantic import BaseModel

    from sdkit.graph import Executor, Graph, NodeType
    from sdkit.images import Image
    from sdkit.models import CheckpointFile, ModelFamily
    from sdkit.models.lora import LoraFormat
    from sdkit.prompts import PromptSyntax
    from sdkit.types import (
        AttentionPatch,
        BlockPatch,
        BoundSampler,
        Denoiser,
        DiffusionModel,
        Embedding,
        Event,
        Guidance,
        Guide,
        Latents,
        MakeNoiseSource,
        NoiseKind,
        Patch,
        PatchableEvaluate,
        Prediction,
        Prompt,
        Result,
        Run,
        RunPlan,
        Sampler,
        Schedule,
        Step,
    )

hookspec = pluggy.HookspecMarker("sdkit")
hookimpl = pluggy.HookimplMarker("sdkit")


# ── collect: what a plugin brings ────────────────────────────────────────────────────────────────────────────────────


class RegisterSampler(Protocol):
    """`register("my_euler", my_euler, order=1)`, or `"my_package.samplers:my_euler"`, imported when first used.

    `noise`: what it asks its noise for; a sampler that says "none" gets noise that raises. `order`: its order of
    convergence, shown and tested. `evaluations`: model calls per step. `options`: a pydantic model of its keyword
    arguments. `uncond`: it reads `prediction.uncond`, so that the negative branch runs at guidance scale 1, too.
    `discard_penultimate`: its schedules are computed with one step more, of which the last but one is dropped.
    `adaptive`: it decides its own steps, so the number asked for is a hint; each picture is sampled in a run of its
    own, unless an option `per_image` of it is false. `summary`: one line for lists. `aliases`: other names of it.
    `override`: replace another plugin's sampler of this name.
    """

    def __call__(
        self,
        name: str,
        sampler: Sampler | str,
        *,
        noise: NoiseKind = "none",
        order: float = 1,
        evaluations: float = 1,
        options: type[BaseModel] | None = None,
        uncond: bool = False,
        discard_penultimate: bool = False,
        adaptive: bool = False,
        summary: str = "",
        aliases: Sequence[str] = (),
        override: bool = False,
    ) -> None: ...


class RegisterSchedule(Protocol):
    """`register("linear", linear)`: `(steps, params, **options) → steps + 1` descending sigmas, the last one 0.

    `options`: a pydantic model of its keyword arguments.
    """

    def __call__(
        self,
        name: str,
        schedule: Schedule | str,
        *,
        options: type[BaseModel] | None = None,
        summary: str = "",
        aliases: Sequence[str] = (),
        override: bool = False,
    ) -> None: ...


class RegisterNoiseSource(Protocol):
    """`register("comfy", comfy)`: `(run, **options) → NoiseSource`, called once per run.

    `options`: a pydantic model of its keyword arguments, filled from `Request.noise_options`. `shared`: a picture's
    noise depends on how many are made with it, so that its record asks for all of them.
    """

    def __call__(
        self,
        name: str,
        source: MakeNoiseSource | str,
        *,
        options: type[BaseModel] | None = None,
        shared: bool = False,
        summary: str = "",
        aliases: Sequence[str] = (),
        override: bool = False,
    ) -> None: ...


class RegisterGuidance(Protocol):
    """`register("cfg", cfg)`: `(run, evaluate) → guide`, and `guide(x, sigma) → Prediction`."""

    def __call__(self, name: str, guidance: Guidance | str, *, summary: str = "", override: bool = False) -> None: ...


class RegisterModelFamily(Protocol):
    """`register("sd1", family)`: an object with `detect` and `load`, see `sdkit.models.ModelFamily`."""

    def __call__(self, name: str, family: ModelFamily | str, *, summary: str = "", override: bool = False) -> None: ...


class RegisterPromptSyntax(Protocol):
    """`register("plain", plain)`: `(text) → Prompt`; raises RequestError where the text is wrong, saying where."""

    def __call__(self, name: str, syntax: PromptSyntax | str, *, summary: str = "", override: bool = False) -> None: ...


class RegisterLoraFormat(Protocol):
    """`register("kohya", kohya)`: an object with `matches` and `convert`, see `sdkit.models.lora.LoraFormat`."""

    def __call__(
        self, name: str, lora_format: LoraFormat | str, *, summary: str = "", override: bool = False
    ) -> None: ...


class RegisterNode(Protocol):
    """`register("blend", blend)`: a function marked with `@sdkit.node`, a `NodeType`, or `"my_package.nodes:blend"`,
    imported when a graph first has such a node."""

    def __call__(
        self, name: str, node: Callable[..., object] | NodeType | str, *, summary: str = "", override: bool = False
    ) -> None: ...


class RegisterExecutor(Protocol):
    """`register("local", local)`: a function without arguments that makes an `sdkit.graph.Executor`, which runs
    graphs."""

    def __call__(
        self, name: str, executor: Callable[[], Executor] | str, *, summary: str = "", override: bool = False
    ) -> None: ...


class RegisterOptions(Protocol):
    """`register("wildcards", WildcardOptions)`: a pydantic model, filled from `Request.options["wildcards"]` and
    `--opt wildcards.folder=…`; read it in any hook by `run.option(WildcardOptions)`."""

    def __call__(self, namespace: str, model: type[BaseModel], *, override: bool = False) -> None: ...


@hookspec
def register_samplers(register: RegisterSampler) -> None:
    """Bring samplers. Kind: collect."""


@hookspec
def register_schedules(register: RegisterSchedule) -> None:
    """Bring schedules, which space a run's sigmas. Kind: collect."""


@hookspec
def register_noise_sources(register: RegisterNoiseSource) -> None:
    """Bring noise sources: where the starting noise and the samplers' noise come from. Kind: collect."""


@hookspec
def register_guidance(register: RegisterGuidance) -> None:
    """Bring ways of combining the branches' predictions, such as classifier-free guidance. Kind: collect."""


@hookspec
def register_model_families(register: RegisterModelFamily) -> None:
    """Bring model families: how to recognise a checkpoint and build its networks. Kind: collect."""


@hookspec
def register_prompt_syntaxes(register: RegisterPromptSyntax) -> None:
    """Bring prompt syntaxes. Kind: collect."""


@hookspec
def register_lora_formats(register: RegisterLoraFormat) -> None:
    """Bring LoRA formats: from the tensors of a file to changes of weights. Kind: collect."""


@hookspec
def register_nodes(register: RegisterNode) -> None:
    """Bring kinds of graph nodes: typed functions. Kind: collect. ::

    @sdkit.node
    def brighten(image: Image, by: Annotated[float, Field(ge=0, le=4)] = 1.2) -> Image:
        return image.with_pixels((image.pixels * by).clamp(0, 1))

    @sdkit.hookimpl
    def register_nodes(register):
        register("brighten", brighten)
    """


@hookspec
def register_executors(register: RegisterExecutor) -> None:
    """Bring executors: where graphs run. Kind: collect."""


@hookspec
def register_options(register: RegisterOptions) -> None:
    """Declare the plugin's own options, typed and validated. Kind: collect."""


@hookspec
def register_commands(cli: typer.Typer) -> None:
    """Add commands to the `sdkit` command line: decorate functions with `@cli.command()`. Kind: collect.

    Called when the command line starts, so import nothing heavy outside the commands' bodies.
    """


# ── first: replace a stage ───────────────────────────────────────────────────────────────────────────────────────────


@hookspec(firstresult=True)
def load_checkpoint(source: str) -> CheckpointFile | None:
    """Open a model file of a container or source that sdkit does not know: lazy tensors and metadata. Kind: first.

    `source` is the path that was found, or what `Pipeline.load` was given if nothing was. Return None for what is not
    yours.
    """


@hookspec(firstresult=True)
def read_graph(data: bytes, name: str, types: Mapping[str, NodeType]) -> Graph | None:
    """Read a graph of a format of yours, out of a file's bytes or a picture's. Kind: first.

    `name`: the file's name, for messages, "" where there is none. `types`: the kinds of nodes there are. Return None
    for what is not yours; raise GraphError for what is yours and wrong.
    """


@hookspec(firstresult=True)
def find_node(name: str) -> str | None:
    """Say where a node type can be got that is not there, such as "it comes with the package my-nodes". Kind: first.

    Asked for every unknown name in a graph; return None for what you do not know. The text goes into the message.
    """


@hookspec(firstresult=True)
def shrink_graph(
    graph: Graph, types: Mapping[str, NodeType], folder: Path, has_picture: Callable[[str], bool]
) -> Graph | None:
    """Make a graph one that can be tried out in seconds, as `sdkit run --tiny` does. Kind: first.

    Model files are replaced by small random ones, written below `folder / "models"`, pictures that are missing
    (`has_picture`) by some in `folder / "pictures"`, and sizes by smaller ones; every node stays. Return another graph,
    or None for one that is not yours.
    """


@hookspec(firstresult=True)
def parse_prompt(text: str, run: Run) -> Prompt | None:
    """Parse a prompt in another way; the request's `prompt_syntax` is what answers last. Kind: first."""


@hookspec(firstresult=True)
def encode(prompt: Prompt, run: Run) -> Embedding | None:
    """Encode a prompt: context `[1, T, C]`, and pooled `[1, P]` where the family needs it. Kind: first."""


@hookspec(firstresult=True)
def encode_image(image: Image, run: Run) -> torch.Tensor | None:
    """Encode a picture into scaled latents, `[1, C, H/f, W/f]`. Kind: first."""


@hookspec(firstresult=True)
def decode(latents: Latents, run: Run) -> torch.Tensor | None:
    """Decode scaled latents into pixels, `[B, 3, H, W]` in 0…1, float32, on the CPU. Kind: first."""


@hookspec(firstresult=True)
def make_noise(run: Run) -> torch.Tensor | None:
    """Draw the starting noise, `run.shape`, unit variance, image i's from `run.seeds[i]` alone. Kind: first."""


@hookspec(firstresult=True)
def preview(step: Step, run: Run) -> tuple[Image, ...] | None:
    """Make a small picture per image of what a step has so far, cheaply. Called only where somebody looks; an error
    here is a warning once, never the run's. Kind: first."""


# ── factories: around a stage ────────────────────────────────────────────────────────────────────────────────────────


@hookspec
def transform_prompt(plan: RunPlan) -> Callable[[str, int], str] | None:
    """Change prompt texts before they are parsed: wildcards, styles. Kind: factory.

    The function gets the text and the seed of the image that it is for, so that a picture depends on its own seed only.
    It is called for the prompt and the negative prompt of every image.
    """


@hookspec
def patch_model(run: Run, model: DiffusionModel) -> Patch | tuple[Patch, ...] | None:
    """Change weights for one run: the run gets a model of its own, which shares all other weights with `model`, and
    `model` stays as it is. Kind: factory.

    What it returns is no function, but a `Patch`, several, or None; the nearest plugin's patches are applied last.
    Patched models are kept by the patches' keys, so that the same patches again take no time. ::

        @sdkit.hookimpl
        def patch_model(run, model):
            name = "unet.out.2.bias"
            return Patch(key="brighter", targets=frozenset({name}), apply=lambda name, bias: bias * 1.1)
    """


@hookspec
def wrap_encode(run: Run) -> Callable[[Callable[[Prompt], Embedding]], Callable[[Prompt], Embedding]] | None:
    """Put a function around text encoding: blend prompts, cache, add tokens. Kind: factory.

    ::

        @sdkit.hookimpl
        def wrap_encode(run):
            def wrap(encode):
                def encode_louder(prompt):
                    embedding = encode(prompt)
                    return replace(embedding, context=embedding.context * 1.1)
                return encode_louder
            return wrap
    """


@hookspec
def attention_patches(run: Run) -> AttentionPatch | tuple[AttentionPatch, ...] | None:
    """Put functions around the attention layers inside the noise predictor, for one run. Kind: factory.

    What it returns is no function, but an `AttentionPatch`, several, or None; the nearest plugin's is the outermost.
    Its functions are called for every layer in every evaluation, with the layer's site. ::

        @sdkit.hookimpl
        def attention_patches(run):
            def unmixed(attend, query, key, value, site):
                return value if site.kind == "self" and site.part == "middle" else attend(query, key, value)
            return AttentionPatch(mixing=unmixed)
    """


@hookspec
def block_patches(run: Run) -> BlockPatch | tuple[BlockPatch, ...] | None:
    """Change feature maps between the blocks of the noise predictor, for one run. Kind: factory.

    What it returns is no function, but a `BlockPatch`, several, or None; the nearest plugin's comes last.
    """


@hookspec
def wrap_guidance(run: Run, evaluate: PatchableEvaluate) -> Callable[[Guide], Guide] | None:
    """Put a function around the guidance, `(x, sigma) → Prediction`, with further evaluations of the branches: also
    with other patches inside, by `evaluate.patched(…)`. Kind: factory. It comes before `adjust_prediction`."""


@hookspec
def wrap_denoiser(run: Run) -> Callable[[Denoiser], Denoiser] | None:
    """Put a function around every evaluation of the guided model; it may call the inner one any number of times: tiles,
    windows, masks, caching. Kind: factory."""


@hookspec
def wrap_sampler(run: Run) -> Callable[[BoundSampler], BoundSampler] | None:
    """Put a generator around the sampler, `(denoise, x, sigmas) → Iterator[Step]`: restart, two passes, a hand-over to
    a refiner. Kind: factory. Step indices must go on counting; use `dataclasses.replace` where you renumber."""


@hookspec
def adjust_prediction(run: Run) -> Callable[[Prediction, float], Prediction] | None:
    """Change a prediction after guidance, given its sigma: rescale, threshold. Kind: factory."""


@hookspec
def wrap_decode(run: Run) -> Callable[[Callable[[Latents], torch.Tensor]], Callable[[Latents], torch.Tensor]] | None:
    """Put a function around decoding, `Latents → [B, 3, H, W]`: tiling, upscaling, colour correction. Kind: factory."""


@hookspec
def finish_image(run: Run) -> Callable[[Image], Image] | None:
    """Change each finished picture: filter, watermark, metadata. Kind: factory."""


# ── notify: watch, and steer ─────────────────────────────────────────────────────────────────────────────────────────


@hookspec
def model_loaded(model: DiffusionModel) -> None:
    """A model was loaded: inspect it, warm it up. Kind: notify."""


@hookspec
def prepare_run(plan: RunPlan) -> None:
    """The last moment to change what will be done; see `RunPlan`. Kind: notify."""


@hookspec
def sample_step(step: Step, run: Run) -> None:
    """A step was taken: look at it, assign `step.x` to change where sampling goes on from, or `run.cancel.cancel()`.
    Kind: notify."""


@hookspec
def progress(event: Event, run: Run) -> None:
    """Something happened: bars, websockets, metrics. An error here is a warning once, never the run's. Kind: notify."""


@hookspec
def run_finished(run: Run, result: Result | None, error: BaseException | None) -> None:
    """A run ended, with a result, an error, or neither if it was cancelled, abandoned, or one stage by hand: clean up.

    Called exactly once per run; an error here becomes a note on the run's own error, or is raised if there is none.
    Kind: notify.
    """
