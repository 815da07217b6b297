"""Masked img2img: the model sees the kept part as the initial image with noise, and its answer there is replaced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from sdkit.hookspecs import hookimpl
from sdkit.sampling import parameterisation

if TYPE_CHECKING:
    import torch

    from sdkit.types import Denoiser, Prediction, Run


@hookimpl
def wrap_denoiser(run: Run) -> Callable[[Denoiser], Denoiser] | None:
    """Keep the initial image where the mask is 0; between 0 and 1 the two mix.

    Only `denoised` is replaced: `cond` and `uncond` stay what the branches predicted.
    """
    init, mask, noise = run.init, run.mask, run.noise
    if init is None or mask is None:
        return None
    assert noise is not None, "known from the sampling stage on"
    forward = parameterisation(run.spec)
    kept = init * (1 - mask)

    def wrap(denoise: Denoiser) -> Denoiser:
        def masked(x: torch.Tensor, sigma: float, /) -> Prediction:
            prediction = denoise(x * mask + forward.add_noise(init, noise, sigma) * (1 - mask), sigma)
            return replace(prediction, denoised=prediction.denoised * mask + kept)

        return masked

    return wrap
