"""RES: a multistep exponential integrator of second order, its ancestral variant, and both with CFG++."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from sdkit.sampling.samplers.maths import ancestral_step, ddim_step, phi, uncond_of
from sdkit.types import Step

if TYPE_CHECKING:
    import torch

    from sdkit.types import Denoiser, Noise


def res_multistep(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], noise: Noise, /) -> Iterator[Step]:
    """Refined exponential solver, multistep (Zhang et al., arXiv:2308.02157): second order, one evaluation a step."""
    return _res(denoise, x, sigmas, noise, eta=0.0, s_noise=0.0)


def res_multistep_ancestral(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """`res_multistep` past each sigma, then new noise to come back to it."""
    return _res(denoise, x, sigmas, noise, eta=eta, s_noise=s_noise)


def res_multistep_cfg_pp(
    denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], noise: Noise, /
) -> Iterator[Step]:
    """`res_multistep` of the negative branch, towards the guided prediction (Chung et al., arXiv:2406.08070)."""
    return _res(denoise, x, sigmas, noise, eta=0.0, s_noise=0.0, cfg_pp="res_multistep_cfg_pp")


def res_multistep_ancestral_cfg_pp(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """`res_multistep_cfg_pp` past each sigma, then new noise to come back to it."""
    return _res(denoise, x, sigmas, noise, eta=eta, s_noise=s_noise, cfg_pp="res_multistep_ancestral_cfg_pp")


def _res(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    *,
    eta: float,
    s_noise: float,
    cfg_pp: str = "",
) -> Iterator[Step]:
    """All four. `cfg_pp`: the name of a CFG++ sampler, whose `target` is what the negative branch predicts."""
    earlier: tuple[torch.Tensor, float] | None = None  # the target before, and the λ that was stepped since
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        prediction = denoise(x, sigma)
        target = uncond_of(prediction, cfg_pp) if cfg_pp else prediction.denoised
        # As for α = 1 even where it is not: x of flow models gets the right noise, but keeps more of the clean latents
        # than 1 − σ. Kept, because this is what samplers of this name compute everywhere.
        sigma_down, _, sigma_up = ancestral_step(lambda _: 1.0, sigma, sigma_next, eta)
        h = math.log(sigma / sigma_down) if sigma_down > 0 else math.inf
        if sigma_down == 0 or earlier is None:
            x_next = prediction.denoised + (x - target) * (sigma_down / sigma)
        else:
            old_target, old_h = earlier
            # Added before the step, guidance shrinks with x, unlike in the first step; the custom everywhere.
            guided = x + (prediction.denoised - target) if cfg_pp else x
            slope = (target - old_target) / old_h  # dD/dλ
            x_next = ddim_step(guided, target, sigma, sigma_down) + slope * (h**2 * phi(2, -h))
        if sigma_up > 0:
            x_next = x_next + noise(sigma, sigma_next) * (sigma_up * s_noise)
        earlier = target, h
        step = Step(index, sigma, sigma_next, x, prediction, x_next)
        yield step
        x = step.x
