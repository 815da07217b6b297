"""OFT as PEFT and OneTrainer have it: the inputs are rotated, block by block.

`X.oft_R.weight`, `[n, b·(b−1)/2]`, perhaps with an adapter's name before `weight`, are the upper triangles of n
skew-symmetric matrices Q, of b inputs each; with one row, all blocks share it. W' = W·Rᵀ, where R is the beginning of
the Neumann series of (I + Q)·(I − Q)⁻¹ (arXiv:2506.19847), five terms unless PEFT's config says otherwise; or, where it
says so, (I − Q)·(I + Q)⁻¹ itself, which has the other sign. Inputs of convolutions are counted with their kernel's
places, and there OneTrainer, whose metadata begin with `ot_`, has W' = W·R. `X.oft_R.scaled_oft` says that Q is to be
divided by √(b·(b−1)/2); `X.dora_scale` makes it DoRA.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from sdkit.models.lora import LoraLayer, with_magnitude

TERMS = 5
"""Of the Neumann series."""
_KEY = re.compile(r"(?P<module>.+)\.oft_R(?:\.[^.]+)??\.(?P<part>weight|scaled_oft)")
_DORA = ".dora_scale"


@dataclass(frozen=True, eq=False)
class InputRotation:
    """The change of one weight. `triangles`: `[n or 1, b·(b−1)/2]`. `terms`: of the Neumann series; None for the
    inverse itself. `turned`: whether convolutions are rotated the other way round."""

    triangles: Tensor
    terms: int | None = TERMS
    scaled: bool = False
    turned: bool = False

    def fits(self, shape: tuple[int, ...]) -> bool:
        if len(shape) < 2 or self.triangles.ndim != 2 or self._side == 0:
            return False
        blocks, rest = divmod(math.prod(shape[1:]), self._side)
        return rest == 0 and self.triangles.shape[0] in (1, blocks)

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        rotations = self._rotations(weight.device)
        if weight.ndim == 2 or not self.turned:
            rotations = rotations.mT
        blocks = weight.view(weight.shape[0], -1, self._side)
        rotated = torch.einsum("o n i, n i j -> o n j", blocks, rotations.expand(blocks.shape[1], -1, -1))
        return torch.lerp(weight, rotated.reshape(weight.shape), strength)

    @property
    def _side(self) -> int:
        """b; 0 where there is none with so many numbers above the diagonal."""
        count = self.triangles.shape[1]
        side = (1 + math.isqrt(1 + 8 * count)) // 2
        return side if count > 0 and side * (side - 1) // 2 == count else 0

    def _rotations(self, device: torch.device) -> Tensor:
        """`[n or 1, b, b]`."""
        side, count = self._side, self.triangles.shape[1]
        upper = torch.zeros(len(self.triangles), side, side, device=device)
        rows, columns = torch.triu_indices(side, side, 1, device=device)
        upper[:, rows, columns] = self.triangles.to(device, torch.float32) / (math.sqrt(count) if self.scaled else 1)
        skew = upper - upper.mT
        identity = torch.eye(side, device=device)
        if self.terms is None:
            return (identity - skew) @ torch.inverse(identity + skew)
        rotation, power = identity + torch.zeros_like(skew), skew
        for term in range(1, self.terms):  # I + 2Q + 2Q² + … + Qⁿ, the last one once
            rotation = rotation + power * (1 if term == self.terms - 1 > 1 else 2)
            power = power @ skew
        return rotation


class PeftOFT:
    """See the module."""

    def matches(self, keys: Collection[str], metadata: Mapping[str, str]) -> bool:
        """Whether there is an `X.oft_R`."""
        return any(_KEY.fullmatch(key) for key in keys)

    def convert(self, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Sequence[LoraLayer]:
        """A layer per X."""
        modules: dict[str, dict[str, str]] = {}
        for key in tensors:
            if found := _KEY.fullmatch(key):
                modules.setdefault(found["module"], {})[found["part"]] = key
        terms, turned = _terms(metadata), any(key.startswith("ot_") for key in metadata)
        layers: list[LoraLayer] = []
        for module, keys in modules.items():
            if "weight" not in keys:
                layers.append(LoraLayer(module, tuple(keys.values()), None, missing=(f"{module}.oft_R.weight",)))
                continue
            change = InputRotation(tensors[keys["weight"]], terms, "scaled_oft" in keys, turned)
            magnitude = tensors.get(module + _DORA)
            used = (*keys.values(), *([] if magnitude is None else [module + _DORA]))
            layers.append(LoraLayer(module, used, with_magnitude(change, magnitude)))
        return layers


peft_oft = PeftOFT()


def _terms(metadata: Mapping[str, str]) -> int | None:
    """How many terms PEFT's config asks for; None for the inverse itself."""
    try:
        parsed: object = json.loads(metadata.get("lora_adapter_metadata", "{}"))
    except ValueError:
        parsed = {}
    fields = cast("dict[str, object]", parsed) if isinstance(parsed, dict) else {}
    if fields.get("use_cayley_neumann") is False:
        return None
    terms = fields.get("num_cayley_neumann_terms")
    if not isinstance(terms, int) or not 1 <= terms <= 100:
        return TERMS
    return 4 if terms == 3 else terms  # which PEFT computes for both
