"""Schedules: which sigmas a run of so many steps visits. Plain Python, so that listing and planning need no torch.

A schedule is `(steps, params, **options) → sigmas`, descending from about `params.sigma_max` and ending at 0. All of
these match the ones of the same names in other programs, where the names are from. What a run makes of them is in
`rules`, what can be cut out of them in `parts`.
"""

from __future__ import annotations

from sdkit.sampling.schedules.bounds import exponential, karras, kl_optimal, linear_quadratic, polyexponential
from sdkit.sampling.schedules.distribution import beta
from sdkit.sampling.schedules.optimised import align_your_steps
from sdkit.sampling.schedules.options import (
    AlignYourStepsOptions,
    BetaOptions,
    KarrasOptions,
    LaplaceOptions,
    LinearQuadraticOptions,
    PolyexponentialOptions,
    VpOptions,
)
from sdkit.sampling.schedules.parts import flip_sigmas, join_sigmas, split_sigmas, split_sigmas_at, step_range
from sdkit.sampling.schedules.rules import check_sigmas, sigmas_for
from sdkit.sampling.schedules.timesteps import ddim_uniform, normal, sd_turbo, sgm_uniform, simple
from sdkit.sampling.schedules.variance import laplace, vp

__all__ = [
    "AlignYourStepsOptions",
    "BetaOptions",
    "KarrasOptions",
    "LaplaceOptions",
    "LinearQuadraticOptions",
    "PolyexponentialOptions",
    "VpOptions",
    "align_your_steps",
    "beta",
    "check_sigmas",
    "ddim_uniform",
    "exponential",
    "flip_sigmas",
    "join_sigmas",
    "karras",
    "kl_optimal",
    "laplace",
    "linear_quadratic",
    "normal",
    "polyexponential",
    "sd_turbo",
    "sgm_uniform",
    "sigmas_for",
    "simple",
    "split_sigmas",
    "split_sigmas_at",
    "step_range",
    "vp",
]
