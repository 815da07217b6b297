"""diffusers' format from before it used PEFT.

U-Net: `unet.….attn1.processor.to_q_lora.up.weight`, later `unet.….attn1.to_q.lora.up.weight`; text encoders:
`text_encoder.….q_proj.lora_linear_layer.up.weight`. There is no alpha, or `X.alpha`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from torch import Tensor

from sdkit.models.lora.changes import LowRank
from sdkit.models.lora.layers import LoraLayer, by_module, scale_of

_STEMS = (".lora_linear_layer", "_lora", ".lora")
_UP, _DOWN, _ALPHA = ".up.weight", ".down.weight", ".alpha"
_SUFFIXES = tuple(f"{stem}{end}" for stem in _STEMS for end in (_UP, _DOWN))


class DiffusersOld:
    """See the module."""

    def matches(self, keys: Collection[str], metadata: Mapping[str, str]) -> bool:
        """Whether there is a key of one of these kinds."""
        return any(key.endswith(_SUFFIXES) for key in keys)

    def convert(self, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Sequence[LoraLayer]:
        """A layer per projection."""
        layers: list[LoraLayer] = []
        for stem in _STEMS:
            for module, keys in by_module(tensors, (stem + _UP, stem + _DOWN)).items():
                up, down = keys.get(stem + _UP), keys.get(stem + _DOWN)
                if up is None or down is None:
                    missing = module + stem + (_UP if up is None else _DOWN)
                    layers.append(LoraLayer(_modern(module), tuple(keys.values()), None, missing=(missing,)))
                    continue
                alpha = module + _ALPHA
                scale = scale_of(tensors.get(alpha), tensors[down])
                used = (up, down, alpha) if alpha in tensors else (up, down)
                layers.append(LoraLayer(_modern(module), used, LowRank(tensors[up], tensors[down], scale)))
        return layers


diffusers_old = DiffusersOld()
"""`register("diffusers_old", "sdkit.models.lora.formats.diffusers_old:diffusers_old")`."""


def _modern(module: str) -> str:
    """The projection that an attention processor's LoRA is for."""
    if not module.endswith((".to_q", ".to_k", ".to_v", ".to_out")):
        return module
    module = module.replace(".processor.", ".")
    if ".self_attn." in module:  # a text encoder's projections in the U-Net's words
        stem, _, name = module.rpartition(".to_")
        return f"{stem}.{name}_proj"
    return f"{module}.0" if module.endswith(".to_out") else module
