"""Sigma tables: how noisy the latents are at each training timestep. How tables are made, changed and read.

A table is a tuple of sigmas, ascending. For eps and v models σ = √((1 − ᾱ)/ᾱ), where latents at a timestep are
√ᾱ·(clean + σ·noise) and ᾱ is the running product of 1 − β; for flow models σ is the time t in 0…1. Plain Python, so
that planning needs no torch.

Tables are kept as they are computed, in float64. Other programs compute the same, and keep two of it: σ in float32 and
log σ in float32. So what is read from a table of an eps or v model is rounded when it is read, never before.
"""

from __future__ import annotations

import itertools
import math
import operator
from typing import TYPE_CHECKING, Literal

from sdkit.rounding import exp32, float32, log32, mix32

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdkit.types import PredictionType

BetaSchedule = Literal["scaled_linear", "linear", "sqrt_linear", "squaredcos_cap_v2"]
"""How β grows over the training timesteps, as model configurations name it."""

TERMINAL_ALPHA_BAR = 4.8973451890853435e-08
"""What is left of the picture where nothing should be: 0 would make σ infinite. Other programs use the same number."""

LARGEST_BETA = 0.999


def betas(
    schedule: BetaSchedule = "scaled_linear",
    beta_start: float = 0.00085,
    beta_end: float = 0.012,
    timesteps: int = 1000,
) -> tuple[float, ...]:
    """The noise that training added at each timestep, as a variance.

    "scaled_linear": √β is linear (Rombach et al., arXiv:2112.10752); the configuration files of latent diffusion call
    this one "linear". "linear": β is linear (Ho et al., arXiv:2006.11239), which the same files call "sqrt_linear".
    "squaredcos_cap_v2": ᾱ is a squared cosine, β at most 0.999, and the start and end do not count (Nichol & Dhariwal,
    arXiv:2102.09672).
    """
    if schedule == "squaredcos_cap_v2":
        edges = [_squared_cosine(step / timesteps) for step in range(timesteps + 1)]
        return tuple(min(1.0 - after / before, LARGEST_BETA) for before, after in itertools.pairwise(edges))
    parts = [step / max(timesteps - 1, 1) for step in range(timesteps)]
    if schedule == "scaled_linear":
        low, high = math.sqrt(beta_start), math.sqrt(beta_end)
        return tuple((low + (high - low) * part) ** 2 for part in parts)
    return tuple(beta_start + (beta_end - beta_start) * part for part in parts)


def sigmas_of(variances: Sequence[float]) -> tuple[float, ...]:
    """The table that belongs to these β."""
    products = itertools.accumulate((1.0 - beta for beta in variances), operator.mul)
    return tuple(math.sqrt((1.0 - product) / product) for product in products)


def scaled_linear_sigmas(
    beta_start: float = 0.00085, beta_end: float = 0.012, timesteps: int = 1000
) -> tuple[float, ...]:
    """Stable Diffusion's table, of 1, 2 and XL alike; in float32 it is ComfyUI's, to the last digit."""
    return sigmas_of(betas("scaled_linear", beta_start, beta_end, timesteps))


def zero_terminal_snr(sigmas: Sequence[float]) -> tuple[float, ...]:
    """An eps or v model's table, stretched so that its last timestep is noise alone (Lin et al., arXiv:2305.08891,
    algorithm 1): √ᾱ is shifted to end at 0 and scaled to begin as before.

    Where ᾱ would be 0 it is 4.9e-8, so the largest sigma is about 4519 and not infinite.
    """
    shares = [1.0 / math.sqrt(sigma * sigma + 1.0) for sigma in sigmas]
    scale = shares[0] / (shares[0] - shares[-1])
    bars = [((share - shares[-1]) * scale) ** 2 for share in shares]
    bars[-1] = TERMINAL_ALPHA_BAR
    return tuple(math.sqrt((1.0 - bar) / bar) for bar in bars)


def distilled_sigmas(sigmas: Sequence[float], timesteps: int = 50) -> tuple[float, ...]:
    """The part of a table that a model distilled on so many evenly spaced timesteps knows, the last one included, such
    as a latent consistency model (Luo et al., arXiv:2310.04378). Their table is made of the float32 sigmas.

    A `Parameterisation` of such a table has a `stride` of `len(sigmas) // timesteps`.
    """
    stride = len(sigmas) // timesteps
    return tuple(float32(sigmas[len(sigmas) - 1 - i * stride]) for i in reversed(range(timesteps)))


def flow_sigmas(shift: float = 1.0, timesteps: int = 1000) -> tuple[float, ...]:
    """A flow model's table: evenly spaced times 1/timesteps…1, shifted towards much noise where `shift` is above 1.

    An exponential shift by μ, as Flux has it, is the shift e^μ.
    """
    return tuple(shifted((step + 1) / timesteps, shift) for step in range(timesteps))


def shifted(time: float, shift: float) -> float:
    """s·t/(1 + (s − 1)·t): the time whose odds of noise to picture are `shift` times as high (Esser et al.,
    arXiv:2403.03206, eq. 23)."""
    return shift * time / (1.0 + (shift - 1.0) * time)


def sigma_at(sigmas: Sequence[float], timestep: float, prediction: PredictionType) -> float:
    """The sigma at a fractional index into a table; below and beyond its ends, those.

    Interpolated in log σ, in float32 as other programs do, so that even at an entry this is e^(log σ) and may be off it
    by rounding. For flow models interpolated in the shift, so that it is exact between the entries of a shifted table.
    """
    if prediction == "flow":
        return sigma_at_time(sigmas, (timestep + 1.0) / len(sigmas))
    place = float32(min(max(timestep, 0.0), len(sigmas) - 1.0))
    low, high = math.floor(place), math.ceil(place)
    return exp32(mix32(log32(sigmas[low]), log32(sigmas[high]), place - low))


def sigma_at_time(sigmas: Sequence[float], time: float) -> float:
    """The sigma of a flow model at an unshifted time in 0…1: which shift the model has is read from its table."""
    index = time * len(sigmas) - 1.0
    nearest = round(index)
    if nearest >= 0 and abs(index - nearest) < 1e-9:
        return sigmas[nearest]
    last = len(sigmas) - 2  # the entry at time 1 is 1 whatever the shift
    low, high = (min(max(i, 0), last) for i in (math.floor(index), math.ceil(index)))
    part = index - math.floor(index)
    return shifted(time, _shift(sigmas, low) * (1.0 - part) + _shift(sigmas, high) * part)


def _shift(sigmas: Sequence[float], index: int) -> float:
    time, sigma = (index + 1) / len(sigmas), sigmas[index]
    return sigma * (1.0 - time) / (time * (1.0 - sigma))


def _squared_cosine(time: float) -> float:
    return math.cos((time + 0.008) / 1.008 * math.pi / 2) ** 2
