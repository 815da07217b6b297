"""DDIM, and DDPM's ancestral sampling, of which it is the generalisation."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from sdkit.sampling.alpha import alpha_of
from sdkit.sampling.samplers.maths import ancestral_step, ddim_noise, ddim_step, renoise, to_d, unit_alpha
from sdkit.types import Step

if TYPE_CHECKING:
    import torch

    from sdkit.types import Denoiser, Noise


def ddim(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    eta: float = 0.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """DDIM (Song et al., arXiv:2010.02502, eq. 12 and 16): Euler's method at eta 0, new noise in each step above.

    For flow models, too: the share of the noise to renew is found from the signal-to-noise ratios of both ends.
    """
    alpha = alpha_of(denoise)
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        prediction = denoise(x, sigma)
        kept, renewed = ddim_noise(alpha, sigma, sigma_next, eta)
        if renewed == 0:
            x_next = ddim_step(x, prediction.denoised, sigma, sigma_next)
        else:
            in_x = to_d(x, sigma, prediction.denoised * alpha(sigma))
            x_next = prediction.denoised * alpha(sigma_next) + in_x * kept
            x_next = x_next + noise(sigma, sigma_next) * (renewed * s_noise)
        step = Step(index, sigma, sigma_next, x, prediction, x_next)
        yield step
        x = step.x


def ddpm(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], noise: Noise, /) -> Iterator[Step]:
    """Ancestral sampling (Ho et al., arXiv:2006.11239, algorithm 2), with the posterior's variance: DDIM at eta 1.

    It knows no other latents than DDPM's: those of flow models are treated as if α were 1, as is the custom, and come
    out with the wrong variance. Use `euler_ancestral` for them.
    """
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        prediction = denoise(x, sigma)
        way = ancestral_step(unit_alpha, sigma, sigma_next, 1.0)
        x_down = ddim_step(x, prediction.denoised, sigma, way.sigma_down)
        step = Step(
            index, sigma, sigma_next, x, prediction, renoise(x_down, way, sigma, sigma_next, noise, s_noise=1.0)
        )
        yield step
        x = step.x
