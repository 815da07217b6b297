"""What travels between the stages: one frozen object per arrow, all tensors with their shapes and units.

::

    Request ─parse→ Prompt ─encode→ Conditioning ─┐
    Request ─plan─→ sigmas, noise ────────────────┴→ sampler ⇢ Step… → Latents ─decode→ Image
                             denoise(x, sigma) = guidance(model(x, sigma, branch)…) → Prediction

Glossary, the same words everywhere:

=============  =========================================================================================================
latents        what the VAE compresses pictures into, scaled to about unit variance: `[B, C, H/f, W/f]`, f = 8 for SD
sigma          standard deviation of the noise in the latents; sigmas descend along a run and end at 0
x              the noisy latents at some sigma; the name is used inside samplers only, as in the papers
denoised       the model's estimate of the noise-free latents
embedding      one encoded prompt: what cross-attention reads
conditioning   everything that the model is told, by branch: positive and negative
cond, uncond   the denoised latents that the positive and the negative branch predict
guidance       how the branches' predictions become one
run            one batch of pictures on its way through the stages; a request makes one or more runs
=============  =========================================================================================================

Nothing here imports torch; tensors appear in annotations only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Concatenate, Literal, Protocol, TypeVar

from sdkit.errors import Cancelled, RequestError
from sdkit.images import Image

if TYPE_CHECKING:
    import torch
    from pydantic import BaseModel

    from sdkit.request import Request

T = TypeVar("T")
OptionsT = TypeVar("OptionsT", bound="BaseModel")

PredictionType = Literal["eps", "v", "flow"]
"""What the network was trained to output: the noise, the velocity (arXiv:2202.00512), or the flow
(arXiv:2209.03003)."""

NoiseKind = Literal["none", "white", "brownian"]
"""What noise a sampler asks for on its way: none, independent draws, or increments of one Brownian path per image."""


# ── prompts ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Segment:
    """A piece of prompt text with one weight; 1.0 is neutral."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True)
class Prompt:
    """A parsed prompt: the segments in reading order, and the text that they were parsed from."""

    text: str
    segments: tuple[Segment, ...]


# ── conditioning ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False)
class Embedding:
    """One encoded prompt, or several of the same length stacked.

    `context`: `[1 or B, T, C]`, the tokens' features, T a multiple of 77 for CLIP; one row serves every image of a
    batch. `pooled`: `[1 or B, P]`, the summary vector that some families need beside it. `strength`: its share where
    several embeddings make one branch.
    """

    context: torch.Tensor
    pooled: torch.Tensor | None = None
    strength: float = 1.0


@dataclass(frozen=True, eq=False)
class Conditioning:
    """Everything that the model is told, by branch. Each branch is the weighted mean of its embeddings' predictions.

    `prompts`, `negative_prompts`: the texts, one per image, for the pictures' metadata; they do not change the result.
    `transformed`: whether plugins changed them, so that a picture's record does not ask for that again.
    """

    positive: tuple[Embedding, ...]
    negative: tuple[Embedding, ...]
    prompts: tuple[str, ...] = ()
    negative_prompts: tuple[str, ...] = ()
    transformed: bool = False


# ── sampling ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False, slots=True)
class Prediction:
    """What a denoiser returns, all `[B, C, H/f, W/f]` like its input.

    `denoised`: the guided estimate of the noise-free latents, which samplers step towards.
    `cond`, `uncond`: what the positive and the negative branch predicted alone; `uncond` is None where that branch did
    not run (guidance scale 1).
    """

    denoised: torch.Tensor
    cond: torch.Tensor
    uncond: torch.Tensor | None = None


class Denoiser(Protocol):
    """Estimates noise-free latents. Called once or more per step.

    `x`: `[B, C, H/f, W/f]`, noisy latents; `sigma`: the std of the noise in them, a Python float, so that nothing waits
    for the device. `x` must not be changed.
    """

    def __call__(self, x: torch.Tensor, sigma: float, /) -> Prediction: ...


