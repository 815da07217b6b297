"""PEFT's format, and diffusers' since it uses PEFT.

`X.lora_A.weight` and `X.lora_B.weight`, perhaps with an adapter's name before `weight`; `X.lora_magnitude_vector` for
DoRA. X is `unet.…`, `text_encoder.…`, `base_model.model.…`, or a U-Net's module without any prefix, as
`unet.save_lora_adapter` writes it. alpha and rank are in the metadata, if anywhere: `lora_adapter_metadata`, as JSON.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import cast

from torch import Tensor

from sdkit.models.lora.changes import LowRank
from sdkit.models.lora.layers import LoraLayer, scale_of, with_magnitude

_KEY = re.compile(
    r"(?P<module>.+)\.(?P<part>lora_A|lora_B|lora_magnitude_vector)(?:\.(?P<adapter>[^.]+))??(?:\.weight)?"
)
_A, _B, _MAGNITUDE, _ALPHA = "lora_A", "lora_B", "lora_magnitude_vector", ".alpha"


class Peft:
    """See the module."""

    def matches(self, keys: Collection[str], metadata: Mapping[str, str]) -> bool:
        """Whether there is an `X.lora_A`."""
        return any(_KEY.fullmatch(key) for key in keys)

    def convert(self, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Sequence[LoraLayer]:
        """A layer per X."""
        modules: dict[str, dict[str, str]] = {}
        for key in tensors:
            found = _KEY.fullmatch(key)
            if found is not None:
                modules.setdefault(found["module"], {})[found["part"]] = key
        alphas = _Alphas(metadata)
        return [_layer(module, keys, tensors, alphas) for module, keys in modules.items()]


peft = Peft()
"""`register("peft", "sdkit.models.lora.formats.peft:peft")`."""


def _layer(module: str, keys: dict[str, str], tensors: Mapping[str, Tensor], alphas: _Alphas) -> LoraLayer:
    missing = tuple(f"{module}.{part}.weight" for part in (_A, _B) if part not in keys)
    if missing:
        return LoraLayer(module, tuple(keys.values()), None, missing=missing)
    down, up = tensors[keys[_A]], tensors[keys[_B]]
    scale = alphas.scale(module, down)
    if module + _ALPHA in tensors:
        keys = {**keys, _ALPHA: module + _ALPHA}
        scale = scale_of(tensors[keys[_ALPHA]], down)
    magnitude = tensors[keys[_MAGNITUDE]].flatten() if _MAGNITUDE in keys else None
    return LoraLayer(module, tuple(keys.values()), with_magnitude(LowRank(up, down, scale), magnitude))


class _Alphas:
    """What the metadata say of alpha, by module; nothing where there are none, or where they cannot be read."""

    def __init__(self, metadata: Mapping[str, str]) -> None:
        try:
            parsed: object = json.loads(metadata.get("lora_adapter_metadata", "{}"))
        except ValueError:
            parsed = {}
        self._fields = cast("dict[str, object]", parsed) if isinstance(parsed, dict) else {}

    def scale(self, module: str, down: Tensor) -> float:
        """alpha/rank, or alpha/√rank where it says so; 1 where it says nothing."""
        network = module.partition(".")[0]
        prefix = f"{network}." if f"{network}.lora_alpha" in self._fields else ""
        alpha = self._fields.get(f"{prefix}lora_alpha")
        patterns = self._fields.get(f"{prefix}alpha_pattern")
        for pattern, value in cast("dict[str, object]", patterns if isinstance(patterns, dict) else {}).items():
            if module == pattern or module.endswith(f".{pattern}"):
                alpha = value
        if not isinstance(alpha, (int, float)) or down.ndim == 0:
            return 1.0
        rank = max(1, down.shape[0])
        return alpha / (math.sqrt(rank) if self._fields.get(f"{prefix}use_rslora") is True else rank)
