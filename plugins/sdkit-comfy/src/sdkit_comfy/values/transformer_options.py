"""What packs keep in a model's `transformer_options`: functions inside the noise predictor, as patches of sdkit's.

`patches` holds lists of functions by the name of their place: before and after attention layers (`attn1_patch`,
`attn1_output_patch`, the same with `attn2`), and between blocks (`input_block_patch`, `input_block_patch_after_skip`,
`output_block_patch`). `patches_replace` holds functions in place of attention itself, by layer and block. Each gets a
dictionary that says where it is called; all the other keys of `transformer_options` are in it, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from sdkit.hookspecs import hookimpl
from sdkit.types import Attend, AttentionPatch, AttentionSite, BlockPatch, BlockSite
from sdkit_comfy.missing import not_available

if TYPE_CHECKING:
    from sdkit.types import Run

ATTENTION = ("attn1_patch", "attn1_output_patch", "attn2_patch", "attn2_output_patch")
BLOCKS = ("input_block_patch", "input_block_patch_after_skip", "output_block_patch")
LAYERS = {"self": "attn1", "cross": "attn2"}
BRANCHES = {"positive": 0, "negative": 1}
"""ComfyUI's numbers of the branches."""


def has_patches(options: Mapping[str, Any]) -> bool:
    """Whether a model's options patch its inside."""
    inside: Mapping[str, Any] = options.get("transformer_options", {})
    return any(inside.get("patches", {}).values()) or any(inside.get("patches_replace", {}).values())


class Inside:
    """The methods by which packs put functions into `model_options`, for a class that has these."""

    model_options: dict[str, Any]

    def set_model_patch(self, patch: Any, name: str) -> None:
        """Add a function at a place."""
        inside = self._copied("patches")
        inside["patches"][name] = [*inside["patches"].get(name, ()), patch]

    def set_model_patch_replace(
        self, patch: Any, name: str, block_name: str, number: int, transformer_index: int | None = None
    ) -> None:
        """Put a function in the place of a block's attention, or of one of its transformer blocks'."""
        key = (block_name, number) if transformer_index is None else (block_name, number, transformer_index)
        inside = self._copied("patches_replace")
        inside["patches_replace"][name] = {**inside["patches_replace"].get(name, {}), key: patch}

    def set_model_attn1_patch(self, patch: Any) -> None:
        """`(query, key, value, options)` → all three, before attention among the pixels."""
        self.set_model_patch(patch, "attn1_patch")

    def set_model_attn2_patch(self, patch: Any) -> None:
        """The same before attention to the text."""
        self.set_model_patch(patch, "attn2_patch")

    def set_model_attn1_output_patch(self, patch: Any) -> None:
        """`(output, options)` → the output of attention among the pixels."""
        self.set_model_patch(patch, "attn1_output_patch")

    def set_model_attn2_output_patch(self, patch: Any) -> None:
        """The same of attention to the text."""
        self.set_model_patch(patch, "attn2_output_patch")

    def set_model_attn1_replace(
        self, patch: Any, block_name: str, number: int, transformer_index: int | None = None
    ) -> None:
        """`(query, key, value, options)` → what attention among the pixels makes of them, by another way."""
        self.set_model_patch_replace(patch, "attn1", block_name, number, transformer_index)

    def set_model_attn2_replace(
        self, patch: Any, block_name: str, number: int, transformer_index: int | None = None
    ) -> None:
        """The same for attention to the text."""
        self.set_model_patch_replace(patch, "attn2", block_name, number, transformer_index)

    def set_model_input_block_patch(self, patch: Any) -> None:
        """`(h, options)` → what an input block puts out."""
        self.set_model_patch(patch, "input_block_patch")

    def set_model_input_block_patch_after_skip(self, patch: Any) -> None:
        """The same behind what is kept for the way up."""
        self.set_model_patch(patch, "input_block_patch_after_skip")

    def set_model_output_block_patch(self, patch: Any) -> None:
        """`(h, skip, options)` → both as an output block gets them."""
        self.set_model_patch(patch, "output_block_patch")

    def _copied(self, name: str) -> dict[str, Any]:
        """`transformer_options`, copied down to the dictionary of this name, in the model's options."""
        before: Mapping[str, Any] = self.model_options.get("transformer_options", {})
        inside = {**before, name: dict(before.get(name, {}))}
        self.model_options["transformer_options"] = inside
        return inside