class Noise(Protocol):
    """Draws the unit-variance noise, `[B, C, H/f, W/f]`, that a stochastic sampler adds on its way from one sigma to
    the next. Image i's noise comes from image i's seed alone."""

    def __call__(self, sigma: float, sigma_next: float, /) -> torch.Tensor: ...


Sampler = Callable[Concatenate[Denoiser, "torch.Tensor", "tuple[float, ...]", Noise, ...], "Iterator[Step]"]
"""Walks from `sigmas[0]` to `sigmas[-1]`, yielding a `Step` at each stop; a generator function.

Called as `sampler(denoise, x, sigmas, noise, **options)`. `x` is the noisy start at `sigmas[0]` and must not be
changed; options are the fields of the options model that the sampler was registered with.
"""


BoundSampler = Callable[[Denoiser, "torch.Tensor", "tuple[float, ...]"], "Iterator[Step]"]
"""A sampler with its noise and options filled in: what `wrap_sampler` receives and returns."""

Evaluate = Callable[["torch.Tensor", float, "tuple[str, ...]"], "dict[str, torch.Tensor]"]
"""`evaluate(x, sigma, ("negative", "positive"))` → the denoised latents of each named branch, in one batch."""

Guide = Callable[["torch.Tensor", float], Prediction]
"""Guidance bound to a run: decides which branches to evaluate and combines them."""

Guidance = Callable[["Run", Evaluate], Guide]
"""What `register_guidance` takes: called once per run, returns the `Guide`."""

Schedule = Callable[["int", "ScheduleParams"], "tuple[float, ...]"]
"""`schedule(steps, params)` → `steps + 1` descending sigmas, the last one 0."""


@dataclass(frozen=True)
class ScheduleParams:
    """What a schedule may know of the model: its sigmas at the training timesteps, ascending, and their bounds."""

    sigmas: tuple[float, ...]
    sigma_min: float
    sigma_max: float
    prediction: PredictionType = "eps"


@dataclass(eq=False, slots=True)
class Step:
    """One step of a sampler, yielded after it was taken.

    `x_in` is the state at `sigma`, `x` the state at `sigma_next`; `prediction` is the one made at `x_in`. Only `x` may
    be assigned: the sampler reads it again when it goes on, and the last step's `x` is the result.
    """

    index: int
    sigma: float
    sigma_next: float
    x_in: torch.Tensor
    prediction: Prediction
    x: torch.Tensor
    _sealed: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_sealed", True)

    def __setattr__(self, name: str, value: object) -> None:
        if name != "x" and getattr(self, "_sealed", False):
            raise AttributeError(
                f"Step.{name} cannot be assigned; only Step.x can, to change where sampling goes on from"
            )
        object.__setattr__(self, name, value)

    @property
    def denoised(self) -> torch.Tensor:
        """The guided estimate of the noise-free latents at this step."""
        return self.prediction.denoised


@dataclass(frozen=True, eq=False)
class Latents:
    """Sampled latents, `[B, C, H/f, W/f]`, scaled to about unit variance, with the seed of each row.

    `run`: the run that made them, so that `pipe.decode(latents)` knows their pictures' request and prompts; None for
    latents that come from elsewhere.
    """

    tensor: torch.Tensor
    seeds: tuple[int, ...] = ()
    run: Run | None = field(default=None, repr=False)


# ── models ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Defaults:
    """What a model family uses where the request says None."""

    width: int
    height: int
    steps: int
    sampler: str
    schedule: str
    guidance_scale: float
    clip_skip: int = 1


@dataclass(frozen=True)
class ModelSpec:
    """What the pipeline must know of a model.

    `sigmas`: noise std at each training timestep, ascending. `latent_factor`: pixels per latent along a side; widths
    and heights must be multiples of it. `has_image_tower`: whether it can compare texts with pictures.
    """

    family: str
    prediction: PredictionType
    sigmas: tuple[float, ...]
    defaults: Defaults
    latent_channels: int = 4
    latent_factor: int = 8
    has_image_tower: bool = False


