"""(IA)³ (Liu and others, arXiv:2205.05638): W' = W·(1 + s·w), a factor for each input or each output.

`X.weight` is w, and `X.on_input` says whether it is for inputs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sdkit.models.lora import LoraLayer, by_module

WEIGHT, ON_INPUT = ".weight", ".on_input"


@dataclass(frozen=True, eq=False)
class Factors:
    """The change of one weight: axis 0 has a factor for each output, axis 1 for each input."""

    factors: Tensor
    axis: int

    def fits(self, shape: tuple[int, ...]) -> bool:
        return len(shape) > 1 and self.factors.numel() == shape[self.axis]

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        sides = [-1 if axis == self.axis else 1 for axis in range(weight.ndim)]
        return weight.mul_(1 + strength * self.factors.to(weight.device, torch.float32).view(sides))


class IA3:
    """See the module."""

    def matches(self, keys: Collection[str], metadata: Mapping[str, str]) -> bool:
        """Whether there is an `X.on_input`."""
        return any(key.endswith(ON_INPUT) for key in keys)

    def convert(self, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Sequence[LoraLayer]:
        """A layer per X."""
        layers: list[LoraLayer] = []
        for module, keys in by_module(tensors, (WEIGHT, ON_INPUT)).items():
            if ON_INPUT not in keys:
                continue
            if WEIGHT not in keys:
                layers.append(LoraLayer(module, tuple(keys.values()), None, missing=(module + WEIGHT,)))
                continue
            axis = int(bool(tensors[keys[ON_INPUT]].any()))
            layers.append(LoraLayer(module, tuple(keys.values()), Factors(tensors[keys[WEIGHT]], axis)))
        return layers


ia3 = IA3()
