"""Gives a scheduler the run's sigmas: replaces the tables that its `set_timesteps` would compute from betas.

Tables stay on the CPU in float64: schedulers read single numbers from them, which then wait for no device, and do not
change the latents' dtype.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch

from sdkit.errors import SamplingError

if TYPE_CHECKING:
    from sdkit_diffusers_schedulers.catalogue import Scheduler

NEARLY_ONE = 1.0 - 1e-6
"""The largest sigma of flow models that schedulers get: at 1 there is nothing of the latents, and log α is infinite."""

AT_THE_END = ("HeunDiscreteScheduler", "FlowMatchHeunDiscreteScheduler", "PNDMScheduler")
"""Schedulers that evaluate again at the end of a step; others do so in the middle of it, in log σ."""


def fill(
    scheduler: Scheduler, made: Any, sigmas: Sequence[float], flow: bool, device: torch.device
) -> list[float | int]:
    """Set the tables for `len(sigmas) - 1` steps; returns the timestep of each step, as `step` wants it."""
    steps = len(sigmas) - 1
    if scheduler.tables == "alphas":
        return _fill_alphas(made, sigmas)
    if scheduler.tables == "trained":
        return _fill_trained(scheduler, made, sigmas)
    if scheduler.name != "LTXEulerAncestralRFScheduler":  # which has nothing to set up
        made.set_timesteps(steps)
    if scheduler.tables == "betas":
        made.alphas = _table([1 / math.hypot(1, sigma) for sigma in sigmas])
        made.betas = _table([sigma / math.hypot(1, sigma) for sigma in sigmas])
    elif scheduler.tables == "pairs":
        _fill_pairs(made, sigmas)
    else:
        made.sigmas = _table([min(sigma, NEARLY_ONE) for sigma in sigmas] if flow else sigmas)
    timesteps = (
        _training_timesteps(made, sigmas[:-1]) if "tau" in scheduler.options.model_fields else range(steps, 0, -1)
    )
    made.timesteps = _table(timesteps)
    if scheduler.name == "LTXEulerAncestralRFScheduler":  # which makes vectors of them, and waits for each
        made.sigmas = made.sigmas.to(device)
    made.set_begin_index(0)
    made.is_scale_input_called = True  # scaling is sdkit's
    if hasattr(made, "noise_sampler"):
        made.noise_sampler = None
    return [float(timestep) for timestep in timesteps]


def midpoints(scheduler: Scheduler, sigmas: Sequence[float]) -> list[float | None]:
    """The sigma of each step's second evaluation; None where it has none, as in the last step to 0."""
    found: list[float | None] = []
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        if sigma_next == 0 or not _evaluates_twice(scheduler, index):
            found.append(None)
        elif scheduler.name in AT_THE_END:
            found.append(sigma_next)
        else:
            down = _down(sigma, sigma_next) if "Ancestral" in scheduler.name else sigma_next
            found.append(math.sqrt(sigma * down))
    return found


def _evaluates_twice(scheduler: Scheduler, index: int) -> bool:
    return scheduler.tables == "pairs" or (scheduler.name == "PNDMScheduler" and index == 0)


def _fill_pairs(made: Any, sigmas: Sequence[float]) -> None:
    """Step i's first evaluation is at 2i, the second at 2i + 1; either finds the step's sigmas at 2i and 2i + 1."""
    made.sigmas = _table([sigmas[0], *(sigma for sigma in sigmas[1:] for _ in range(2))])
    downs = [_down(sigma, sigma_next) for sigma, sigma_next in pairwise(sigmas)]
    if hasattr(made, "sigmas_down"):
        made.sigmas_down = _twice(downs)
        made.sigmas_up = _twice([_up(sigma, sigma_next) for sigma, sigma_next in pairwise(sigmas)])
        made.sigmas_interpol = _twice([math.sqrt(sigma * down) for sigma, down in zip(sigmas, downs, strict=False)])
    elif hasattr(made, "sigmas_interpol"):
        made.sigmas_interpol = _twice([math.sqrt(sigma * sigma_next) for sigma, sigma_next in pairwise(sigmas)])


