"""DEIS: Adams–Bashforth with the slope extrapolated in another variable than the one that is integrated over."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, cast

import torch

from sdkit.sampling.samplers.adams import adams_bashforth
from sdkit.sampling.samplers.maths import integrated_lagrange
from sdkit.types import Denoiser, Noise, Step

DeisMode = Literal["tab", "rhoab"]

_TAB_POINTS = 10_000
_BETA_AT_START = 0.004053106997162104
"""log(1 + 0.002²)/0.001 as it comes out in float32, where 1 + 0.002² is rounded: 1.3 % too large."""
_BETA_D = 2 * (_BETA_AT_START - math.log1p(80.0**2)) / (1e-3 - 1)
_BETA_MIN = math.log1p(80.0**2) - _BETA_D / 2
"""Time t of the variance-preserving process, σ² = exp(β_d·t²/2 + β_min·t) − 1, such that σ is 0.002 at t = 0.001 and 80
at t = 1 (Karras et al., arXiv:2206.00364, table 1), but for that rounding."""


def deis(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    max_order: int = 3,
    deis_mode: DeisMode = "tab",
) -> Iterator[Step]:
    """Diffusion exponential integrator sampler (Zhang & Chen, arXiv:2204.13902): tAB-DEIS, or ρAB-DEIS.

    "tab" takes the slope for a polynomial in the time t of the variance-preserving process, and "rhoab" for one in σ,
    as `lms` does, with which it agrees.
    """
    return adams_bashforth(denoise, x, sigmas, max_order, _tab if deis_mode == "tab" else integrated_lagrange)


def _tab(nodes: tuple[float, ...], sigma_next: float) -> tuple[float, ...]:
    """∫ of each Lagrange polynomial in t over σ, from `nodes[0]` to sigma_next.

    It is a sum over 10 000 equidistant t, both ends counted fully, in float32, because the weights of samplers of this
    name are tabulated so everywhere. Where nodes are close together, weights are large and cancel, so that the exact
    integral leads to an x that differs by up to 1e-5 of it.
    """
    if len(nodes) == 1:
        return (sigma_next - nodes[0],)
    start, end = _time(nodes[0]), _time(sigma_next)
    t = torch.linspace(start, end, _TAB_POINTS, dtype=torch.float32, device="cpu")
    kept = torch.exp(-0.5 * t**2 * _BETA_D - t * _BETA_MIN)  # ᾱ = 1/(1 + σ²)
    one = 1 / kept * kept  # but for the rounding of log ᾱ's derivative
    slope = 0.5 * (one * _BETA_D * t + one * _BETA_MIN) / torch.sqrt(kept * (1 - kept))  # dσ/dt
    times = [_time(node) for node in nodes]
    width = (end - start) / _TAB_POINTS
    sums: list[float] = []
    for j, own in enumerate(times):
        share = torch.ones_like(t)
        for other in (*times[:j], *times[j + 1 :]):
            share = share * ((t - other) / (own - other))
        total = cast("list[float]", (slope * share).sum(0, keepdim=True).tolist())  # pyright: ignore[reportUnknownMemberType]
        sums.append(total[0] * width)
    return tuple(sums)


def _time(sigma: float) -> float:
    return (math.sqrt(_BETA_MIN**2 + 2 * _BETA_D * math.log1p(sigma**2)) - _BETA_MIN) / _BETA_D
