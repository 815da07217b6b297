"""PEFT's format, and diffusers' since it uses PEFT.

`X.lora_A.weight` and `X.lora_B.weight`, perhaps with an adapter's name before `weight`; `X.lora_B.bias` with PEFT's
`lora_bias`; `X.lora_magnitude_vector` for DoRA. X is `unet.…`, `text_encoder.…`, `base_model.model.…`, or a U-Net's
module without any prefix, as `unet.save_lora_adapter` writes it. alpha is in the metadata, if anywhere, as JSON:
`lora_adapter_metadata`, which stands for an `adapter_config.json` beside the file, too.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import cast

from torch import Tensor

from sdkit.models.lora.changes import Difference, LowRank
from sdkit.models.lora.layers import LoraLayer, scale_of, with_magnitude

_KEY = re.compile(
    r"(?P<module>.+)\.(?P<part>lora_A|lora_B|lora_magnitude_vector)(?:\.[^.]+)??(?P<leaf>\.weight|\.bias)?"
)
_A, _B, _MAGNITUDE, _ALPHA, _BIAS = "lora_A", "lora_B", "lora_magnitude_vector", ".alpha", "lora_B.bias"


class Peft:
    """See the module."""

    def matches(self, keys: Collection[str], metadata: Mapping[str, str]) -> bool:
        """Whether there is an `X.lora_A`."""
        return any(_KEY.fullmatch(key) for key in keys)

    def convert(self, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Sequence[LoraLayer]:
        """A layer per X, and one more for its bias."""
        modules: dict[str, dict[str, str]] = {}
        for key in tensors:
            found = _KEY.fullmatch(key)
            if found is not None:
                part = found["part"] + (".bias" if found["leaf"] == ".bias" else "")
                modules.setdefault(found["module"], {})[part] = key
        alphas = _Alphas(metadata)
        return [layer for module, keys in modules.items() for layer in _layers(module, keys, tensors, alphas)]


peft = Peft()
"""`register("peft", "sdkit.models.lora.formats.peft:peft")`."""


def _layers(module: str, keys: dict[str, str], tensors: Mapping[str, Tensor], alphas: _Alphas) -> tuple[LoraLayer, ...]:
    bias = keys.pop(_BIAS, None)
    missing = tuple(f"{module}.{part}.weight" for part in (_A, _B) if part not in keys)
    if missing:
        left = (*keys.values(), *([bias] if bias else []))
        return (LoraLayer(module, left, None, missing=missing),)
    down, up = tensors[keys[_A]], tensors[keys[_B]]
    scale = alphas.scale(module, down)
    if module + _ALPHA in tensors:
        keys = {**keys, _ALPHA: module + _ALPHA}
        scale = scale_of(tensors[keys[_ALPHA]], down)
    magnitude = tensors[keys[_MAGNITUDE]].flatten() if _MAGNITUDE in keys else None
    layer = LoraLayer(module, tuple(keys.values()), with_magnitude(LowRank(up, down, scale), magnitude))
    if bias is None:
        return (layer,)
    return layer, LoraLayer(module, (bias,), Difference(tensors[bias].float() * scale), "bias")


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
