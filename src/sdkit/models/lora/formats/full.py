"""Whole differences from weights and biases (`X.diff`, `X.diff_b`), and from a normalisation's (`X.w_norm`,
`X.b_norm`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from torch import Tensor

from sdkit.models.lora.changes import Difference
from sdkit.models.lora.layers import LoraLayer

_PARAMETERS: Mapping[str, Literal["weight", "bias"]] = {
    ".diff": "weight",
    ".diff_b": "bias",
    ".w_norm": "weight",
    ".b_norm": "bias",
}


class Full:
    """See the module."""

    def matches(self, keys: Collection[str], metadata: Mapping[str, str]) -> bool:
        """Whether there is a key of one of these kinds."""
        return any(key.endswith(tuple(_PARAMETERS)) for key in keys)

    def convert(self, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Sequence[LoraLayer]:
        """A layer per weight and per bias."""
        return [
            LoraLayer(key.removesuffix(suffix), (key,), Difference(tensors[key]), parameter)
            for key in tensors
            for suffix, parameter in _PARAMETERS.items()
            if key.endswith(suffix)
        ]


full = Full()
"""`register("full", "sdkit.models.lora.formats.full:full")`."""
