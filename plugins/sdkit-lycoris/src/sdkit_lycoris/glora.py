"""GLoRA (Chavan and others, arXiv:2306.07967), as LyCORIS has it: W' = W + α/r · (W·A + B), two low ranks.

`X.a1.weight`, `[in, r]`, and `X.a2.weight`, `[r, in]`, are A = A₁·A₂; `X.b1.weight`, `[out, r]`, and `X.b2.weight`,
`[r, in·kernel]`, are B = B₁·B₂; convolutions have 1 × 1 kernels where none is named. LyCORIS's first files have the
factors the other way round, A = A₂·A₁ and B = B₂·B₁, which their shapes tell. `X.alpha`, `X.dora_scale`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sdkit.models.lora import LoraLayer, by_module, scale_of, with_magnitude
from sdkit_lycoris.tucker import on

FACTORS = (".a1.weight", ".a2.weight", ".b1.weight", ".b2.weight")
ALPHA, DORA = ".alpha", ".dora_scale"


@dataclass(frozen=True, eq=False)
class Generalized:
    """The change of one weight. `product`: the factors of A; `sum`: those of B; the one with the outputs first."""

    product: tuple[Tensor, Tensor]
    sum: tuple[Tensor, Tensor]
    scale: float

    def fits(self, shape: tuple[int, ...]) -> bool:
        if len(shape) < 2 or any(factor.ndim < 2 for factor in (*self.product, *self.sum)):
            return False
        outputs, inputs, whole = shape[0], shape[1], math.prod(shape[1:])
        return (inputs, inputs) == _sides(self.product) and (outputs, whole) == _sides(self.sum)

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        product, addend = (_multiplied(factors, weight.device) for factors in (self.product, self.sum))
        added = torch.einsum("o i ..., i j -> o j ...", weight, product).add_(addend.view(weight.shape))
        return weight.add_(added, alpha=strength * self.scale)


class GLoRA:
    """See the module."""

    def matches(self, keys: Collection[str], metadata: Mapping[str, str]) -> bool:
        """Whether there is one of the factors."""
        return any(key.endswith(FACTORS) for key in keys)

    def convert(self, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Sequence[LoraLayer]:
        """A layer per X."""
        modules = by_module(tensors, (*FACTORS, ALPHA, DORA))
        return [_layer(module, keys, tensors) for module, keys in modules.items() if set(FACTORS) & set(keys)]


glora = GLoRA()


def _layer(module: str, keys: Mapping[str, str], tensors: Mapping[str, Tensor]) -> LoraLayer:
    missing = tuple(module + suffix for suffix in FACTORS if suffix not in keys)
    if missing:
        return LoraLayer(module, tuple(keys.values()), None, missing=missing)
    part = {suffix: tensors[key] for suffix, key in keys.items()}
    a1, a2, b1, b2 = (part[suffix] for suffix in FACTORS)
    if _sides((b1, b2)) == (0, 0) and _sides((b2, b1)) != (0, 0):
        a1, a2, b1, b2 = a2, a1, b2, b1
    change = with_magnitude(Generalized((a1, a2), (b1, b2), scale_of(part.get(ALPHA), b2)), part.get(DORA))
    return LoraLayer(module, tuple(keys.values()), change)


def _sides(factors: tuple[Tensor, Tensor]) -> tuple[int, int]:
    """Outputs and inputs of a product; (0, 0) where the factors do not fit together."""
    first, second = (factor.flatten(1) if factor.ndim > 1 else factor[None] for factor in factors)
    return (first.shape[0], second.shape[1]) if first.shape[1] == second.shape[0] else (0, 0)


def _multiplied(factors: tuple[Tensor, Tensor], device: torch.device) -> Tensor:
    first, second = (on(device, factor).flatten(1) for factor in factors)
    return first @ second
