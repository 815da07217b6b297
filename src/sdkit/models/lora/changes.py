"""What a LoRA does to one weight. All computing is in float32.

LoRA (arXiv:2106.09685): W' = W + s·(α/r)·B·A. DoRA (arXiv:2402.09353): W' = m·V/‖V‖, where V is what another change
makes of W.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

EPSILON = torch.finfo(torch.float32).eps
"""Added to DoRA's norms, so that a row of zeros stays one."""


class Change(Protocol):
    """How one weight is changed: what a format makes of the tensors that it has for it."""

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether it can change a weight of this shape."""
        ...

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        """The new weight; the old one, float32, may be overwritten and returned. At strength 0 nothing changes."""
        ...


@dataclass(frozen=True, eq=False)
class LowRank:
    """LoRA: `scale`·up·down, added. `up`: `[out, r]`; `down`: `[r, in]`, or with a kernel's sides behind; with `mid`,
    `[r, r, …]`, the kernel is there, and the three are the factors of a Tucker decomposition.

    `scale`: α/r; 1 where the file has no α.
    """

    up: Tensor
    down: Tensor
    scale: float = 1.0
    mid: Tensor | None = None

    def fits(self, shape: tuple[int, ...]) -> bool:
        if min(self.up.ndim, self.down.ndim, 2 if self.mid is None else self.mid.ndim) < 2 or self.down.shape[0] == 0:
            return False
        inner = self.down.flatten(1).shape[1]
        if self.mid is not None:
            inner *= self.mid[0, 0].numel()
            if self.mid.shape[:2] != (self.up.flatten(1).shape[1], self.down.shape[0]):
                return False
        elif self.up.flatten(1).shape[1] != self.down.shape[0]:
            return False
        return len(shape) > 1 and self.up.shape[0] == shape[0] and inner * shape[0] == _count(shape)

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        up, down = self.factors(weight.device)
        return weight.flatten(1).addmm_(up, down, alpha=strength * self.scale).view(weight.shape)

    def factors(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """`[out, r]` and `[r, in·kernel]`, float32; their product is the whole, but for the scale."""
        up, down = (part.to(device, torch.float32).flatten(1) for part in (self.up, self.down))
        if self.mid is None:
            return up, down
        mid = self.mid.to(device, torch.float32)
        return up, torch.einsum("a b ..., b i -> a i ...", mid, down).flatten(1)


@dataclass(frozen=True, eq=False)
class Difference:
    """The whole difference from the weight, added."""

    diff: Tensor

    def fits(self, shape: tuple[int, ...]) -> bool:
        return self.diff.ndim > 0 and self.diff.shape[0] == shape[0] and self.diff.numel() == _count(shape)

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        return weight.add_(self.diff.to(weight.device, torch.float32).view(weight.shape), alpha=strength)


@dataclass(frozen=True, eq=False)
class Replacement:
    """Another weight instead. Between strength 0 and 1 the weight moves on a straight line."""

    new: Tensor

    def fits(self, shape: tuple[int, ...]) -> bool:
        return tuple(self.new.shape) == shape

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        return weight.lerp_(self.new.to(weight.device, torch.float32), strength)


@dataclass(frozen=True, eq=False)
class Decomposed:
    """DoRA: the direction that another change gives a weight, with a learnt magnitude for each row (`[out]`,
    `[out, 1, …]`) or each column (`[1, in, …]`). Between strength 0 and 1 the weight moves on a straight line."""

    change: Change
    magnitude: Tensor

    def fits(self, shape: tuple[int, ...]) -> bool:
        return len(shape) > 1 and self.change.fits(shape) and self._axis(shape) is not None

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        axis = self._axis(tuple(weight.shape))
        assert axis is not None, "only applied where it fits"
        direction = self.change.apply(weight.clone(), 1.0)
        others = [place for place in range(weight.ndim) if place != axis]
        norm = direction.square().sum(others, keepdim=True).sqrt() + EPSILON
        magnitude = self.magnitude.to(weight.device, torch.float32).view(norm.shape)
        return torch.lerp(weight, direction * (magnitude / norm), strength)

    def _axis(self, shape: tuple[int, ...]) -> int | None:
        """The axis that has a magnitude for each of its places."""
        sides = tuple(self.magnitude.shape)
        if self.magnitude.numel() == shape[0] and (len(sides) < 2 or sides[0] == shape[0]):
            return 0
        if len(sides) > 1 and sides[1] == shape[1] == self.magnitude.numel():
            return 1
        return None


def _count(shape: tuple[int, ...]) -> int:
    product = 1
    for side in shape:
        product *= side
    return product
