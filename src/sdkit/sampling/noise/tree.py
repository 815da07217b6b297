"""Brownian noise whose numbers depend on the seed and the sigmas alone, not on the order of asking: a Brownian tree.

The virtual Brownian tree of Li et al., "Scalable Gradients for Stochastic Differential Equations" (AISTATS 2020,
arXiv:2001.01328), with the splitting of seeds that the library torchsde chose, so that these are the numbers of its
`BrownianTree`, but for the last bit here and there. k-diffusion's SDE samplers, and through them ComfyUI's and
AUTOMATIC1111's, draw from it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from sdkit.errors import SamplingError
from sdkit.sampling.noise.streams import to_device

DIGITS = 6
"""Sigmas count to so many decimals: the resolution of the tree is 10⁻⁶."""
POOL_SIZE = 24
"""32-bit words in which numpy's SeedSequence mixes a seed; its default of 4 gives other numbers."""
BELOW = 1
"""What tells the path below the smallest sigma from the one above it, of the same seed."""

Draw = Callable[[int], torch.Tensor]
"""`draw(seed)` → normal numbers, in the noise's shape, on the CPU."""


@dataclass(frozen=True, eq=False)
class _Span:
    """A node of the tree: an interval, what the path changes by over it, and its place: the `index`-th of its depth."""

    start: float
    end: float
    index: int
    depth: int
    change: torch.Tensor


class BrownianTree:
    """One Brownian path over [start, end], halved again and again until a half ends where it was asked for.

    The change over the left half of an interval of length h, given the change W over all of it, is W/2 + √h/2·noise: a
    Brownian bridge. The noise's seed is that of the interval's place in the tree, so that nothing must be remembered;
    the halves used last are, for speed. `entropy`: the seed.
    """

    def __init__(self, entropy: int | tuple[int, ...], draw: Draw, start: float, end: float) -> None:
        self._entropy = entropy
        self._draw = draw
        change = self._noise() * math.sqrt(end - start)
        self._root = _Span(round(start, DIGITS), round(end, DIGITS), 0, 0, change)
        self._halves = functools.lru_cache(maxsize=48)(self._split)  # about one way down to either end

    def change(self, a: float, b: float) -> torch.Tensor | None:
        """W(b) − W(a), a ≤ b; None where nothing of [a, b] is in the tree."""
        a, b = max(round(a, DIGITS), self._root.start), min(round(b, DIGITS), self._root.end)
        return functools.reduce(torch.add, self._changes(self._root, a, b)) if a < b else None

    def _changes(self, span: _Span, a: float, b: float) -> Iterator[torch.Tensor]:
        """The changes over the largest intervals of the tree that make up [a, b], which is within `span`."""
        if a == span.start and b == span.end:
            yield span.change
            return
        left, right = self._halves(span)
        if a < left.end:
            yield from self._changes(left, a, min(b, left.end))
        if b > left.end:
            yield from self._changes(right, max(a, left.end), b)

    def _split(self, span: _Span) -> tuple[_Span, _Span]:
        middle = round(0.5 * (span.end + span.start), DIGITS)
        before, after, per_length = middle - span.start, span.end - middle, 1 / (span.end - span.start)
        noise = self._noise((span.index, span.depth))
        left = before * span.change * per_length + math.sqrt(before * after * per_length) * noise
        return (
            _Span(span.start, middle, 2 * span.index, span.depth + 1, left),
            _Span(middle, span.end, 2 * span.index + 1, span.depth + 1, span.change - left),
        )

    def _noise(self, place: tuple[int, ...] = ()) -> torch.Tensor:
        sequence = np.random.SeedSequence(self._entropy, spawn_key=place, pool_size=POOL_SIZE)
        return self._draw(int(sequence.generate_state(1)[0]))


class TreeNoise:
    """Increments of Brownian trees, (W(σ_next) − W(σ))/√|σ − σ_next|: unit variance, float32 on `device`.

    One tree per seed, over the run's sigmas from the smallest above 0 to the largest; what they draw is put together
    along the first dimension. `draw`: what a tree's part is drawn from. Sigmas count in float32, as where these numbers
    come from. Between 0 and the smallest sigma, where the programs that draw them so never ask, a second path goes on.
    """

    def __init__(
        self, seeds: Sequence[int], draw: Draw, sigmas: Sequence[float], device: torch.device | str = "cpu"
    ) -> None:
        positive = [float(np.float32(sigma)) for sigma in sigmas if sigma > 0]
        low, self._top = min(positive), max(positive)
        self._trees = [
            (BrownianTree((seed, BELOW), draw, 0.0, low), BrownianTree(seed, draw, low, self._top)) for seed in seeds
        ]
        self._device = device

    def __call__(self, sigma: float, sigma_next: float, /) -> torch.Tensor:
        start, end = np.float32(sigma), np.float32(sigma_next)
        low, high = sorted((float(start), float(end)))
        if round(low, DIGITS) == round(high, DIGITS):
            whither = "itself" if sigma == sigma_next else f"{sigma_next:.9g}, which is the same to {DIGITS} decimals"
            raise SamplingError(
                f"the sampler asked for Brownian noise from sigma {sigma:g} to {whither}: there is none"
            )
        if round(high, DIGITS) > round(self._top, DIGITS):
            raise SamplingError(
                f"the sampler asked for Brownian noise at sigma {high:g}, but the tree that it comes from ends at the "
                f'run\'s largest, {self._top:g}; the noise source "per_image" has no such end'
            )
        change = torch.cat([self._change(trees, low, high) for trees in self._trees])
        on_the_way = -change if start > end else change
        return to_device(on_the_way / float(np.sqrt(np.abs(end - start))), self._device)

    @staticmethod
    def _change(trees: tuple[BrownianTree, ...], low: float, high: float) -> torch.Tensor:
        parts = [part for tree in trees if (part := tree.change(low, high)) is not None]
        return functools.reduce(torch.add, parts)
