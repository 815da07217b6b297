"""Whole differences from weights and biases (`X.diff`, `X.diff_b`), and from a normalisation's (`X.w_norm`,
`X.b_norm`); and weights to take instead (`X.set_weight`, as ComfyUI reads it)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

from torch import Tensor

from sdkit.models.lora.changes import Change, Difference, Replacement
from sdkit.models.lora.layers import LoraLayer

_KINDS: Mapping[str, tuple[Literal["weight", "bias"], Callable[[Tensor], Change]]] = {
    ".diff": ("weight", Difference),
    ".diff_b": ("bias", Difference),
    ".w_norm": ("weight", Difference),
    ".b_norm": ("bias", Difference),
    ".set_weight": ("weight", Replacement),
}


class Full:
    """See the module."""

    def matches(self, keys: Collection[str], metadata: Mapping[str, str]) -> bool:
        """Whether there is a key of one of these kinds."""
        return any(key.endswith(tuple(_KINDS)) for key in keys)

    def convert(self, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Sequence[LoraLayer]:
        """A layer per weight and per bias."""
        return [
            LoraLayer(key.removesuffix(suffix), (key,), change(tensors[key]), parameter)
            for key in tensors
            for suffix, (parameter, change) in _KINDS.items()
            if key.endswith(suffix)
        ]


full = Full()
"""`register("full", "sdkit.models.lora.formats.full:full")`."""
