"""Pipeline: a model, its plugins, and the calls that make pictures with them."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator, Generator, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, Unpack, cast

import torch

from sdkit.errors import ModelError, RequestError
from sdkit.images import Image
from sdkit.models import Library, embedded_checkpoint, load_model
from sdkit.models.embeddings import TextualInversions
from sdkit.pipeline import stages
from sdkit.pipeline.planning import known_options
from sdkit.pipeline.running import Generation
from sdkit.plugins import (
    Manager,
    NoiseSourceEntry,
    PluginInfo,
    Registry,
    SamplerEntry,
    ScheduleEntry,
    load_manager,
)
from sdkit.request import Request, RequestFields
from sdkit.sampling import parameterisation
from sdkit.settings import Settings
from sdkit.types import (
    CancelToken,
    Conditioning,
    DiffusionModel,
    Event,
    Finished,
    Latents,
    Prompt,
    Result,
    Run,
    Segment,
    TokenChunk,
)

if TYPE_CHECKING:
    from typing import TypeAlias

    from PIL import Image as pillow

    from sdkit.models import CheckpointFile

    Picture: TypeAlias = Image | pillow.Image | str | Path


class Pipeline:
    """A loaded model with its plugins. Immutable while it runs, so threads may share it.

    ::

        pipe = Pipeline.load()                                   # the embedded model
        result = pipe("a red circle on a blue background", seed=7)
        for event in pipe.stream("a green star", steps=30): ...  # typed events; close() cancels

        cond = pipe.encode("a red circle")                       # the stages by hand: bit for bit the same
        latents = pipe.sample(cond, seed=7)
        images = pipe.decode(latents)
    """

    def __init__(
        self, model: DiffusionModel, *, plugins: Iterable[object] = (), settings: Settings | None = None
    ) -> None:
        """A pipeline around a model that is loaded already; `Pipeline.load` is what most programs want.

        `plugins`: modules, objects, classes or dotted names, the last one nearest.
        """
        self._settings = settings or Settings.load()
        self._given = tuple(plugins)
        self._manager = load_manager(self._given, settings=self._settings)
        self._model = model
        self._inversions = TextualInversions(Library.of(self._settings))
        self._lock = threading.Lock()

    @classmethod
    def load(
        cls,
        source: str | Path | None = None,
        *,
        device: str = "auto",
        dtype: str = "auto",
        plugins: Iterable[object] = (),
    ) -> Self:
        """Load a model and its plugins, offline.

        `source`: a file, a name or hash from the model folders, or None for the tiny model in the box. `device`: "auto"
        takes the GPU if there is one. `dtype`: "auto" is the file's own on a GPU, float32 on a CPU.

        Raises ModelNotFoundError, CheckpointError, UnknownModelError or WeightsError for the model, PluginError for a
        plugin.
        """
        settings = Settings.load()
        given = tuple(plugins)
        manager = load_manager(given, settings=settings)
        library = Library.of(settings)
        model = load_model(
            str(embedded_checkpoint() if source is None else source),
            device=settings.device if device == "auto" else device,
            dtype=settings.dtype if dtype == "auto" else dtype,
            families={name: entry.load() for name, entry in manager.families.items()},
            open_file=lambda path: cast("CheckpointFile | None", manager.first("load_checkpoint", source=path)),
            library=library,
        )
        pipe = cls.__new__(cls)
        pipe._settings, pipe._given, pipe._manager, pipe._model = settings, given, manager, model
        pipe._inversions, pipe._lock = TextualInversions(library), threading.Lock()
        manager.notify("model_loaded", model=model)
        return pipe

    # ── making pictures ──────────────────────────────────────────────────────────────────────────────────────────────

    def __call__(
        self, prompt: str | Request, *, cancel: CancelToken | None = None, **fields: Unpack[RequestFields]
    ) -> Result:
        """Make pictures: `pipe("a red circle", seed=7, steps=20)`, or `pipe(request)`. Fields are those of `Request`.

        Raises RequestError for what cannot be done, Cancelled if the token was used, and whatever a plugin raises.
        """
        return self.run(_request(prompt, fields), cancel=cancel)

    def run(self, request: Request, *, cancel: CancelToken | None = None) -> Result:
        """Make the pictures of a request."""
        generation = Generation.of(request, self._model, self._manager, cancel, inversions=self._inversions)
        for event in generation.events():
            if isinstance(event, Finished):
                return event.result
        raise AssertionError("a generation ends with Finished")

    def stream(
        self, prompt: str | Request, *, cancel: CancelToken | None = None, **fields: Unpack[RequestFields]
    ) -> Generator[Event]:
        """Make pictures, yielding an event at each stage and step; the last is `Finished(result)`. `close()` cancels.

        The request is checked at once, not at the first event.
        """
        request = _request(prompt, fields)
        return Generation.of(request, self._model, self._manager, cancel, inversions=self._inversions).events()

    async def astream(
        self, prompt: str | Request, *, cancel: CancelToken | None = None, **fields: Unpack[RequestFields]
    ) -> AsyncGenerator[Event]:
        """`stream` for asyncio: computes in a thread, so that the event loop stays free. `aclose()` or cancelling the
        task stops within one step."""
        token = CancelToken(cancel)  # of its own: stopping this stream stops nothing else that holds the caller's
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()
        events = await asyncio.to_thread(lambda: self.stream(prompt, cancel=token, **fields))

        def advance() -> Event | None:
            return context.run(lambda: next(events, None))

        # A future and not a task: asyncio.run cancels tasks when it ends, and a cancelled one would look done while its
        # thread is still inside a step.
        working: asyncio.Future[Event | None] | None = None
        try:
            while True:
                working = loop.run_in_executor(None, advance)
                event = await asyncio.shield(working)
                if event is None:
                    return
                yield event
        finally:
            if working is not None and not working.done():  # the thread is inside a step: let it end before closing
                token.cancel()
                await asyncio.wait([working])
                working.exception()
            await asyncio.to_thread(events.close)

    # ── the stages by hand ───────────────────────────────────────────────────────────────────────────────────────────

    def encode(self, prompt: str | Request, negative: str = "", **fields: Unpack[RequestFields]) -> Conditioning:
        """Both prompts as the model reads them: through every plugin, as `pipe(prompt)` would."""
        request = _request(prompt, fields)
        if negative:
            request = request.replace(negative_prompt=negative)
        generation, run = self._single_run(request)
        with generation.finishing(run):
            return stages.encode(run, self._manager, self._inversions)

    def sample(
        self,
        conditioning: Conditioning,
        *,
        latents: Latents | torch.Tensor | None = None,
        **fields: Unpack[RequestFields],
    ) -> Latents:
        """Latents from a conditioning: starting noise from the seeds, then the sampler's steps.

        `latents`: to start from, scaled, `[B, C, H/f, W/f]`, as an initial image is; `denoise`, `start_step`,
        `add_noise` and `leftover_noise` say how, so that several calls can share one schedule::

            half = pipe.sample(cond, seed=7, steps=20, end_step=10, leftover_noise=True)
            whole = pipe.sample(other, latents=half, steps=20, start_step=10, add_noise=False)

        Size and seeds are the latents' own unless given. Raises RequestError where they do not fit.
        """
        request = Request(**fields)
        if latents is not None:
            latents = self._latents(latents)
            request = self._continuing(request, latents)
        count = len(request.seeds or ()) or request.count
        rows = max(len(part.context) for branch in (conditioning.positive, conditioning.negative) for part in branch)
        if rows not in (1, count):
            raise RequestError(
                f"the conditioning is for {rows} pictures, but {count} are asked for; give as many seeds"
            )
        generation = self._generation(request, latents)
        sampled: list[Latents] = []
        for planned in generation.runs(generation.plan.batch_limit):
            run = _prompted(planned, conditioning, count) if conditioning.prompts else planned
            with generation.finishing(run) as outcome:
                outcome.run = stages.prepare(run, generation.plan, self._manager)
                sampled.append(_last(generation.sampled(outcome.run, stages.rows_of(conditioning, run))))
        return generation.joined(sampled)

    def decode(self, latents: Latents | torch.Tensor) -> tuple[Image, ...]:
        """Latents → finished pictures, through every plugin."""
        latents = self._latents(latents)
        if latents.run is not None:
            run = latents.run  # perhaps of another pipeline, or from before `to`: with this model and these options
            options = {**known_options(run.request, self._manager), **run.options}
            return stages.decode(latents, replace(run, model=self._model, options=options), self._manager)
        generation, run = self._single_run(self._request_for(latents, seed=0))
        with generation.finishing(run):
            return stages.decode(latents, run, self._manager)

    def encode_image(self, picture: Picture, **fields: Unpack[RequestFields]) -> Latents:
        """A picture → scaled latents, `[1, C, H/f, W/f]`; its sides are cut to multiples of f."""
        image = _image(picture)
        factor = self._model.spec.latent_factor
        image = image.fit(max(factor, image.width // factor * factor), max(factor, image.height // factor * factor))
        generation, run = self._single_run(
            Request(**{"width": image.width, "height": image.height, "seed": 0, **fields})
        )
        with generation.finishing(run):
            return Latents(stages.encode_image(image, run, self._manager))

    def add_noise(self, latents: Latents, sigma: float, *, seed: int = 0) -> Latents:
        """Forward diffusion: what training shows the model, `latents` with noise of std `sigma`, drawn from `seed`."""
        generation, run = self._single_run(self._request_for(latents, seed))
        with generation.finishing(run):
            noise = stages.draw_noise(run, generation.plan, self._manager)
        noisy = parameterisation(run.spec).add_noise(latents.tensor, noise, sigma)
        return replace(latents, tensor=noisy)

    # ── looking at prompts and pictures ──────────────────────────────────────────────────────────────────────────────

    def tokenize(self, text: str) -> tuple[TokenChunk, ...]:
        """The prompt as the text encoder sees it: windows of token ids, their weights and texts."""
        return self._model.tokenize(Prompt(text, (Segment(text),)))

    def similarity(self, texts: str | Sequence[str], images: Picture | Sequence[Picture]) -> torch.Tensor:
        """CLIP's cosine similarity of every text with every picture: `[len(texts), len(images)]`, −1…1.

        Raises ModelError if the model has no image tower.
        """
        texts = (texts,) if isinstance(texts, str) else tuple(texts)
        alone = isinstance(images, (Image, str, Path)) or hasattr(images, "getbands")
        pictures = cast("Sequence[Picture]", (images,) if alone else images)
        if not texts or not len(pictures):
            raise RequestError(f"similarity needs texts and pictures, not {len(texts)} and {len(pictures)} of them")
        rows = [self._model.similarity(texts, _image(picture).pixels[None]) for picture in pictures]
        return torch.cat(rows, dim=1)

    # ── what is in it ────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def model(self) -> DiffusionModel:
        """The loaded model."""
        return self._model

    @property
    def samplers(self) -> Registry[SamplerEntry]:
        """The samplers by name, with owner, order and options."""
        return self._manager.samplers

    @property
    def schedules(self) -> Registry[ScheduleEntry]:
        """The schedules by name, with owner and options."""
        return self._manager.schedules

    @property
    def noise_sources(self) -> Registry[NoiseSourceEntry]:
        """The noise sources by name, with owner and options."""
        return self._manager.noise_sources

    @property
    def plugins(self) -> tuple[PluginInfo, ...]:
        """The enabled plugins, farthest first."""
        return self._manager.infos

    @property
    def manager(self) -> Manager:
        """The plugin manager, for tools that call hooks themselves."""
        return self._manager

    def using(self, *plugins: object) -> Pipeline:
        """A pipeline that shares this one's model and has these plugins besides, nearest of all."""
        return Pipeline(self._model, plugins=(*self._given, *plugins), settings=self._settings)

    def to(self, device: str = "", dtype: str = "") -> Self:
        """Move the model; runs under way finish where they began. Returns this pipeline."""
        with self._lock:
            self._model = self._model.to(
                device or str(self._model.device), dtype or str(self._model.dtype).removeprefix("torch.")
            )
        return self

    def save(
        self,
        path: str | Path,
        *,
        layout: Literal["single", "diffusers"] = "single",
        dtype: str | None = None,
        overwrite: bool = False,
    ) -> Path:
        """Write the model as one .safetensors file in the original layout, or as a folder as diffusers has them.

        `dtype`: float32, float16 or bfloat16; None is that of the file it was loaded from, wherever the model computes.
        The file appears whole or not at all. Raises ModelError if there is one already, unless `overwrite`, or if it
        cannot be written.
        """
        from sdkit.models import LatentDiffusion, save_model

        if not isinstance(self._model, LatentDiffusion):
            raise ModelError(f"sdkit does not know how to write a model like {self._model.name!r}")
        return save_model(self._model, path, layout=layout, dtype=dtype, overwrite=overwrite)

    def unload(self) -> None:
        """Drop the weights. Afterwards every call that needs them raises ModelError."""
        self._model.unload()

    def __repr__(self) -> str:
        spec = self._model.spec
        given = [info.name for info in self.plugins if info.origin != "built-in"]
        plugins = ", ".join(given) or "none"
        return f"<Pipeline {self._model.name!r} ({spec.family}) on {self._model.device}, plugins: {plugins}>"

    def _request_for(self, latents: Latents, seed: int) -> Request:
        """A request for pictures of the latents' number and size."""
        count, _, height, width = latents.tensor.shape
        factor = self._model.spec.latent_factor
        return Request(width=width * factor, height=height * factor, seed=seed, count=count)

    def _latents(self, latents: Latents | torch.Tensor) -> Latents:
        """The latents, of a shape that the model can have made. Raises RequestError."""
        latents = Latents(latents) if isinstance(latents, torch.Tensor) else latents
        channels, shape = self._model.spec.latent_channels, list(latents.tensor.shape)
        if len(shape) != 4 or shape[1] != channels or 0 in shape:
            raise RequestError(f"latents of {self._model.name!r} are [B, {channels}, H, W], not {shape}")
        return latents

    def _continuing(self, request: Request, latents: Latents) -> Request:
        """The request with the size and the seeds of the latents that it goes on from. Raises RequestError."""
        if request.init_image is not None:
            raise RequestError("give latents or an init_image to start from, not both")
        own = self._request_for(latents, seed=0)
        for name in ("width", "height"):
            if getattr(request, name) not in (None, getattr(own, name)):
                raise RequestError(
                    f"{name} is {getattr(request, name)}, but the latents are of {own.width}×{own.height} pictures"
                )
        request = request.replace(width=own.width, height=own.height)
        if request.seed is None and request.seeds is None and latents.seeds:
            request = request.replace(seeds=latents.seeds)
        count, rows = len(request.seeds or ()) or request.count, len(latents.tensor)
        if rows > 1 and request.seeds is None and count == 1:
            return request.replace(count=rows)
        if rows not in (1, count):
            raise RequestError(f"the latents are of {rows} pictures, but {count} are asked for; give as many seeds")
        return request

    def _generation(self, request: Request, latents: Latents | None = None) -> Generation:
        """The generation of a stage by hand: plugins may not change how many pictures there are."""
        generation = Generation.of(request, self._model, self._manager, None, latents, self._inversions)
        asked, planned = len(request.seeds or ()) or request.count, len(generation.plan.draft.seeds)
        if asked != planned:
            raise RequestError(
                f"a plugin's prepare_run makes {planned} pictures of a request for {asked}; "
                "call pipe(…) instead of single stages"
            )
        return generation

    def _single_run(self, request: Request) -> tuple[Generation, Run]:
        """The generation and its only run, however many pictures it has."""
        generation = self._generation(request)
        (run,) = generation.runs(batch_size=len(generation.plan.draft.seeds))
        return generation, run


