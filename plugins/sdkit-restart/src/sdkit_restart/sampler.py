"""Restart sampling: Xu, Deng, Cheng, Tian, Liu and Jaakkola, arXiv:2306.14878.

Solving the ODE is accurate step by step, but errors add up; adding noise at every step, as SDE samplers do, washes
errors out, but makes every step less accurate. Restart does one after the other: solve down to t_min; add, at once,
noise that leads back to t_max; solve down again; K times.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from sdkit.sampling import SeededNoise, alpha_of, ddim_step, to_d
from sdkit.types import Step
from sdkit_restart.segments import STABLE_DIFFUSION, Segment, pieces

if TYPE_CHECKING:
    import torch

    from sdkit.sampling import Alpha
    from sdkit.types import BoundSampler, Denoiser, Noise, Run


def restart(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    segments: tuple[Segment, ...] = STABLE_DIFFUSION,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """The paper's sampler: Heun's method with restarts (algorithm 2).

    Evaluates 2·(steps + Σ (points − 1)·restarts) times, once less if the last sigma is 0.
    """
    return with_restarts(heun, segments, noise, s_noise)(denoise, x, sigmas)


def with_restarts(
    sampler: BoundSampler, segments: tuple[Segment, ...], noise: Noise, s_noise: float = 1.0
) -> BoundSampler:
    """`sampler`, called anew for every descent: down to t_min, then from t_max for every restart, then on from t_min.

    The first step of a restart leads from the state at t_min, over the noise, to the second sigma of the descent,
    which usually is above t_min; its prediction is the one made at t_max.
    """

    def restarting(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...]) -> Iterator[Step]:
        alpha, sigma, index = alpha_of(denoise), sigmas[0], 0
        for piece in pieces(sigmas, segments):
            start = x if piece[0] == sigma else add_noise(x, sigma, piece[0], alpha, noise, s_noise)
            for inner in sampler(denoise, start, piece):
                step = replace(inner, index=index, sigma=sigma, x_in=x)
                yield step
                x = inner.x = step.x
                sigma, index = step.sigma_next, index + 1

    return restarting


def add_noise(
    x: torch.Tensor, sigma: float, above: float, alpha: Alpha, noise: Noise, s_noise: float = 1.0
) -> torch.Tensor:
    """x at `sigma` → x at `above`: for α = 1, x + √(above² − sigma²)·noise (arXiv:2306.14878, section 3.1).

    For other α, x is scaled to what it is to be at `above`, and the noise makes up the difference.
    """
    scale = alpha(above) / alpha(sigma)
    return x * scale + noise(above, sigma) * (s_noise * math.sqrt(above**2 - (scale * sigma) ** 2))


def noise_of(run: Run) -> SeededNoise:
    """White noise for restarts around another sampler, each image's from its own seed.

    Not `noise_for(run, "white")`: the sampler inside draws from that very sequence, and noise must not come twice.
    """
    seeds = [random.Random(f"restart {seed}").getrandbits(63) for seed in run.seeds]
    return SeededNoise(seeds, run.shape[1:], run.model.device)


def heun(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...]) -> Iterator[Step]:
    """Heun's method for the probability-flow ODE, second order (arXiv:2206.00364, algorithm 1)."""
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        prediction = denoise(x, sigma)
        x_next = ddim_step(x, prediction.denoised, sigma, sigma_next)
        if sigma_next > 0:
            d = to_d(x, sigma, prediction.denoised)
            d_next = to_d(x_next, sigma_next, denoise(x_next, sigma_next).denoised)
            x_next = x + (d + d_next) * ((sigma_next - sigma) / 2)
        yield (step := Step(index, sigma, sigma_next, x, prediction, x_next))
        x = step.x
