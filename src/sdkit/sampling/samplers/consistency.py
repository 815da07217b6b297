"""Samplers for distilled models that predict where the path ends, not where it points: LCM and TCD."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from sdkit.sampling.alpha import Alpha, alpha_of
from sdkit.sampling.samplers.maths import Ancestral, ddim_step, renoise
from sdkit.sigmas import scaled_linear_sigmas
from sdkit.types import Step

if TYPE_CHECKING:
    import torch

    from sdkit.types import Denoiser, Noise


def lcm(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    s_noise: float = 1.0,
    s_noise_end: float | None = None,
    noise_clip_std: float = 0.0,
) -> Iterator[Step]:
    """Latent consistency models: take the prediction, add wholly new noise (Song et al., arXiv:2303.01469, algorithm 1;
    Luo et al., arXiv:2310.04378).

    The factor on the noise goes from `s_noise` in the first step to `s_noise_end` in the last. Deviation from the
    custom: noise is clipped by each picture's own std, not by the batch's, so that a picture depends on its seed only.
    """
    alpha, last = alpha_of(denoise), len(sigmas) - 2
    end = s_noise if s_noise_end is None else s_noise_end
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        prediction = denoise(x, sigma)
        x_next = prediction.denoised
        if sigma_next > 0:
            drawn = noise(sigma, sigma_next)
            if noise_clip_std > 0:
                drawn = _clipped(drawn, noise_clip_std)
            factor = s_noise + (end - s_noise) * (index / max(last, 1))
            x_next = x_next * alpha(sigma_next) + drawn * (sigma_next * factor)
        step = Step(index, sigma, sigma_next, x, prediction, x_next)
        yield step
        x = step.x


def tcd(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    eta: float = 0.3,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """Trajectory Consistency Distillation (Zheng et al., arXiv:2402.19159): strategic stochastic sampling.

    A step to timestep t first goes to (1 − eta)·t, rounded down, then adds noise to come back; eta is the paper's γ, 0
    is DDIM. Timesteps are Stable Diffusion's 1000, on which such models were distilled; for flow models they are σ.
    """
    alpha = alpha_of(denoise)
    logs = () if alpha(1.0) == 0 else tuple(map(math.log, scaled_linear_sigmas()))  # a sampler knows no model
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        prediction = denoise(x, sigma)
        way = _strategic(alpha, logs, sigma_next, eta)
        x_down = ddim_step(x, prediction.denoised, sigma, way.sigma_down)
        x_next = renoise(x_down, way, sigma, sigma_next, noise, s_noise)
        step = Step(index, sigma, sigma_next, x, prediction, x_next)
        yield step
        x = step.x


def _strategic(alpha: Alpha, logs: tuple[float, ...], sigma_next: float, eta: float) -> Ancestral:
    """How to step to sigma_next: further down by the share `eta` of its timestep, and back up."""
    if sigma_next == 0 or eta == 0:
        return Ancestral(sigma_next, 1.0, 0.0)
    down = (1 - eta) * sigma_next
    if logs:
        timestep = _timestep(logs, math.log(sigma_next))
        # Sigmas come from tables of other precisions: a hair below a whole timestep is meant to be that one.
        below = math.floor((1 - eta) * timestep + 1e-3)
        if below > timestep - 1e-3:
            return Ancestral(sigma_next, 1.0, 0.0)
        down = math.exp(logs[below])
    scale = alpha(sigma_next) / alpha(down)
    return Ancestral(down, scale, math.sqrt(sigma_next**2 - (scale * down) ** 2))


def _timestep(logs: tuple[float, ...], log_sigma: float) -> float:
    """The timestep of a sigma, interpolated in log σ; within the table."""
    above = bisect_left(logs, log_sigma)
    if above in (0, len(logs)):
        return max(0, above - 1)
    low, high = logs[above - 1], logs[above]
    return above - 1 + (log_sigma - low) / (high - low)


def _clipped(noise: torch.Tensor, stds: float) -> torch.Tensor:
    """Noise within so many of its stds of 0, image by image."""
    limit = noise.flatten(1).std(1).reshape(-1, *(1,) * (noise.ndim - 1)) * stds
    return noise.clamp(min=-limit, max=limit)
