"""Pipeline: a model, its plugins, and the calls that make pictures with them."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Generator, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, Unpack

import torch

from sdkit.errors import ModelError, RequestError
from sdkit.images import Image
from sdkit.models import Library, embedded_checkpoint
from sdkit.models.embeddings import TextualInversions
from sdkit.pipeline.by_hand import ByHand
from sdkit.pipeline.in_thread import in_thread
from sdkit.pipeline.pictures import as_image, as_images
from sdkit.pipeline.running import Generation
from sdkit.pipeline.sources import loader, parts_of
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
    Segment,
    TokenChunk,
)

if TYPE_CHECKING:
    from sdkit.pipeline.pictures import Picture


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
        settings = settings or Settings.load()
        given = tuple(plugins)
        self._set_up(model, given, load_manager(given, settings=settings), settings, Library.of(settings))

    def _set_up(
        self,
        model: DiffusionModel,
        given: tuple[object, ...],
        manager: Manager,
        settings: Settings,
        library: Library,
    ) -> None:
        self._model, self._given, self._manager = model, given, manager
        self._settings, self._library = settings, library
        self._inversions = TextualInversions(library, pickles=settings.pickles)
        self._lock = threading.Lock()

    @classmethod
    def load(
        cls,
        source: str | Path | None = None,
        *,
        unet: str | Path | None = None,
        vae: str | Path | None = None,
        text_encoder: str | Path | Sequence[str | Path] = (),
        variant: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        plugins: Iterable[object] = (),
    ) -> Self:
        """Load a model and its plugins, offline.

        `source`: a file, a diffusers folder, a name or hash from the model folders, or None for the tiny model in the
        box. `unet`, `vae`, `text_encoder` (one, or several in any order): files of single parts, which take the place
        of the model's own; all three, without a `source`, make a model. `variant`: which weights of a diffusers folder,
        such as "fp16". `device`: "auto" takes the GPU if there is one. `dtype`: "auto" is the file's own on a GPU,
        float32 on a CPU.

        Raises ModelNotFoundError, CheckpointError, UnknownModelError or WeightsError for the model, PluginError for a
        plugin.
        """
        settings = Settings.load()
        given = tuple(plugins)
        manager = load_manager(given, settings=settings)
        library = Library.of(settings)
        parts = parts_of(unet, vae, text_encoder)
        if source is None and not parts:
            source = embedded_checkpoint()
        model = loader(manager, library, variant).load(
            None if source is None else str(source),
            parts,
            device=settings.device if device == "auto" else device,
            dtype=settings.dtype if dtype == "auto" else dtype,
        )
        pipe = cls.__new__(cls)
        pipe._set_up(model, given, manager, settings, library)
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
        generation = self._generation(request, cancel)
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
        return self._generation(request, cancel).events()

    def astream(
        self, prompt: str | Request, *, cancel: CancelToken | None = None, **fields: Unpack[RequestFields]
    ) -> AsyncGenerator[Event]:
        """`stream` for asyncio: computes in a thread, so that the event loop stays free. `aclose()` or cancelling the
        task stops within one step."""
        return in_thread(lambda token: self.stream(prompt, cancel=token, **fields), cancel)

    # ── the stages by hand ───────────────────────────────────────────────────────────────────────────────────────────

    def encode(self, prompt: str | Request, negative: str = "", **fields: Unpack[RequestFields]) -> Conditioning:
        """Both prompts as the model reads them: through every plugin, as `pipe(prompt)` would."""
        request = _request(prompt, fields)
        return self._by_hand.encode(request.replace(negative_prompt=negative) if negative else request)

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

        Size and seeds are the latents' own unless given. `mask` may be a tensor, `[1 or B, 1, H/f, W/f]`: where
        the latents are to change, 1 wholly and 0 not at all. Raises RequestError where they do not fit.
        """
        given = fields.get("mask")
        mask = given if isinstance(given, torch.Tensor) else None
        if mask is not None:
            del fields["mask"]
        return self._by_hand.sample(conditioning, Request(**fields), latents, mask)

    def decode(self, latents: Latents | torch.Tensor) -> tuple[Image, ...]:
        """Latents → finished pictures, through every plugin."""
        return self._by_hand.decode(latents)

    def encode_image(self, picture: Picture, **fields: Unpack[RequestFields]) -> Latents:
        """A picture → scaled latents, `[1, C, H/f, W/f]`; its sides are cut to multiples of f."""
        return self._by_hand.encode_image(as_image(picture), fields)

    def add_noise(self, latents: Latents, sigma: float, *, seed: int = 0) -> Latents:
        """Forward diffusion: what training shows the model, `latents` with noise of std `sigma`, drawn from `seed`."""
        return self._by_hand.add_noise(latents, sigma, seed)

    # ── looking at prompts and pictures ──────────────────────────────────────────────────────────────────────────────

    def tokenize(self, text: str) -> tuple[TokenChunk, ...]:
        """The prompt as the text encoder sees it: windows of token ids, their weights and texts."""
        return self._model.tokenize(Prompt(text, (Segment(text),)))

    def similarity(self, texts: str | Sequence[str], images: Picture | Sequence[Picture]) -> torch.Tensor:
        """CLIP's cosine similarity of every text with every picture: `[len(texts), len(images)]`, −1…1.

        Raises ModelError if the model has no image tower.
        """
        texts = (texts,) if isinstance(texts, str) else tuple(texts)
        pictures = as_images(images)
        if not texts or not pictures:
            raise RequestError(f"similarity needs texts and pictures, not {len(texts)} and {len(pictures)} of them")
        rows = [self._model.similarity(texts, picture.pixels[None]) for picture in pictures]
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

    def swap(
        self,
        source: str | Path | None = None,
        *,
        unet: str | Path | None = None,
        vae: str | Path | None = None,
        text_encoder: str | Path | Sequence[str | Path] = (),
        variant: str | None = None,
    ) -> Self:
        """Go on with another model, or with other parts of this one: `pipe.swap(vae="clear.safetensors")`. See `load`
        for what can be given. Returns this pipeline.

        Device and dtype stay, and so do parts that are not given, unless there is a `source`. The old weights are freed
        as soon as no run and no other pipeline uses them; if the new ones cannot be loaded, the old ones stay. Raises
        as `load`, and ModelError for parts of a model that sdkit does not know how to take apart.
        """
        parts, loads = parts_of(unet, vae, text_encoder), loader(self._manager, self._library, variant)
        with self._lock:
            if source is not None:
                model = self._model
                dtype = str(model.dtype).removeprefix("torch.")
                made = loads.load(str(source), parts, device=str(model.device), dtype=dtype)
            elif parts:
                made = loads.with_parts(self._model, parts)
            else:
                raise RequestError("say what to swap: a model, or a unet, a vae or text encoders")
            self._model = made
        self._manager.notify("model_loaded", model=made)
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

    def _generation(self, request: Request, cancel: CancelToken | None) -> Generation:
        """A whole generation, checked."""
        generation = Generation.of(request, self._model, self._manager, cancel, inversions=self._inversions)
        generation.plan.check_start()
        return generation

    @property
    def _by_hand(self) -> ByHand:
        return ByHand(self._model, self._manager, self._inversions)


def _request(prompt: str | Request, fields: RequestFields) -> Request:
    if isinstance(prompt, Request):
        return prompt.replace(**fields) if fields else prompt
    return Request(prompt=prompt, **fields)
