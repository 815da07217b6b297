"""LoRAs: small files that change some of a model's weights. Reading them, matching them with a model, and patches.

Everything here is imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdkit.models.lora.blocks import block_factors
    from sdkit.models.lora.changes import Change, Decomposed, Difference, LowRank, Replacement
    from sdkit.models.lora.layers import LoraFormat, LoraLayer, by_module, scale_of, with_magnitude
    from sdkit.models.lora.matching import LoadReport, MatchedLora, check_match, match_lora
    from sdkit.models.lora.names import WeightNames
    from sdkit.models.lora.patches import StackedLora, lora_patches
    from sdkit.models.lora.reading import LoraFile, read_lora
    from sdkit.models.recent import Recent

__all__ = [
    "Change",
    "Decomposed",
    "Difference",
    "LoadReport",
    "LoraFile",
    "LoraFormat",
    "LoraLayer",
    "LowRank",
    "MatchedLora",
    "Recent",
    "Replacement",
    "StackedLora",
    "WeightNames",
    "block_factors",
    "by_module",
    "check_match",
    "lora_patches",
    "match_lora",
    "read_lora",
    "scale_of",
    "with_magnitude",
]

_HOMES = {
    "block_factors": "blocks",
    "Change": "changes",
    "Decomposed": "changes",
    "Difference": "changes",
    "LowRank": "changes",
    "Replacement": "changes",
    "LoraFormat": "layers",
    "LoraLayer": "layers",
    "by_module": "layers",
    "scale_of": "layers",
    "with_magnitude": "layers",
    "LoadReport": "matching",
    "MatchedLora": "matching",
    "check_match": "matching",
    "match_lora": "matching",
    "WeightNames": "names",
    "StackedLora": "patches",
    "lora_patches": "patches",
    "LoraFile": "reading",
    "read_lora": "reading",
    "Recent": ".recent",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
