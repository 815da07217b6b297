"""DPM-Solver's single steps of order 1 to 3, and the sampler that spends a given number of evaluations on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple, cast

import torch

from sdkit.rounding import float32, ramp32
from sdkit.sampling.alpha import Alpha, alpha_of
from sdkit.sampling.samplers.maths import Ancestral, ancestral_step, ddim_step, renoise, to_d
from sdkit.types import Denoiser, Noise, Prediction, Step


class Arithmetic(NamedTuple):
    """How a step's scalars are computed: how the result of each operation is rounded, and the functions."""

    rounded: Callable[[float], float]
    exp: Callable[[float], float]
    expm1: Callable[[float], float]
    log: Callable[[float], float]


def _of_torch(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[float], float]:
    """A function as torch has it in float32 on the processor, which is one unit off in the last place now and then."""

    def at(number: float) -> float:
        made = function(torch.tensor([number], dtype=torch.float32, device="cpu"))
        values = cast("list[float]", made.tolist())  # pyright: ignore[reportUnknownMemberType]  # untyped in torch
        return values[0]

    return at


DOUBLE = Arithmetic(float, math.exp, math.expm1, math.log)
SINGLE = Arithmetic(float32, _of_torch(torch.exp), _of_torch(torch.expm1), _of_torch(torch.log))


class Pair(NamedTuple):
    """What one step comes to by a method and by the one of an order less, from the same evaluations."""

    x: torch.Tensor
    x_low: torch.Tensor


def dpm_solver_step(
    denoise: Denoiser,
    x: torch.Tensor,
    prediction: Prediction,
    t: float,
    t_next: float,
    order: int,
    arithmetic: Arithmetic = DOUBLE,
) -> Pair:
    """A step of DPM-Solver-1, -2 or -3 (Lu et al., arXiv:2206.00927): `order` evaluations, `prediction` among them.

    From t to t_next, both −log σ, by coefficients that are computed in `arithmetic`. Deviation: steps are in −log σ for
    flow models, too, in place of log(α/σ), where the path is the same. Of order 1, `x_low` is x as it was.
    """
    rounded, exp, expm1, _ = arithmetic

    def sigma_at(t: float) -> float:
        return exp(-t)

    def bend(h: float) -> float:
        """expm1(h)/h − 1, about h/2: the share of a step that its slope's change counts for."""
        return rounded(rounded(expm1(h) / h) - 1) if h else 0.0

    h, sigma_next, d = rounded(t_next - t), sigma_at(t_next), to_d(x, sigma_at(t), prediction.denoised)
    first = x - d * rounded(sigma_next * expm1(h))
    if order == 1:
        return Pair(first, x)
    r, r2 = rounded(1 / order), rounded(2 / order)  # where in the step the second evaluation is, and a third one
    h_r = rounded(r * h)
    sigma_r = sigma_at(rounded(t + h_r))
    x_r = x - d * rounded(sigma_r * expm1(h_r))
    change = to_d(x_r, sigma_r, denoise(x_r, sigma_r).denoised) - d
    scale = rounded(sigma_next / r2)
    second = first - change * rounded(scale * expm1(h))
    if order == 2:
        return Pair(second, first)
    h_2r = rounded(r2 * h)
    sigma_2r = sigma_at(rounded(t + h_2r))
    x_2r = x - d * rounded(sigma_2r * expm1(h_2r)) - change * rounded(2 * sigma_2r * bend(h_2r))
    change = to_d(x_2r, sigma_2r, denoise(x_2r, sigma_2r).denoised) - d
    return Pair(first - change * rounded(scale * bend(h)), second)


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

    Times and coefficients are float32's, operation by operation, as they are everywhere: expm1(h)/h − 1 cancels, so
    that exact ones lead to an x that differs by up to 1e-5 of it. x keeps its dtype.
    """
    alpha, to_zero = alpha_of(denoise), has_zero_step(sigmas, denoise_to_zero)
    first, last = sigmas[0], sigmas[-1] or sigmas[-2]
    orders = _orders(len(sigmas) - 1 - to_zero)
    times = ramp32(-math.log(first), -math.log(last), len(orders) + 1)
    path = [SINGLE.exp(-t) for t in times]
    names = first, *path[1:-1], last if to_zero else sigmas[-1]
    for index, order in enumerate(orders):
        sigma, sigma_next = path[index : index + 2]
        prediction = denoise(x, sigma)
        t_down, way = times[index + 1], Ancestral(sigma_next, 1.0, 0.0)
        if eta:
            t_down, way = _ancestral_step_single(alpha, sigma, sigma_next, times[-1], eta)
        x_down = dpm_solver_step(denoise, x, prediction, times[index], t_down, order, SINGLE).x
        x_next = renoise(x_down, way, sigma, sigma_next, noise, s_noise)
        step = Step(index, names[index], names[index + 1], x, prediction, x_next)
        yield step
        x = step.x
    if to_zero:
        yield zero_step(denoise, x, len(orders), last)


def _ancestral_step_single(
    alpha: Alpha, sigma: float, sigma_next: float, t_end: float, eta: float
) -> tuple[float, Ancestral]:
    """`ancestral_step_above` in float32, with the −log σ that it leads down to; of flow models only this is rounded."""
    if alpha(sigma_next) != 1.0:
        way = ancestral_step_above(SINGLE.exp(-t_end), alpha, sigma, sigma_next, eta)
        return min(t_end, -SINGLE.log(way.sigma_down)), way
    square, square_next = float32(sigma * sigma), float32(sigma_next * sigma_next)
    share = float32(float32(square_next * float32(square - square_next)) / square)
    renewed = min(sigma_next, float32(float32(eta) * float32(math.sqrt(share))))
    down = float32(math.sqrt(float32(square_next - float32(renewed * renewed))))
    t_down = min(t_end, -SINGLE.log(down)) if down > 0 else t_end
    sigma_down = SINGLE.exp(-t_down)
    sigma_up = float32(math.sqrt(max(0.0, float32(square_next - float32(sigma_down * sigma_down)))))
    return t_down, Ancestral(sigma_down, 1.0, sigma_up)


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
