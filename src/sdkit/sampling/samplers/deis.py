"""DEIS: Adams–Bashforth with the slope extrapolated in another variable than the one that is integrated over."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from sdkit.sampling.samplers.adams import adams_bashforth
from sdkit.sampling.samplers.maths import integrated_lagrange, lagrange, quadrature

if TYPE_CHECKING:
    import torch

    from sdkit.types import Denoiser, Noise, Step

DeisMode = Literal["tab", "rhoab"]

_TAB_POINTS = 10_000
_BETA_D = 2 * (math.log1p(0.002**2) / 1e-3 - math.log1p(80.0**2)) / (1e-3 - 1)
_BETA_MIN = math.log1p(80.0**2) - _BETA_D / 2
"""Time t of the variance-preserving process, σ² = exp(β_d·t²/2 + β_min·t) − 1, such that σ is 0.002 at t = 0.001 and 80
at t = 1 (Karras et al., arXiv:2206.00364, table 1)."""


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

    Then made what a sum over 10 000 equidistant t is that counts both ends fully, because the weights of samplers of
    this name are tabulated so everywhere: 1e-4 of the end points' terms more than the integral (by the formula of Euler
    and Maclaurin).
    """
    sigma = nodes[0]
    if len(nodes) == 1:
        return (sigma_next - sigma,)
    times = [_time(node) for node in nodes]
    # In log σ, all that is integrated is smooth at every σ > 0, on pieces of this length to fourteen digits.
    pieces = math.ceil(2 * math.log(sigma / sigma_next))
    edges = [math.log(sigma) + math.log(sigma_next / sigma) * i / pieces for i in range(pieces + 1)]
    rows = [
        [math.exp(at) * weight * share for share in lagrange(times, _time(math.exp(at)))]
        for start, end in pairwise(edges)
        for at, weight in quadrature(start, end)
    ]
    time_next = _time(sigma_next)
    half_step = (time_next - times[0]) / (_TAB_POINTS - 1) / 2
    for s, t in ((sigma, times[0]), (sigma_next, time_next)):
        dsigma_dt = (_BETA_MIN + _BETA_D * t) * (1 + s * s) / (2 * s)
        rows.append([half_step * dsigma_dt * share for share in lagrange(times, t)])
    return tuple((1 - 1 / _TAB_POINTS) * math.fsum(column) for column in zip(*rows, strict=True))


def _time(sigma: float) -> float:
    return (math.sqrt(_BETA_MIN**2 + 2 * _BETA_D * math.log1p(sigma**2)) - _BETA_MIN) / _BETA_D
