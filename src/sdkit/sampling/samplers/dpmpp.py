"""DPM-Solver++: exponential integrators in λ = −log σ that use earlier predictions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from sdkit.sampling.samplers.maths import ddim_step, uncond_of
from sdkit.types import Step

if TYPE_CHECKING:
    import torch

    from sdkit.types import Denoiser, Noise


def dpmpp_2m(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], noise: Noise, /) -> Iterator[Step]:
    """DPM-Solver++(2M): second order, one evaluation a step (Lu et al., arXiv:2211.01095, algorithm 2).

    Deviations: λ is −log σ for flow models too, in place of log(α/σ); the last step, to 0, is of first order.
    """
    earlier: tuple[torch.Tensor, float] | None = None  # the prediction before, and the λ that was stepped since
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        prediction = denoise(x, sigma)
        target, h = prediction.denoised, math.log(sigma / sigma_next) if sigma_next > 0 else math.inf
        if earlier is not None and sigma_next > 0:
            denoised_before, h_before = earlier
            half_ratio = h / (2 * h_before)
            target = (1 + half_ratio) * target - half_ratio * denoised_before
        earlier = prediction.denoised, h
        step = Step(index, sigma, sigma_next, x, prediction, ddim_step(x, target, sigma, sigma_next))
        yield step
        x = step.x


def dpmpp_2m_cfg_pp(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], noise: Noise, /) -> Iterator[Step]:
    """`dpmpp_2m` with CFG++ (Chung et al., arXiv:2406.08070): the noise that it keeps is the negative branch's.

    Deviation: what it extrapolates is the way from the negative branch's prediction before to the guided one now.
    """
    earlier: tuple[torch.Tensor, float] | None = None  # the negative prediction before, and the λ stepped since
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        prediction = denoise(x, sigma)
        denoised, uncond = prediction.denoised, uncond_of(prediction, "dpmpp_2m_cfg_pp")
        x_next = denoised + (x - uncond) * (sigma_next / sigma)
        h = math.log(sigma / sigma_next) if sigma_next > 0 else math.inf
        if earlier is not None and sigma_next > 0:
            uncond_before, h_before = earlier
            x_next = x_next + (denoised - uncond_before) * (-math.expm1(-h) * h / (2 * h_before))
        earlier = uncond, h
        step = Step(index, sigma, sigma_next, x, prediction, x_next)
        yield step
        x = step.x
