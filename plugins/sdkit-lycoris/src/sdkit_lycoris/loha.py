"""LoHa (FedPara, Hyeon-Woo, Ye-Bin and Oh, arXiv:2108.06098): ΔW = α/r · (A₁B₁) ∘ (A₂B₂), element by element.

`X.hada_w1_a`, `X.hada_w1_b`, `X.hada_w2_a`, `X.hada_w2_b`; for convolutions in Tucker form `X.hada_t1` and `X.hada_t2`,
with which the `_a` are transposed; `X.alpha`, `X.dora_scale`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sdkit.models.lora import LoraLayer, by_module, scale_of, with_magnitude
from sdkit_lycoris.tucker import on, tucker

FACTORS = (".hada_w1_a", ".hada_w1_b", ".hada_w2_a", ".hada_w2_b")
CORES = (".hada_t1", ".hada_t2")
ALPHA, DORA = ".alpha", ".dora_scale"


@dataclass(frozen=True, eq=False)
class Hadamard:
    """The change of one weight. `first`, `second`: the factors a and b, and the core or None."""

    first: tuple[Tensor, Tensor, Tensor | None]
    second: tuple[Tensor, Tensor, Tensor | None]
    scale: float

    def fits(self, shape: tuple[int, ...]) -> bool:
        count = torch.Size(shape).numel()
        return len(shape) > 1 and all(_outputs(half) == shape[0] and _count(half) == count for half in self._halves)

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        first, second = (_whole(half, weight.device) for half in self._halves)
        return weight.add_((first * second).reshape(weight.shape), alpha=strength * self.scale)

    @property
    def _halves(self) -> tuple[tuple[Tensor, Tensor, Tensor | None], ...]:
        return self.first, self.second


class LoHa:
    """See the module."""

    def matches(self, keys: Collection[str], metadata: Mapping[str, str]) -> bool:
        """Whether there is one of the factors."""
        return any(key.endswith(FACTORS) for key in keys)

    def convert(self, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Sequence[LoraLayer]:
        """A layer per X."""
        modules = by_module(tensors, (*FACTORS, *CORES, ALPHA, DORA))
        return [_layer(module, keys, tensors) for module, keys in modules.items() if set(FACTORS) & set(keys)]


loha = LoHa()


def _layer(module: str, keys: Mapping[str, str], tensors: Mapping[str, Tensor]) -> LoraLayer:
    missing = tuple(module + suffix for suffix in FACTORS if suffix not in keys)
    if missing:
        return LoraLayer(module, tuple(keys.values()), None, missing=missing)
    part = {suffix: tensors[key] for suffix, key in keys.items()}
    one_a, one_b, two_a, two_b = (part[suffix] for suffix in FACTORS)
    cores = [part.get(suffix) for suffix in CORES]
    change = Hadamard((one_a, one_b, cores[0]), (two_a, two_b, cores[1]), scale_of(part.get(ALPHA), one_b))
    return LoraLayer(module, tuple(keys.values()), with_magnitude(change, part.get(DORA)))


def _whole(half: tuple[Tensor, Tensor, Tensor | None], device: torch.device) -> Tensor:
    a, b = on(device, half[0]), on(device, half[1])
    return a @ b if half[2] is None else tucker(on(device, half[2]), a, b).flatten(1)


def _outputs(half: tuple[Tensor, Tensor, Tensor | None]) -> int:
    """How many outputs it has; 0 where its tensors do not fit together."""
    a, b, core = half
    if a.ndim != 2 or b.ndim != 2:
        return 0
    if core is None:
        return a.shape[0] if a.shape[1] == b.shape[0] else 0
    return a.shape[1] if core.ndim > 2 and tuple(core.shape[:2]) == (a.shape[0], b.shape[0]) else 0


def _count(half: tuple[Tensor, Tensor, Tensor | None]) -> int:
    _, b, core = half
    return _outputs(half) * b.shape[1] * (1 if core is None else core[0, 0].numel())