class TransformerOptions:
    """A plugin for one run: calls what is in a model's options at the places that it is for."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Raises NotAvailableError for functions at places that sdkit does not have."""
        inside: Mapping[str, Any] = options["transformer_options"]
        self._patches: Mapping[str, Any] = inside.get("patches", {})
        self._replaced: Mapping[str, Any] = inside.get("patches_replace", {})
        self._more = {key: inside[key] for key in inside if not key.startswith("patches")}
        for name in {name for name, patches in self._patches.items() if patches} - {*ATTENTION, *BLOCKS}:
            raise not_available(f"patches of the kind {name!r}")
        for name in {name for name, patches in self._replaced.items() if patches} - set(LAYERS.values()):
            raise not_available(f"replacements of the kind {name!r}")

    @hookimpl
    def attention_patches(self, run: Run) -> AttentionPatch | None:
        """Around attention, and in its place."""
        some = any(self._patches.get(name) for name in ATTENTION)
        if not some and not any(self._replaced.values()):
            return None
        return AttentionPatch(self._layer if some else None, self._mixing if any(self._replaced.values()) else None)

    @hookimpl
    def block_patches(self, run: Run) -> BlockPatch | None:
        """Between blocks."""
        if not any(self._patches.get(name) for name in BLOCKS):
            return None
        return BlockPatch(input=self._input, down=self._down, output=self._output)

    def _layer(
        self, attend: Attend, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, site: AttentionSite
    ) -> torch.Tensor:
        layer = LAYERS[site.kind]
        told = self._told_attention(site, query.shape[-1] // site.heads, query)
        for patch in self._patches.get(f"{layer}_patch", ()):
            query, key, value = patch(query, key, value, told)
        if len(key) != len(query):  # as ComfyUI's attention takes them: keys are spread over the queries' rows
            key, value = (each.reshape(len(query), -1, each.shape[-1]) for each in (key, value))
        output = attend(query, key, value)
        for patch in self._patches.get(f"{layer}_output_patch", ()):
            output = patch(output, told)
        return output

    def _mixing(
        self, attend: Attend, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, site: AttentionSite
    ) -> torch.Tensor:
        replaced: Mapping[Any, Any] = self._replaced.get(LAYERS[site.kind], {})
        patch = replaced.get((site.part, site.block, site.index)) or replaced.get((site.part, site.block))
        if patch is None:
            return attend(query, key, value)
        merged = (each.transpose(1, 2).flatten(2) for each in (query, key, value))
        output: torch.Tensor = patch(*merged, self._told_attention(site, query.shape[-1], query))
        return output.reshape(len(query), query.shape[2], site.heads, -1).transpose(1, 2)

    def _input(self, x: torch.Tensor, site: BlockSite) -> torch.Tensor:
        return self._changed("input_block_patch", x, site)

    def _down(self, x: torch.Tensor, site: BlockSite) -> torch.Tensor:
        return self._changed("input_block_patch_after_skip", x, site)

    def _changed(self, name: str, x: torch.Tensor, site: BlockSite) -> torch.Tensor:
        for patch in self._patches.get(name, ()):
            x = patch(x, self._told(site, x))
        return x

    def _output(self, x: torch.Tensor, skip: torch.Tensor, site: BlockSite) -> tuple[torch.Tensor, torch.Tensor]:
        for patch in self._patches.get("output_block_patch", ()):
            x, skip = patch(x, skip, self._told(site, x))
        return x, skip

    def _told(self, site: BlockSite | AttentionSite, like: torch.Tensor) -> dict[str, Any]:
        """Where a function is called."""
        call = site.call
        return {
            **self._more,
            "block": (site.part, site.block),
            "sigmas": torch.full((call.shape[0],), call.sigma, device=like.device),
            "cond_or_uncond": [BRANCHES.get(names[0], 0) if names else 0 for names in call.branches],
            "original_shape": list(call.shape),
        }

    def _told_attention(self, site: AttentionSite, width: int, like: torch.Tensor) -> dict[str, Any]:
        heads = {"block_index": site.index, "n_heads": site.heads, "dim_head": width, "attn_precision": None}
        return {**self._told(site, like), **heads}