@dataclass(frozen=True)
class TokenChunk:
    """One window of tokens as the text encoder sees it: ids and weights, 77 of each for CLIP, and the text per
    token."""

    ids: tuple[int, ...]
    weights: tuple[float, ...]
    texts: tuple[str, ...]


class DiffusionModel(Protocol):
    """What a model family's `load` returns: the networks behind plain functions. Immutable during runs, thread-safe."""

    @property
    def name(self) -> str:
        """Short name, for people: the file's stem."""
        ...

    @property
    def spec(self) -> ModelSpec: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def dtype(self) -> torch.dtype:
        """In which the noise predictor computes."""
        ...

    def fingerprint(self) -> str:
        """SHA-256 of the weights file, hex; computed once, "" where the weights came from no file."""
        ...

    def tokenize(self, prompt: Prompt) -> tuple[TokenChunk, ...]:
        """The prompt as the text encoder will see it, chunk by chunk."""
        ...

    def encode_text(self, prompt: Prompt, clip_skip: int) -> Embedding:
        """One prompt → context `[1, T, C]`; clip_skip 1 is the last layer."""
        ...

    def predict(self, x: torch.Tensor, timestep: float, embedding: Embedding) -> torch.Tensor:
        """The network's raw output, `[B, C, H/f, W/f]`, at scaled input `x`; float32 whatever the weights' dtype."""
        ...

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """`[B, 3, H, W]` in 0…1 → scaled latents `[B, C, H/f, W/f]`, the mode of the VAE's distribution."""
        ...

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Scaled latents → `[B, 3, H, W]` float32 in 0…1, on the CPU."""
        ...

    def similarity(self, texts: tuple[str, ...], pixels: torch.Tensor) -> torch.Tensor:
        """Cosine similarity of CLIP's text and image features: `[len(texts), B]`. Raises ModelError without image
        tower."""
        ...

    def to(self, device: str, dtype: str) -> DiffusionModel:
        """This model on another device or in another dtype; itself if nothing changes."""
        ...

    def unload(self) -> None:
        """Drop the weights. Further calls raise ModelError."""
        ...


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


class CancelToken:
    """Set from any thread to stop a run within one step: `token.cancel()`."""

    def __init__(self, parent: CancelToken | None = None) -> None:
        """`parent`: a token that counts, too, and that `cancel()` leaves alone."""
        self._event = threading.Event()
        self._parent = parent

    def cancel(self) -> None:
        """Ask every run that holds this token to stop."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set() or (self._parent is not None and self._parent.cancelled)

    def check(self) -> None:
        """Raise Cancelled if somebody asked."""
        if self.cancelled:
            raise Cancelled("the run was cancelled")


class Stash:
    """A run's pockets for plugins: one object per type, created at first use, gone with the run."""

    def __init__(self) -> None:
        self._items: dict[type[Any], Any] = {}

    def get(self, kind: type[T]) -> T:
        """The run's object of this type; `kind()` is called the first time."""
        if kind not in self._items:
            self._items[kind] = kind()
        return self._items[kind]

    def put(self, item: object) -> None:
        """Keep `item` as the run's object of its type."""
        self._items[type(item)] = item


@dataclass
class RunPlan:
    """Everything decided before anything is computed; `prepare_run` may change any of it.

    `request`: with every None replaced by the family's default; replace it by `plan.request.replace(steps=…)`.
    `seeds`, `prompts`, `negative_prompts`: one of each per image, so their lengths must stay equal; an image is wholly
    described by its seed, its prompts and the request. `options` are the plugins' options, already validated.
    """

    request: Request
    seeds: list[int]
    prompts: list[str]
    negative_prompts: list[str]
    model: DiffusionModel
    options: Mapping[type[BaseModel], BaseModel] = field(default_factory=dict["type[BaseModel]", "BaseModel"])
    warnings: list[str] = field(default_factory=list[str])

    def option(self, kind: type[OptionsT]) -> OptionsT:
        """The validated options of this type, as registered by `register_options`."""
        return option_of(self.options, kind)


