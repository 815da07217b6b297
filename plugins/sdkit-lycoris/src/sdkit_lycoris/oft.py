"""OFT (Qiu and others, arXiv:2306.07280) and BOFT (Liu and others, arXiv:2311.06243): the outputs are rotated.

`X.oft_blocks`, `[n, b, b]`, are n blocks whose skew-symmetric parts Q give rotations, R = (I + Q)·(I − Q)⁻¹ (Cayley),
of b outputs each; W' = Rᵀ·W, as LyCORIS and kohya-ss have it. With `[m, n, b, b]`, BOFT, there are m such rotations one
after another, W' = R·W, each of which meets outputs further apart, like the stages of a fast Fourier transform.
`X.alpha` times the number of outputs bounds the norm of Q, if it is above 0; `X.rescale` are factors for the outputs.

With strengths below 1, each rotation and each factor is on the straight line from doing nothing to what it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sdkit.models.lora import LoraLayer, by_module

BLOCKS, RESCALE, ALPHA = ".oft_blocks", ".rescale", ".alpha"


@dataclass(frozen=True, eq=False)
class Rotation:
    """The change of one weight."""

    blocks: Tensor
    constraint: float = 0.0
    rescale: Tensor | None = None

    def fits(self, shape: tuple[int, ...]) -> bool:
        outputs, sides = shape[0], tuple(self.blocks.shape)
        if len(shape) < 2 or len(sides) not in (3, 4) or sides[-1] != sides[-2] or sides[-3] * sides[-1] != outputs:
            return False
        if self.rescale is not None and self.rescale.numel() != outputs:
            return False
        if len(sides) == 3:
            return True
        return sides[-1] % 2 == 0 and all(outputs % (2 * _reach(stage, sides[-1])) == 0 for stage in range(sides[0]))

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        rotations = self._rotations(weight.shape[0], weight.device, strength)
        rows = weight.flatten(1)
        if rotations.ndim == 3:
            rows = (rotations.mT @ rows.view(*rotations.shape[:2], -1)).flatten(0, 1)
        else:
            for stage, rotation in enumerate(rotations):
                rows = _butterfly(rows, rotation, _reach(stage, rotation.shape[-1]))
        if self.rescale is not None:
            factors = self.rescale.to(weight.device, torch.float32).view(-1, 1)
            rows = rows * torch.lerp(torch.ones_like(factors), factors, strength)
        return rows.view(weight.shape)

    def _rotations(self, outputs: int, device: torch.device, strength: float) -> Tensor:
        blocks = self.blocks.to(device, torch.float32)
        skew = blocks - blocks.mT
        bound = self.constraint * outputs
        norm = float(skew.square().sum().sqrt()) + 1e-8
        if 0 < bound < norm:
            skew = skew * (bound / norm)
        identity = torch.eye(skew.shape[-1], device=device).expand_as(skew)
        return torch.lerp(identity, (identity + skew) @ torch.inverse(identity - skew), strength)


class OFT:
    """See the module."""

    def matches(self, keys: Collection[str], metadata: Mapping[str, str]) -> bool:
        """Whether there is an `X.oft_blocks`."""
        return any(key.endswith(BLOCKS) for key in keys)

    def convert(self, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Sequence[LoraLayer]:
        """A layer per X."""
        layers: list[LoraLayer] = []
        for module, keys in by_module(tensors, (BLOCKS, RESCALE, ALPHA)).items():
            if BLOCKS in keys:
                part = {suffix: tensors[key] for suffix, key in keys.items()}
                constraint = float(part[ALPHA]) if ALPHA in part and part[ALPHA].numel() == 1 else 0.0
                change = Rotation(part[BLOCKS], constraint, part.get(RESCALE))
                layers.append(LoraLayer(module, tuple(keys.values()), change))
        return layers


oft = OFT()


def _reach(stage: int, block: int) -> int:
    """How far apart the two halves are that a stage brings together."""
    return 2**stage * (block // 2)


def _butterfly(rows: Tensor, rotation: Tensor, reach: int) -> Tensor:
    """Rows `[out, in]`, put beside those that are `reach` away, rotated block by block, and put back."""
    beside = rows.reshape(-1, 2, reach, rows.shape[1]).transpose(1, 2)
    rotated = rotation @ beside.reshape(*rotation.shape[:2], -1)
    return rotated.view(-1, reach, 2, rows.shape[1]).transpose(1, 2).flatten(0, 2)