def _request(prompt: str | Request, fields: RequestFields) -> Request:
    if isinstance(prompt, Request):
        return prompt.replace(**fields) if fields else prompt
    return Request(prompt=prompt, **fields)


def _image(picture: Picture) -> Image:
    from sdkit.images import read_image

    if isinstance(picture, Image):
        return picture
    return read_image(picture) if isinstance(picture, (str, Path)) else Image.from_pil(picture)


def _prompted(run: Run, conditioning: Conditioning, count: int) -> Run:
    """The run with the prompts that the conditioning was made from."""
    prompts, negatives = (_spread(texts, count) for texts in (conditioning.prompts, conditioning.negative_prompts))
    asked = run.request.replace(
        prompt=prompts[0], negative_prompt=negatives[0], transform_prompts=not conditioning.transformed
    )
    part = slice(run.first, run.first + len(run.seeds))
    return replace(run, request=asked, prompts=prompts[part], negative_prompts=negatives[part])


def _last(steps: Generator[object, None, Latents]) -> Latents:
    """What a generator returns when it is through."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return cast("Latents", done.value)


def _spread(texts: tuple[str, ...], count: int) -> tuple[str, ...]:
    """One text per picture; where there are not as many, they are all the same: see the check of the rows."""
    return texts if len(texts) == count else texts[:1] * count
