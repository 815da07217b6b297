"""Adams–Bashforth methods: the slope dx/dσ of the probability-flow ODE, extrapolated from those of earlier steps."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING

from sdkit.sampling.samplers.maths import integrated_lagrange, to_d, weighted_sum
from sdkit.types import Step

if TYPE_CHECKING:
    import torch

    from sdkit.types import Denoiser, Noise

Weights = Callable[[tuple[float, ...], float], tuple[float, ...]]
"""`weights(nodes, sigma_next)`: for each sigma of `nodes`, the present one first, what to multiply its slope with; all
together carry x from `nodes[0]` to sigma_next."""

_EQUAL = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))
"""Adams–Bashforth weights for steps of equal size, by order."""


def adams_bashforth(
    denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], order: int, weights: Weights
) -> Iterator[Step]:
    """x + Σ weight·slope over the last `order` slopes, or as many as there are; one evaluation a step.

    A step to 0 lands on the prediction: near 0 the slope is the difference of two almost equal tensors, over almost 0.
    """
    slopes: deque[torch.Tensor] = deque(maxlen=order)
    nodes: deque[float] = deque(maxlen=order)
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        prediction = denoise(x, sigma)
        slopes.appendleft(to_d(x, sigma, prediction.denoised))
        nodes.appendleft(sigma)
        x_next = prediction.denoised
        if sigma_next > 0:
            x_next = x + weighted_sum(weights(tuple(nodes), sigma_next), slopes)
        step = Step(index, sigma, sigma_next, x, prediction, x_next)
        yield step
        x = step.x


def lms(
    denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], noise: Noise, /, *, order: int = 4
) -> Iterator[Step]:
    """Linear multistep: Adams–Bashforth in σ for steps of any size (Hairer, Nørsett & Wanner, *Solving Ordinary
    Differential Equations I*, III.5)."""
    return adams_bashforth(denoise, x, sigmas, order, integrated_lagrange)


def ipndm(
    denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], noise: Noise, /, *, max_order: int = 4
) -> Iterator[Step]:
    """Improved pseudo-numerical method (Zhang & Chen, arXiv:2204.13902, after Liu et al., arXiv:2202.09778):
    Adams–Bashforth in σ as if all steps were of equal size.

    Of second order where step sizes change gradually, of first where they jump.
    """

    def weights(nodes: tuple[float, ...], sigma_next: float) -> tuple[float, ...]:
        return tuple(weight * (sigma_next - nodes[0]) for weight in _EQUAL[len(nodes) - 1])

    return adams_bashforth(denoise, x, sigmas, max_order, weights)


def ipndm_v(
    denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], noise: Noise, /, *, max_order: int = 4
) -> Iterator[Step]:
    """`ipndm` with weights that follow the sizes of the steps; see `_variable`."""
    return adams_bashforth(denoise, x, sigmas, max_order, _variable)


def _variable(nodes: tuple[float, ...], sigma_next: float) -> tuple[float, ...]:
    """The weights of `ipndm_v`: of the slope now, and of its first, second and third differences to those before.

    The first is Adams–Bashforth's. In the second, the ratio of step sizes is inside a bracket that it belongs outside
    of; in the third, a sum ought to be a difference, and the last weight ought to have h2/h3 in place of h1/h2. Kept,
    because this is what samplers of this name compute everywhere; the method stays of second order on smooth grids.
    """
    h, *before = (a - b for a, b in pairwise((sigma_next, *nodes)))
    shares: list[tuple[float, ...]] = [(1.0,)]
    if before:
        shares.append(_times(h / before[0] / 2, 1.0, -1.0))
    if len(before) > 1:
        h1, h2 = before[:2]
        q, bend = h1 / h2, h / (3 * (h + h1))
        second = (1 - bend * h * (h + h1) / (h1 * (h1 + h2))) / 2
        shares.append(_times(second, 1.0, -1 - q, q))
    if len(before) > 2:
        h1, h2, h3 = before
        q, s, bend = h1 / h2, h1 * (h1 + h2) / (h2 * (h2 + h3)), h / (3 * (h + h1))
        third = (1 - bend) / 2 + (1 - h / (2 * (h + h1))) * h / (6 * (h + h1 + h2))
        third *= h * (h + h1) * (h + h1 + h2) / (h1 * (h1 + h2) * (h1 + h2 + h3))
        shares.append(_times(third, 1.0, -1 - q - s, q + s * (1 + h2 / h3), -s * q))
    return tuple(h * math.fsum(column) for column in zip_longest(*shares, fillvalue=0.0))


def _times(factor: float, *values: float) -> tuple[float, ...]:
    return tuple(factor * value for value in values)