@dataclass(frozen=True, eq=False)
class Run:
    """One batch of pictures on its way through the stages; frozen from the plan.

    `request`: resolved, nothing in it is None that a family has a default for. `seeds`, `prompts`, `negative_prompts`:
    of this batch, after `transform_prompt`. `first`: the index of its first picture in the whole generation of
    `total`. `sigmas`: descending; `sigmas[0]` is where sampling starts, later than the schedule's if `denoise` < 1.
    Known only from the sampling stage on: `init`, scaled latents `[1, C, H/f, W/f]` of the initial image, or None;
    `mask`, `[1, 1, H/f, W/f]` in 0…1, 1 where the picture is to change, or None; `noise`, `[B, C, H/f, W/f]`, the
    starting noise of unit variance.
    """

    request: Request
    model: DiffusionModel
    seeds: tuple[int, ...]
    prompts: tuple[str, ...]
    negative_prompts: tuple[str, ...]
    sigmas: tuple[float, ...]
    cancel: CancelToken
    first: int = 0
    total: int = 1
    init: torch.Tensor | None = None
    mask: torch.Tensor | None = None
    noise: torch.Tensor | None = None
    options: Mapping[type[BaseModel], BaseModel] = field(default_factory=dict["type[BaseModel]", "BaseModel"])
    stash: Stash = field(default_factory=Stash)
    warnings: list[str] = field(default_factory=list[str])
    recovered: list[str] = field(default_factory=list[str])

    def option(self, kind: type[OptionsT]) -> OptionsT:
        """The validated options of this type, as registered by `register_options`."""
        return option_of(self.options, kind)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """`[B, C, H/f, W/f]` of this run's latents."""
        (width, height), spec = self.request.size, self.model.spec
        return len(self.seeds), spec.latent_channels, height // spec.latent_factor, width // spec.latent_factor


def option_of(options: Mapping[type[BaseModel], BaseModel], kind: type[OptionsT]) -> OptionsT:
    """The options of type `kind`; RequestError if no plugin registered that type."""
    try:
        found = options[kind]
    except KeyError:
        raise RequestError(
            f"no plugin registered options of type {kind.__name__}; call register_options first"
        ) from None
    assert isinstance(found, kind)
    return found


# ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False)
class RunStarted:
    """A batch begins: `images` pictures from index `first`, `steps` steps each."""

    first: int
    images: int
    total: int
    steps: int


@dataclass(frozen=True, eq=False)
class Encoded:
    """The prompts are encoded; sampling begins."""

    conditioning: Conditioning


@dataclass(frozen=True, eq=False)
class StepDone:
    """A step is taken: `index` of `steps` counts from 0. `preview()` makes a small picture per image, only if
    called."""

    index: int
    steps: int
    step: Step
    preview: Callable[[], tuple[Image, ...]]


@dataclass(frozen=True, eq=False)
class ImagesDone:
    """A batch is decoded: these pictures are final."""

    first: int
    images: tuple[Image, ...]


@dataclass(frozen=True, eq=False)
class Finished:
    """Everything is done; always the last event."""

    result: Result


Event = RunStarted | Encoded | StepDone | ImagesDone | Finished


@dataclass(frozen=True, eq=False)
class Result:
    """What a generation returns.

    `request`: resolved, so that running it again gives these pictures. `images` and `seeds` in order; `latents`: all of
    them, in one tensor. `timings`: seconds per stage. `warnings`: what the caller should know. `recovered`: what went
    wrong and was mended on the way (a decode repeated in float32, a batch split).
    """

    request: Request
    images: tuple[Image, ...]
    seeds: tuple[int, ...]
    latents: Latents
    timings: Mapping[str, float]
    warnings: tuple[str, ...] = ()
    recovered: tuple[str, ...] = ()

    def _repr_png_(self) -> bytes:
        """Notebooks show the pictures, side by side."""
        from sdkit.images import contact_sheet

        return contact_sheet(self.images).to_png()
