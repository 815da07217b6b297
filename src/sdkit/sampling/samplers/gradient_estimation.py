"""Gradient estimation: Euler's method with a slope that is extrapolated beyond the present one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from sdkit.sampling.samplers.maths import to_d, uncond_of
from sdkit.types import Step

if TYPE_CHECKING:
    import torch

    from sdkit.types import Denoiser, Noise


def gradient_estimation(
    denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], noise: Noise, /, *, ge_gamma: float = 2.0
) -> Iterator[Step]:
    """Steps along γ·(the slope now) + (1 − γ)·(the slope before) (Permenter & Yuan, arXiv:2306.04848).

    γ = 1 is Euler's method, 2 the paper's choice. Of first order, except at 1.5, where it is `ipndm` of order 2.
    """
    old_d: torch.Tensor | None = None
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        prediction = denoise(x, sigma)
        d = to_d(x, sigma, prediction.denoised)
        x_next = _step(prediction.denoised, d, old_d, sigma, sigma_next, ge_gamma)
        step = Step(index, sigma, sigma_next, x, prediction, x_next)
        yield step
        x, old_d = step.x, d


def gradient_estimation_cfg_pp(
    denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], noise: Noise, /, *, ge_gamma: float = 2.0
) -> Iterator[Step]:
    """`gradient_estimation` with slopes of the negative branch, towards the guided prediction (arXiv:2406.08070)."""
    old_d: torch.Tensor | None = None
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        prediction = denoise(x, sigma)
        d = to_d(x, sigma, uncond_of(prediction, "gradient_estimation_cfg_pp"))
        x_next = _step(prediction.denoised, d, old_d, sigma, sigma_next, ge_gamma)
        step = Step(index, sigma, sigma_next, x, prediction, x_next)
        yield step
        x, old_d = step.x, d


def _step(
    denoised: torch.Tensor, d: torch.Tensor, old_d: torch.Tensor | None, sigma: float, sigma_next: float, gamma: float
) -> torch.Tensor:
    """A step to 0 lands on the prediction, without extrapolation."""
    if sigma_next == 0:
        return denoised
    x_next = denoised + d * sigma_next
    return x_next if old_d is None else x_next + (d - old_d) * ((gamma - 1) * (sigma_next - sigma))
