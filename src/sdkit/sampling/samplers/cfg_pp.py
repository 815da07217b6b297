"""CFG++ (Chung et al., arXiv:2406.08070): denoise as guided, but put back the noise that the negative branch sees.

Guided steps alone leave the manifold that the model knows, since noise, too, is extrapolated; here only the answer is.
Where the branches agree, guidance changes nothing and Euler's steps are the plain ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from sdkit.sampling.alpha import alpha_of
from sdkit.sampling.samplers.dpm2 import dpmpp_2s
from sdkit.sampling.samplers.maths import ancestral_step, ddim_noise, ddim_step, renoise, to_d, uncond_of, unit_alpha
from sdkit.types import Step

if TYPE_CHECKING:
    import torch

    from sdkit.types import Denoiser, Noise


def euler_cfg_pp(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], noise: Noise, /) -> Iterator[Step]:
    """CFG++ with Euler's steps, no noise added."""
    return _euler(denoise, x, sigmas, noise, 0.0, 0.0, "euler_cfg_pp")


def euler_ancestral_cfg_pp(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """CFG++ with Euler's steps and new noise as in DDIM at this eta (arXiv:2010.02502, eq. 16)."""
    return _euler(denoise, x, sigmas, noise, eta, s_noise, "euler_ancestral_cfg_pp")


def dpmpp_2s_ancestral_cfg_pp(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    revised: bool = False,
) -> Iterator[Step]:
    """CFG++ with DPM-Solver++(2S); two evaluations a step, one in the last to 0.

    The paper has first-order steps only. The custom's second evaluation supplies the guided prediction and the negative
    one, while the guided one that the latter is subtracted from is the first's: even where the branches agree this is
    not dpmpp_2s_ancestral, does not converge, and takes α to be 1. `revised` is its later form: the negative branch's
    own step, moved by what guidance added to the first prediction. It is of second order, and right for flow models.
    """
    name = "dpmpp_2s_ancestral_cfg_pp"
    alpha = alpha_of(denoise)

    def negative(x: torch.Tensor, sigma: float) -> torch.Tensor:
        return uncond_of(denoise(x, sigma), name)

    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        prediction = denoise(x, sigma)
        uncond = uncond_of(prediction, name)
        way = ancestral_step(alpha if revised else unit_alpha, sigma, sigma_next, eta)
        if way.sigma_down == 0:
            x_next = renoise(prediction.denoised, way, sigma, sigma_next, noise, s_noise)
        elif revised:
            x_down = dpmpp_2s(negative, alpha, x, uncond, sigma, way.sigma_down)
            x_next = renoise(x_down, way, sigma, sigma_next, noise, s_noise)
            x_next = x_next + (prediction.denoised - uncond) * alpha(sigma_next)
        else:
            middle = math.sqrt(sigma * way.sigma_down)
            halfway = denoise(prediction.denoised + to_d(x, sigma, uncond) * middle, middle)
            moved = x + (prediction.denoised - uncond_of(halfway, name))
            x_down = ddim_step(moved, halfway.denoised, sigma, way.sigma_down)
            x_next = renoise(x_down, way, sigma, sigma_next, noise, s_noise)
        step = Step(index, sigma, sigma_next, x, prediction, x_next)
        yield step
        x = step.x


def _euler(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    eta: float,
    s_noise: float,
    name: str,
) -> Iterator[Step]:
    alpha = alpha_of(denoise)
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        prediction = denoise(x, sigma)
        seen = to_d(x, sigma, uncond_of(prediction, name) * alpha(sigma))  # the noise that the negative branch sees
        kept, renewed = ddim_noise(alpha, sigma, sigma_next, eta)
        x_next = prediction.denoised * alpha(sigma_next) + seen * kept
        if renewed > 0 and s_noise > 0:
            x_next = x_next + noise(sigma, sigma_next) * (renewed * s_noise)
        step = Step(index, sigma, sigma_next, x, prediction, x_next)
        yield step
        x = step.x