def _up(sigma: float, sigma_next: float) -> float:
    return sigma_next * math.sqrt(1 - (sigma_next / sigma) ** 2)


def _down(sigma: float, sigma_next: float) -> float:
    """Where ancestral sampling denoises to (arXiv:2006.11239)."""
    return sigma_next**2 / sigma


def _fill_alphas(made: Any, sigmas: Sequence[float]) -> list[float | int]:
    """As if the model had been trained at the run's sigmas and at no others: all timesteps there are, one apart."""
    known = [sigma for sigma in reversed(sigmas) if sigma > 0]
    made.set_timesteps(len(known))
    made.alphas_cumprod = _table([_alpha_bar(sigma) for sigma in known])
    made.final_alpha_cumprod = made.one = torch.ones((), dtype=torch.float64)
    return list(range(len(known) - 1, len(known) - len(sigmas), -1))


def _fill_trained(scheduler: Scheduler, made: Any, sigmas: Sequence[float]) -> list[float | int]:
    """The run's sigmas at the nearest training timesteps, the others' in proportion; the last sigma, if 0, at 0."""
    trained: list[float] = ((1 - made.alphas_cumprod.double()) / made.alphas_cumprod.double()).sqrt().tolist()
    places: list[int] = []
    for near in _training_timesteps(made, [sigma for sigma in sigmas if sigma > 0]):
        places.append(min(round(near), places[-1] - 1 if places else len(trained) - 1))
    floor = 1 if sigmas[-1] == 0 else 0
    for i in range(len(places) - 1, -1, -1):  # where they crowd towards the end, up again
        places[i] = floor = max(places[i], floor)
        floor += 1
    if places[0] >= len(trained):
        raise SamplingError(
            f"diffusers' {scheduler.name} knows {len(trained)} timesteps: too few for {len(sigmas)} steps"
        )
    factors = [math.log(sigma / trained[place]) for sigma, place in zip(sigmas, places, strict=False)]
    factor_at = _interpolate(places[::-1], factors[::-1], len(trained))
    table = _table([_alpha_bar(sigma * math.exp(factor)) for sigma, factor in zip(trained, factor_at, strict=True)])
    if sigmas[-1] == 0:
        table[0] = 1.0
    made.alphas_cumprod = table.flip(0).cummax(0).values.flip(0)
    made.timesteps = torch.tensor(places)
    made.num_inference_steps = len(places)
    made.set_begin_index(0)
    return list(places[: len(sigmas) - 1])


def _training_timesteps(made: Any, sigmas: Sequence[float]) -> list[float]:
    """Where sigmas lie among those of the scheduler's training, interpolated in log σ."""
    alphas = made.alphas_cumprod.double()
    logs: list[float] = ((1 - alphas) / alphas).sqrt().log().tolist()
    found: list[float] = []
    for sigma in sigmas:
        log = min(max(math.log(sigma), logs[0]), logs[-1])
        low = max(i for i, known in enumerate(logs[:-1]) if known <= log)
        found.append(low + (log - logs[low]) / (logs[low + 1] - logs[low]))
    return found


def _interpolate(places: Sequence[int], values: Sequence[float], count: int) -> list[float]:
    """Linear between the places, constant beyond them, at 0 to count − 1."""
    found = [values[0]] * places[0]
    for (left, right), (value, value_next) in zip(pairwise(places), pairwise(values), strict=True):
        found += [value + (value_next - value) * i / (right - left) for i in range(right - left)]
    return found + [values[-1]] * (count - places[-1])


def _alpha_bar(sigma: float) -> float:
    return 1 / (1 + sigma * sigma)


def _twice(values: Sequence[float]) -> torch.Tensor:
    return _table([value for value in values for _ in range(2)])


def _table(values: Sequence[float]) -> torch.Tensor:
    return torch.tensor(list(values), dtype=torch.float64)
