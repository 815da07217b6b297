"""DPM-Solver's single steps of order 1 to 3, and the sampler that spends a given number of evaluations on them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from sdkit.sampling.alpha import Alpha, alpha_of
from sdkit.sampling.samplers.maths import Ancestral, ancestral_step, ddim_step, phi, renoise, to_d
from sdkit.types import Step

if TYPE_CHECKING:
    import torch

    from sdkit.types import Denoiser, Noise, Prediction


class Pair(NamedTuple):
    """What one step comes to by a method and by the one of an order less, from the same evaluations."""

    x: torch.Tensor
    x_low: torch.Tensor


def dpm_solver_step(
    denoise: Denoiser, x: torch.Tensor, prediction: Prediction, sigma: float, sigma_next: float, order: int
) -> Pair:
    """A step of DPM-Solver-1, -2 or -3 (Lu et al., arXiv:2206.00927): `order` evaluations, `prediction` among them.

    Both sigmas above 0. Deviation: steps are in −log σ for flow models, too, in place of log(α/σ), where the path is
    the same. Of order 1, `x_low` is x as it was.
    """
    h, d = math.log(sigma / sigma_next), to_d(x, sigma, prediction.denoised)
    first = ddim_step(x, prediction.denoised, sigma, sigma_next)
    if order == 1:
        return Pair(first, x)
    r = 1 / order  # where in the step the second evaluation is; a third one is at 2r
    sigma_r = sigma * math.exp(-r * h)
    x_r = ddim_step(x, prediction.denoised, sigma, sigma_r)
    change = to_d(x_r, sigma_r, denoise(x_r, sigma_r).denoised) - d
    second = first + change * ((sigma_next - sigma) / (2 * r))
    if order == 2:
        return Pair(second, first)
    sigma_2r = sigma * math.exp(-2 * r * h)
    x_2r = ddim_step(x, prediction.denoised, sigma, sigma_2r) - change * (4 * r * h * phi(2, 2 * r * h) * sigma_2r)
    change = to_d(x_2r, sigma_2r, denoise(x_2r, sigma_2r).denoised) - d
    return Pair(first - change * (h * phi(2, h) * sigma_next / (2 * r)), second)


def dpm_fast(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    eta: float = 0.0,
    s_noise: float = 1.0,
    denoise_to_zero: bool = False,
) -> Iterator[Step]:
    """DPM-Solver-fast (Lu et al., arXiv:2206.00927): as many evaluations as there are steps in `sigmas`, in steps of
    order 3 and of what is left over at the end.

    Steps are evenly spaced in log σ, wherever the sigmas between the first and the last may be. They end at the last
    sigma above 0: as is the custom, its noise stays in x where a final 0 is asked for, unless `denoise_to_zero`, which
    spends the last evaluation on it. From one sigma to 0 there is only that. Deviation: with eta, flow models get the
    noise that their α asks for, not that of α = 1.
    """
    alpha, end, to_zero = alpha_of(denoise), sigmas[-1] or sigmas[-2], has_zero_step(sigmas, denoise_to_zero)
    orders = _orders(len(sigmas) - 1 - to_zero)
    path = *(sigmas[0] * (end / sigmas[0]) ** (i / len(orders)) for i in range(len(orders))), end
    names = *path[:-1], end if to_zero else sigmas[-1]
    for index, order in enumerate(orders):
        sigma, sigma_next = path[index : index + 2]
        prediction = denoise(x, sigma)
        way = ancestral_step_above(end, alpha, sigma, sigma_next, eta)
        x_down = dpm_solver_step(denoise, x, prediction, sigma, way.sigma_down, order).x
        x_next = renoise(x_down, way, sigma, sigma_next, noise, s_noise)
        step = Step(index, sigma, names[index + 1], x, prediction, x_next)
        yield step
        x = step.x
    if to_zero:
        yield zero_step(denoise, x, len(orders), end)


def has_zero_step(sigmas: tuple[float, ...], denoise_to_zero: bool) -> bool:
    """Whether there is to be a step to 0 of its own. Where nothing is before it, there must be."""
    return sigmas[-1] == 0 and (denoise_to_zero or len(sigmas) == 2)


def zero_step(denoise: Denoiser, x: torch.Tensor, index: int, sigma: float) -> Step:
    """The step to what is predicted."""
    prediction = denoise(x, sigma)
    return Step(index, sigma, 0.0, x, prediction, ddim_step(x, prediction.denoised, sigma, 0.0))


def ancestral_step_above(end: float, alpha: Alpha, sigma: float, sigma_next: float, eta: float) -> Ancestral:
    """An ancestral step whose way down stops at `end`: −log σ has no value at 0, and no step of order 2 leads there."""
    way = ancestral_step(alpha, sigma, sigma_next, eta)
    if way.sigma_down >= end:
        return way
    scale = alpha(sigma_next) / alpha(end)
    return Ancestral(end, scale, math.sqrt(max(0.0, sigma_next**2 - (scale * end) ** 2)))


def _orders(evaluations: int) -> tuple[int, ...]:
    """The orders of the steps: 3 as often as may be, and then the rest; never 3 alone at the end, so 2 and 1."""
    if evaluations == 0:
        return ()
    threes, rest = divmod(evaluations, 3)
    return (*(3,) * threes, rest) if rest else (*(3,) * (threes - 1), 2, 1)
