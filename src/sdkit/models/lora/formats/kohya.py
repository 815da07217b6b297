"""kohya-ss's format, which most LoRA files have, and OneTrainer's, which has the same tensors under dotted names.

`X.lora_up.weight`, `X.lora_down.weight`, `X.alpha` (the scale is alpha/rank; 1 without it), `X.lora_mid.weight` for
convolutions in Tucker form, `X.dora_scale` for DoRA. X is `lora_unet_…`, `lora_te_…`, `lora_te1_…`, `lora_te2_…`, or
OneTrainer's `unet.…`, `text_encoder.…`, `text_encoder_2.…`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from torch import Tensor

from sdkit.models.lora.changes import LowRank
from sdkit.models.lora.layers import LoraLayer, by_module, scale_of, with_magnitude

UP, DOWN, MID, ALPHA, DORA = ".lora_up.weight", ".lora_down.weight", ".lora_mid.weight", ".alpha", ".dora_scale"


class Kohya:
    """See the module."""

    def matches(self, keys: Collection[str], metadata: Mapping[str, str]) -> bool:
        """Whether there is an `X.lora_up.weight`, or its partner alone."""
        return any(key.endswith((UP, DOWN)) for key in keys)

    def convert(self, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Sequence[LoraLayer]:
        """A layer per X."""
        modules = by_module(tensors, (UP, DOWN, MID, ALPHA, DORA))
        return [_layer(module, keys, tensors) for module, keys in modules.items() if UP in keys or DOWN in keys]


kohya = Kohya()
"""`register("kohya", "sdkit.models.lora.formats.kohya:kohya")`."""


def _layer(module: str, keys: Mapping[str, str], tensors: Mapping[str, Tensor]) -> LoraLayer:
    missing = tuple(module + suffix for suffix in (UP, DOWN) if suffix not in keys)
    if missing:
        return LoraLayer(module, tuple(keys.values()), None, missing=missing)
    part = {suffix: tensors[key] for suffix, key in keys.items()}
    low_rank = LowRank(part[UP], part[DOWN], scale_of(part.get(ALPHA), part[DOWN]), part.get(MID))
    change = with_magnitude(low_rank, part.get(DORA))
    return LoraLayer(module, tuple(keys.values()), change)
