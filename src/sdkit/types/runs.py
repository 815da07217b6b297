"""A generation: its plan, its runs, how they are cancelled, and what comes out."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from sdkit.errors import Cancelled, RequestError
from sdkit.images import Image

if TYPE_CHECKING:
    import torch
    from pydantic import BaseModel

    from sdkit.request import Request
    from sdkit.types.models import DiffusionModel, ModelSpec
    from sdkit.types.network import NetworkPatches

T = TypeVar("T")
OptionsT = TypeVar("OptionsT", bound="BaseModel")


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
    `latents`: what `pipe.sample` was given to start from, in place of an initial image; `mask`: where these are to
    change, `[1 or B, 1, H/f, W/f]`. `stash`: pockets for plugins.
    """

    request: Request
    seeds: list[int]
    prompts: list[str]
    negative_prompts: list[str]
    model: DiffusionModel
    options: Mapping[type[BaseModel], BaseModel] = field(default_factory=dict["type[BaseModel]", "BaseModel"])
    warnings: list[str] = field(default_factory=list[str])
    latents: Latents | None = None
    mask: torch.Tensor | None = None
    stash: Stash = field(default_factory=Stash)

    def option(self, kind: type[OptionsT]) -> OptionsT:
        """The validated options of this type, as registered by `register_options`."""
        return option_of(self.options, kind)


@dataclass(frozen=True, eq=False)
class ModelSpan:
    """A model that predicts in a part of a run: where `low < sigma <= high`."""

    high: float
    low: float
    model: DiffusionModel


@dataclass(frozen=True, eq=False)
class Run:
    """One batch of pictures on its way through the stages; frozen from the plan.

    `request`: resolved, nothing in it is None that a family has a default for. `seeds`, `prompts`,
    `negative_prompts`: of this batch, after `transform_prompt`. `first`: the index of its first picture in the
    whole generation of `total`. `model`: with what `patch_model` changes in it; where patches do not count
    everywhere, `spans` say which model predicts where, and `model` is without these. `sigmas`: descending;
    `sigmas[0]` is where sampling starts, later than the schedule's if `denoise` < 1. `spec`: the model's, with what
    the request says otherwise of its prediction type and noise levels. `uncond`: whether the sampler needs the
    negative branch's prediction, so that guidance must not leave it out. `shared_noise`: whether a picture's noise
    depends on the others of its generation, so that they can only be made again together. `network`: what plugins patch
    inside the noise predictor; known to what is around the sampler only, None elsewhere and where there is nothing.
    Known only from the sampling stage on: `init`, scaled latents `[1 or B, C, H/f, W/f]` of the initial image, or None;
    `mask`, `[1 or B, 1, H/f, W/f]` in 0…1, 1 where the picture is to change, or None; `noise`, `[B, C, H/f, W/f]`, the
    starting noise of unit variance, or zeros where none is to be added.
    """

    request: Request
    model: DiffusionModel
    seeds: tuple[int, ...]
    prompts: tuple[str, ...]
    negative_prompts: tuple[str, ...]
    sigmas: tuple[float, ...]
    cancel: CancelToken
    spec: ModelSpec
    uncond: bool = False
    shared_noise: bool = False
    first: int = 0
    total: int = 1
    spans: tuple[ModelSpan, ...] = ()
    init: torch.Tensor | None = None
    mask: torch.Tensor | None = None
    noise: torch.Tensor | None = None
    network: NetworkPatches | None = None
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
        (width, height), spec = self.request.size, self.spec
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


@dataclass(frozen=True, eq=False)
class Latents:
    """Sampled latents, `[B, C, H/f, W/f]`, scaled to about unit variance, with the seed of each row.

    `run`: the run that made them, so that `pipe.decode(latents)` knows their pictures' request and prompts; None for
    latents that come from elsewhere. When the run is over, its `model` has only the facts and no weights, so that
    latents that are kept do not keep a model.
    """

    tensor: torch.Tensor
    seeds: tuple[int, ...] = ()
    run: Run | None = field(default=None, repr=False)


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
