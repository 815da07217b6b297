"""Noise masks that need more than the library's: masks that change on the way, and noise of their own outside."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import torch

from sdkit.hookspecs import hookimpl
from sdkit.sampling import parameterisation

if TYPE_CHECKING:
    from sdkit.types import Denoiser, Prediction, Run

MaskAt: TypeAlias = "Callable[[torch.Tensor, float, Run], torch.Tensor]"
"""`(mask, sigma, run)` → the mask at this sigma."""


class Masks:
    """A plugin for one run that keeps the initial latents where a mask is 0, as the built-in one does.

    `mask`: `[1 or B, 1, h, w]`. `changing`: what it is at a sigma. `seed`: of the noise that the kept part has, where
    it is not the run's.
    """

    def __init__(self, mask: torch.Tensor, changing: MaskAt | None = None, seed: int | None = None) -> None:
        self._mask, self._changing, self._seed = mask, changing, seed

    @hookimpl
    def wrap_denoiser(self, run: Run) -> Callable[[Denoiser], Denoiser]:
        """Around every evaluation."""
        init, noise = run.init, run.noise
        assert init is not None, "LATENTs are always given to start from"
        assert noise is not None, "known from the sampling stage on"
        rules, fixed = parameterisation(run.spec), self._mask.to(noise)
        if self._seed is not None:
            noise = torch.randn(noise.shape, generator=torch.Generator().manual_seed(self._seed)).to(noise)

        def wrap(denoise: Denoiser) -> Denoiser:
            def masked(x: torch.Tensor, sigma: float, /) -> Prediction:
                mask = fixed if self._changing is None else self._changing(fixed, sigma, run)
                made = denoise(x * mask + rules.add_noise(init, noise, sigma) * (1 - mask), sigma)
                return replace(made, denoised=made.denoised * mask + init * (1 - mask))

            return masked

        return wrap


def differential(strength: float) -> MaskAt:
    """Differential diffusion: each place changes from the step on at which the mask is above what is left of the way
    (Levin & Fried, arXiv:2306.00950). `strength` below 1 blends that with the mask as it is; 0 counts as 1."""

    def mask_at(mask: torch.Tensor, sigma: float, run: Run) -> torch.Tensor:
        rules = parameterisation(run.spec)
        start, end, now = (
            rules.timestep(each) for each in (run.sigmas[0], max(run.sigmas[-1], rules.sigma_min), sigma)
        )
        left = (now - end) / (start - end) if start != end else math.nan
        sharp = (mask >= left).to(mask)
        return sharp if strength in (0.0, 1.0) else strength * sharp + (1.0 - strength) * mask

    return mask_at
