"""Schedules made for noise that is added to the picture; flow models get the same ratios of noise to picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sdkit.rounding import exp32, float32, log32, ramp32

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sdkit.types import ScheduleParams

CLOSE_TO_ZERO = 1e-5


def vp(
    steps: int, params: ScheduleParams, beta_d: float = 19.9, beta_min: float = 0.1, eps_s: float = 1e-3
) -> tuple[float, ...]:
    """The variance-preserving process at even times from 1 to `eps_s`, then 0 (Song et al., arXiv:2011.13456; as a
    schedule in Karras et al., arXiv:2206.00364, table 1).

    The model's own sigmas do not count: with the defaults this starts at 152.
    """
    logs: list[float] = []
    for time in ramp32(1.0, eps_s, steps):
        growing, constant = float32(beta_d) * float32(time * time), float32(beta_min) * time
        logs.append(float32(float32(growing) / 2 + float32(constant)))
    return for_model([math.sqrt(float32(math.expm1(log))) for log in logs], params)


def laplace(steps: int, params: ScheduleParams, mu: float = 0.0, beta: float = 0.5) -> tuple[float, ...]:
    """log σ at even quantiles of the Laplace distribution around `mu` of width `beta`, then 0 (Hang & Gu,
    arXiv:2407.03297).

    What is beyond the model's sigmas is brought back to them, and each end visited once, so that there may be fewer
    steps than asked for.
    """
    logs: list[float] = []
    for part in ramp32(0.0, 1.0, steps):
        left = float32(1.0 - 2.0 * float32(abs(0.5 - part)))
        tail = log32(float32(left + float32(CLOSE_TO_ZERO))) if part != 0.5 else 0.0
        far = float32(float32(beta) * tail)
        logs.append(float32(float32(mu) + (far if part > 0.5 else -far)))
    sigmas = [exp32(log) for log in logs]
    if params.prediction != "flow":
        low, high = float32(params.sigma_min), float32(params.sigma_max)
        sigmas = [min(max(sigma, low), high) for sigma in sigmas]
    return for_model(dict.fromkeys(sigmas), params)


def for_model(sigmas: Iterable[float], params: ScheduleParams) -> tuple[float, ...]:
    """These sigmas, then 0; for flow models the times with the same ratios of noise to picture, from the largest on.

    x = picture + σ·noise has the ratios of x = (1 − t)·picture + t·noise at t = σ/(1 + σ).
    """
    if params.prediction == "flow":
        times = [sigma / (1.0 + sigma) for sigma in sigmas]
        return (params.sigma_max, *times[1:], 0.0)
    return (*map(float32, sigmas), 0.0)
