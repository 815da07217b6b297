"""sdkit's own nodes: which function each of them is. Importing this imports none of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from sdkit.hookspecs import hookimpl

if TYPE_CHECKING:
    from sdkit.hookspecs import RegisterNode

_MODULES: Mapping[str, tuple[str, ...]] = {
    "models": ("load_model", "apply_lora"),
    "prompts": (
        "encode_text",
        "combine_prompts",
        "average_prompts",
        "concat_prompts",
        "prompt_strength",
        "prompt_area",
        "prompt_mask",
        "prompt_range",
    ),
    "sampling": ("empty_latents", "sample", "refine"),
    "latents": ("encode_image", "decode", "scale_latents", "similarity"),
    "pictures": ("load_image", "save_image", "preview_image"),
    "edits": ("scale_image", "crop_image", "blend_images", "composite_images", "blur_image", "sharpen_image"),
    "masks": ("image_to_mask", "mask_to_image", "invert_mask", "grow_mask", "feather_mask", "combine_masks"),
    "plain": ("integer", "number", "text", "boolean", "calculate", "join_text", "switch", "seeds"),
}
"""By module of this package: its nodes, which are called as their functions are."""

NODES: Mapping[str, str] = MappingProxyType(
    {name: f"sdkit.builtin.nodes.{module}:{name}" for module, names in _MODULES.items() for name in names}
)
"""A node's name → where its function is."""


@hookimpl
def register_nodes(register: RegisterNode) -> None:
    """All of them."""
    for name, place in NODES.items():
        register(name, place)
