"""Sigmas: from schedules, and what is cut out of them. All are float32 tensors, descending."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, cast

import torch
from pydantic import Field

from sdkit import node
from sdkit.sampling import flip_sigmas, parameterisation, sigmas_for
from sdkit.sampling import schedules as library
from sdkit.types import ScheduleParams
from sdkit_comfy.sockets import MODEL, SIGMAS, Factor, ScheduleName, Share, Steps

if TYPE_CHECKING:
    from sdkit_comfy.values.networks import Model

CATEGORY = "sampling/custom_sampling/schedulers"
CUTS = "sampling/custom_sampling/sigmas"

Sigma = Annotated[float, Field(ge=0, le=5000)]
SIGMA_MAX, SIGMA_MIN = 14.614642, 0.0291675


def _tensor(sigmas: Sequence[float]) -> torch.Tensor:
    return torch.tensor(tuple(sigmas), dtype=torch.float32)


def _of(model: Model) -> ScheduleParams:
    spec = model.spec
    return ScheduleParams(spec.sigmas, spec.sigmas[0], spec.sigmas[-1], spec.prediction, spec.family)


def _between(sigma_max: float, sigma_min: float) -> ScheduleParams:
    return ScheduleParams((sigma_min, sigma_max), sigma_min, sigma_max)


@node(name="BasicScheduler", category=CATEGORY)
def basic(*, model: MODEL, scheduler: ScheduleName, steps: Steps = 20, denoise: Share = 1.0) -> SIGMAS:
    """A schedule by its name; with `denoise` below 1, the last steps of a longer one."""
    entry = model.pipe.schedules[scheduler]
    return _tensor(sigmas_for(partial(entry.load(), **entry.check_options({})), steps, _of(model), denoise))


@node(name="KarrasScheduler", category=CATEGORY)
def karras(
    *, steps: Steps = 20, sigma_max: Sigma = SIGMA_MAX, sigma_min: Sigma = SIGMA_MIN, rho: Factor = 7.0
) -> SIGMAS:
    """Denser towards little noise, by a power."""
    return _tensor(library.karras(steps, _between(sigma_max, sigma_min), rho))


@node(name="ExponentialScheduler", category=CATEGORY)
def exponential(*, steps: Steps = 20, sigma_max: Sigma = SIGMA_MAX, sigma_min: Sigma = SIGMA_MIN) -> SIGMAS:
    """Even in log sigma."""
    return _tensor(library.exponential(steps, _between(sigma_max, sigma_min)))


@node(name="PolyexponentialScheduler", category=CATEGORY)
def polyexponential(
    *, steps: Steps = 20, sigma_max: Sigma = SIGMA_MAX, sigma_min: Sigma = SIGMA_MIN, rho: Factor = 1.0
) -> SIGMAS:
    """A power in log sigma."""
    return _tensor(library.polyexponential(steps, _between(sigma_max, sigma_min), rho))


@node(name="LaplaceScheduler", category=CATEGORY)
def laplace(
    *,
    steps: Steps = 20,
    sigma_max: Sigma = SIGMA_MAX,
    sigma_min: Sigma = SIGMA_MIN,
    mu: Annotated[float, Field(ge=-10, le=10)] = 0.0,
    beta: Annotated[float, Field(ge=0, le=10)] = 0.5,
) -> SIGMAS:
    """Densest around log sigma `mu`."""
    return _tensor(library.laplace(steps, _between(sigma_max, sigma_min), mu, beta))


@node(name="VPScheduler", category=CATEGORY)
def vp(*, steps: Steps = 20, beta_d: Sigma = 19.9, beta_min: Sigma = 0.1, eps_s: Share = 0.001) -> SIGMAS:
    """Even in the time of a variance-preserving process."""
    return _tensor(library.vp(steps, _between(SIGMA_MAX, SIGMA_MIN), beta_d, beta_min, eps_s))


@node(name="BetaSamplingScheduler", category=CATEGORY)
def beta(
    *,
    model: MODEL,
    steps: Steps = 20,
    alpha: Annotated[float, Field(ge=0, le=50)] = 0.6,
    beta: Annotated[float, Field(ge=0, le=50)] = 0.6,
) -> SIGMAS:
    """By the quantiles of a beta distribution."""
    return _tensor(library.beta(steps, _of(model), alpha, beta))


@node(name="SDTurboScheduler", category=CATEGORY)
def sd_turbo(*, model: MODEL, steps: Annotated[int, Field(ge=1, le=10)] = 1, denoise: Share = 1.0) -> SIGMAS:
    """Of the ten timesteps that turbo models were distilled on, so many; `denoise` leaves the first ones out."""
    first = 10 - int(10 * denoise)
    return _tensor([*library.sd_turbo(10, _of(model))[:-1][first : first + steps], 0.0])


@node(name="AlignYourStepsScheduler", category=CATEGORY)
def align_your_steps(
    *, model_type: Literal["SD1", "SDXL", "SVD"] = "SD1", steps: Steps = 10, denoise: Share = 1.0
) -> SIGMAS:
    """Sigmas that were optimised for a kind of model; `denoise` leaves the first ones out."""
    if denoise <= 0:
        return _tensor([])
    table = cast("Literal['sd1', 'sdxl', 'svd']", model_type.lower())
    kept = steps if denoise >= 1 else round(steps * denoise)
    sigmas = library.align_your_steps(steps, _between(SIGMA_MAX, SIGMA_MIN), table)
    return _tensor(sigmas[-(kept + 1) :])


# ── cutting ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Halves(NamedTuple):
    """The part with much noise, and the part with little; both have the sigma between them."""

    high_sigmas: SIGMAS
    low_sigmas: SIGMAS


@node(name="SplitSigmas", category=CUTS)
def split(*, sigmas: SIGMAS, step: Annotated[int, Field(ge=0, le=10_000)] = 0) -> Halves:
    """The sigmas of the first steps, and of the rest."""
    return Halves(sigmas[: step + 1], sigmas[step:])


@node(name="SplitSigmasDenoise", category=CUTS)
def split_denoise(*, sigmas: SIGMAS, denoise: Share = 1.0) -> Halves:
    """The sigmas of the rest, and of the last share of the steps. For no step at all, the first part is empty."""
    steps = round(max(len(sigmas) - 1, 0) * denoise)
    return Halves(sigmas[:-steps] if steps else sigmas[:0], sigmas[-(steps + 1) :])


@node(name="FlipSigmas", category=CUTS)
def flip(*, sigmas: SIGMAS) -> SIGMAS:
    """From the last to the first; a 0 becomes 0.0001."""
    return _tensor(flip_sigmas([float(sigma) for sigma in sigmas]))


@node(name="SetFirstSigma", category=CUTS)
def set_first(*, sigmas: SIGMAS, sigma: Annotated[float, Field(ge=0, le=20_000)] = 136.0) -> SIGMAS:
    """Another first sigma."""
    return torch.cat((_tensor([sigma]), sigmas[1:]))


@node(name="ExtendIntermediateSigmas", category=CUTS)
def extend(
    *,
    sigmas: SIGMAS,
    steps: Annotated[int, Field(ge=1, le=100)] = 2,
    start_at_sigma: Annotated[float, Field(ge=-1, le=20_000)] = -1.0,
    end_at_sigma: Annotated[float, Field(ge=0, le=20_000)] = 12.0,
    spacing: Literal["linear", "cosine", "sine"] = "linear",
) -> SIGMAS:
    """Each step that begins between two sigmas cut into `steps`. A negative `start_at_sigma` is no bound."""
    parts = torch.linspace(0, 1, steps + 1)[1:-1]
    if spacing == "cosine":
        parts = torch.sin(parts * torch.pi / 2)
    elif spacing == "sine":
        parts = 1 - torch.cos(parts * torch.pi / 2)
    start = float("inf") if start_at_sigma < 0 else start_at_sigma
    pieces: list[torch.Tensor] = []
    for here, after in pairwise(sigmas):
        pieces.append(here[None])
        if end_at_sigma <= here <= start:
            pieces.append(parts * (after - here) + here)
    return torch.cat((*pieces, sigmas[-1:]))


@node(name="SamplingPercentToSigma", category=CUTS, outputs="sigma_value")
def percent_to_sigma(*, model: MODEL, sampling_percent: Share = 0.0, return_actual_sigma: bool = False) -> float:
    """The sigma at a share of the training timesteps. The ends are beyond all sigmas, unless the actual ones are asked
    for."""
    rules = parameterisation(model.spec)
    if return_actual_sigma and sampling_percent in (0.0, 1.0):
        return rules.sigma_min if sampling_percent else rules.sigma_max
    return rules.percent_to_sigma(sampling_percent)
