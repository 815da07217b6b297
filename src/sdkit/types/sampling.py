"""What samplers, schedules, noise and guidance are, as types: a plugin author's vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Concatenate, Literal, Protocol

from sdkit.types.models import PredictionType

if TYPE_CHECKING:
    import torch

    from sdkit.types.network import NetworkPatches
    from sdkit.types.runs import Run

NoiseKind = Literal["none", "white", "brownian"]
"""What noise a sampler asks for on its way: none, independent draws, or increments of one Brownian path per image."""


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


class PatchableEvaluate(Protocol):
    """An `Evaluate` that can be had with more patches inside the noise predictor, for further evaluations."""

    def __call__(self, x: torch.Tensor, sigma: float, names: tuple[str, ...], /) -> dict[str, torch.Tensor]: ...

    def patched(self, patches: NetworkPatches) -> Evaluate:
        """The same with these patches around the run's own."""
        ...


Guide = Callable[["torch.Tensor", float], Prediction]
"""Guidance bound to a run: decides which branches to evaluate and combines them."""

Guidance = Callable[["Run", Evaluate], Guide]
"""What `register_guidance` takes: called once per run, returns the `Guide`."""

Schedule = Callable[Concatenate["int", "ScheduleParams", ...], "tuple[float, ...]"]
"""`schedule(steps, params, **options)` → `steps + 1` descending sigmas, the last one 0."""


class NoiseSource(Protocol):
    """Where one run's noise comes from; made anew for every run, so that a run can be repeated."""

    def start(self) -> torch.Tensor:
        """The noise to start from: `run.shape`, float32, unit variance, on the model's device."""
        ...

    def steps(self, kind: NoiseKind) -> Noise:
        """The noise for the sampler on its way, of the kind that it declared; never called for "none"."""
        ...


MakeNoiseSource = Callable[Concatenate["Run", ...], NoiseSource]
"""What `register_noise_sources` takes: `make(run, **options)`, called once per run."""


@dataclass(frozen=True)
class ScheduleParams:
    """What a schedule may know of the model: its sigmas at the training timesteps, ascending, their bounds, its
    family."""

    sigmas: tuple[float, ...]
    sigma_min: float
    sigma_max: float
    prediction: PredictionType = "eps"
    family: str = ""


@dataclass(eq=False, slots=True)
class Step:
    """One step of a sampler, yielded after it was taken.

    `x_in` is the state at `sigma`, `x` the state at `sigma_next`; `prediction` is the one made at `x_in`, or where the
    sampler says otherwise: with churn, at `x_in` with noise added. Only `x` may be assigned: the sampler reads it again
    when it goes on, and the last step's `x` is the result.
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
