"""LoKr (KronA, Edalati and others, arXiv:2212.10650; LyCORIS, arXiv:2309.14859): ΔW = α/r · W₁ ⊗ W₂.

Either factor is there whole, `X.lokr_w1`, or as the product of `X.lokr_w1_a` and `X.lokr_w1_b`; the second one, for
convolutions, also in Tucker form with `X.lokr_t2`. r is the rank of such a product; without one, the scale is 1.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sdkit.models.lora import LoraLayer, by_module, scale_of, with_magnitude
from sdkit_lycoris.tucker import on, tucker

W1, W1_A, W1_B = ".lokr_w1", ".lokr_w1_a", ".lokr_w1_b"
W2, W2_A, W2_B, T2 = ".lokr_w2", ".lokr_w2_a", ".lokr_w2_b", ".lokr_t2"
ALPHA, DORA = ".alpha", ".dora_scale"
PARTS = (W1, W1_A, W1_B, W2, W2_A, W2_B, T2)


@dataclass(frozen=True, eq=False)
class Factor:
    """One factor: whole, or `a` and `b`, with a `core` or without."""

    whole: Tensor | None
    a: Tensor | None = None
    b: Tensor | None = None
    core: Tensor | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the factor; empty where its tensors do not fit together."""
        if self.whole is not None:
            return tuple(self.whole.shape)
        assert self.a is not None
        assert self.b is not None
        if self.core is not None:
            fits = self.core.ndim > 2 and tuple(self.core.shape[:2]) == (self.a.shape[0], self.b.shape[0])
            return (self.a.shape[1], self.b.shape[1], *self.core.shape[2:]) if fits and self.a.ndim == 2 else ()
        fits = self.a.ndim == 2 and self.b.ndim > 1 and self.a.shape[1] == self.b.shape[0]
        return (self.a.shape[0], *self.b.shape[1:]) if fits else ()

    def on(self, device: torch.device) -> Tensor:
        """The factor, float32."""
        if self.whole is not None:
            return on(device, self.whole)
        assert self.a is not None
        assert self.b is not None
        a, b = on(device, self.a), on(device, self.b)
        return (a @ b.flatten(1)).view(self.shape) if self.core is None else tucker(on(device, self.core), a, b)


@dataclass(frozen=True, eq=False)
class Kronecker:
    """The change of one weight."""

    first: Factor
    second: Factor
    scale: float

    def fits(self, shape: tuple[int, ...]) -> bool:
        first, second = self.first.shape, self.second.shape
        if len(shape) < 2 or len(first) != 2 or len(second) < 2 or first[0] * second[0] != shape[0]:
            return False
        return torch.Size(first).numel() * torch.Size(second).numel() == torch.Size(shape).numel()

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        first, second = self.first.on(weight.device), self.second.on(weight.device)
        first = first.view(*first.shape, *(1 for _ in second.shape[2:]))
        return weight.add_(torch.kron(first, second).reshape(weight.shape), alpha=strength * self.scale)


class LoKr:
    """See the module."""

    def matches(self, keys: Collection[str], metadata: Mapping[str, str]) -> bool:
        """Whether there is a part of one of the factors."""
        return any(key.endswith(PARTS) for key in keys)

    def convert(self, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Sequence[LoraLayer]:
        """A layer per X."""
        modules = by_module(tensors, (*PARTS, ALPHA, DORA))
        return [_layer(module, keys, tensors) for module, keys in modules.items() if set(PARTS) & set(keys)]


lokr = LoKr()


def _layer(module: str, keys: Mapping[str, str], tensors: Mapping[str, Tensor]) -> LoraLayer:
    needed = [(W1,) if W1 in keys else (W1_A, W1_B), (W2,) if W2 in keys else (W2_A, W2_B)]
    missing = tuple(module + suffix for group in needed for suffix in group if suffix not in keys)
    if missing:
        return LoraLayer(module, tuple(keys.values()), None, missing=missing)
    part = {suffix: tensors[key] for suffix, key in keys.items()}
    rank_first = part.get(W1_B) if W1 not in part else part.get(W2_B) if W2 not in part else None
    scale = 1.0 if rank_first is None else scale_of(part.get(ALPHA), rank_first)
    first = Factor(part.get(W1), part.get(W1_A), part.get(W1_B))
    second = Factor(part.get(W2), part.get(W2_A), part.get(W2_B), part.get(T2))
    change = with_magnitude(Kronecker(first, second, scale), part.get(DORA))
    return LoraLayer(module, tuple(keys.values()), change)
