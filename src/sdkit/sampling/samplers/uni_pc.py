"""UniPC: a multistep exponential integrator in λ = −log σ that corrects every step by the next one's prediction."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import torch

from sdkit.sampling.samplers.maths import ddim_step, exponential_lagrange, weighted_sum
from sdkit.types import Step

if TYPE_CHECKING:
    from sdkit.types import Denoiser, Noise

Variant = Literal["bh1", "bh2"]

_END = 2**-10
"""The sigma that a step to 0 goes to: 0.001 elsewhere, which becomes this where σ² + 1 is computed in float32."""


def uni_pc(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    order: int = 3,
    variant: Variant = "bh1",
) -> Iterator[Step]:
    """Unified predictor-corrector (Zhao et al., arXiv:2302.04867): UniP-p, corrected by UniC-p.

    One evaluation a step: a prediction made at a step's uncorrected x serves its corrector, and then the next step. So
    the first step evaluates twice, and the last one, which is not corrected, never. A step's `prediction` is the one
    made at x_in before it was corrected; only where somebody assigned `step.x` is it made anew, at what was assigned.
    The order falls to 1 towards the last step.

    λ is −log σ for flow models too: their ODE in σ is the same. Deviation: a last step to 0 goes to sigma 0.001, as is
    the custom, so a thousandth of the noise stays; see `_step_to_zero`.
    """
    steps = len(sigmas) - 1
    past: deque[torch.Tensor] = deque(maxlen=order + 1)  # predictions, the present one first
    times: deque[float] = deque(maxlen=order + 1)  # λ of each
    prediction = denoise(x, sigmas[0])
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        past.appendleft(prediction.denoised)
        times.appendleft(-math.log(sigma))
        upcoming = prediction
        if sigma_next == 0:
            x_next = _step_to_zero(x, past, sigma)
        else:
            h = math.log(sigma / sigma_next)
            count = min(index + 1, order, steps - index)
            others, places = list(past)[1:count], [(time - times[0]) / h for time in list(times)[1:count]]
            first_order = ddim_step(x, past[0], sigma, sigma_next)
            x_next = _bend(first_order, past[0], others, places, h, variant)
            if index + 1 < steps:
                upcoming = denoise(x_next, sigma_next)
                others, places = [*others, upcoming.denoised], [*places, 1.0]
                x_next = _bend(first_order, past[0], others, places, h, variant)
        step = Step(index, sigma, sigma_next, x, prediction, x_next)
        yield step
        if step.x is not x_next and index + 1 < steps:
            upcoming = denoise(step.x, sigma_next)
        x, prediction = step.x, upcoming


def uni_pc_bh2(
    denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], noise: Noise, /, *, order: int = 3
) -> Iterator[Step]:
    """`uni_pc` with the paper's second B(h), e^h − 1, in place of the first, h."""
    return uni_pc(denoise, x, sigmas, noise, order=order, variant="bh2")


def _bend(
    first_order: torch.Tensor,
    denoised: torch.Tensor,
    others: Sequence[torch.Tensor],
    places: Sequence[float],
    h: float,
    variant: Variant,
) -> torch.Tensor:
    """The first-order step, made one of higher order by other predictions.

    `places`: where each was made, in steps from the present one: −1 before an equal step, 1 at the end of this one.
    With one prediction the paper fixes its ρ at 1/2, and B(h) matters. With more it solves for them, and B(h) cancels
    out: the result is the exact integral of the polynomial through all predictions.
    """
    if not others:
        return first_order
    if len(others) == 1:
        weights = [(h if variant == "bh1" else -math.expm1(-h)) / (2 * places[0])]
    else:
        weights = exponential_lagrange((0.0, *places), h)[1:]
    return first_order + weighted_sum(weights, [other - denoised for other in others])


def _step_to_zero(x: torch.Tensor, past: Sequence[torch.Tensor], sigma: float) -> torch.Tensor:
    """The first-order step to sigma 0.001, but the prediction itself where nothing is left to find out.

    That is where the last two predictions agree to the bit, as in what a mask protects; after a single one; and where
    sigma is no higher anyway.
    """
    denoised = past[0]
    if len(past) == 1 or sigma <= _END:
        return denoised
    return torch.where(denoised == past[1], denoised, ddim_step(x, denoised, sigma, _END))
