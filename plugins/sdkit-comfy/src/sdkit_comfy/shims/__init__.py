"""Modules that packs for ComfyUI import, written from what packs call: which of our modules stands for which.

Packs see them through `sdkit_comfy.packs.provided`; nothing here is ever in `sys.modules` under ComfyUI's names.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

ROOTS = frozenset(
    {
        "comfy", "comfy_api", "comfy_api_nodes", "comfy_config", "comfy_execution", "comfy_extras", "comfyui_version",
        "cuda_malloc", "execution", "folder_paths", "latent_preview", "node_helpers", "nodes", "server",
    }
)  # fmt: skip
"""The top-level modules that are ComfyUI's."""

ABSENT = frozenset(
    {
        "checkpoint_pickle", "cldm", "clip_model", "clip_vision", "conds", "context_windows", "controlnet",
        "diffusers_convert", "diffusers_load", "extra_samplers", "float", "gligen", "hooks", "image_encoders",
        "k_diffusion", "ldm", "lora", "lora_convert", "model_base", "model_detection", "model_sampling", "ops",
        "options", "patcher_extension", "quant_ops", "rmsnorm", "sampler_helpers", "sd1_clip", "sdxl_clip",
        "supported_models", "supported_models_base", "t2i_adapter", "taesd", "text_encoders", "weight_adapter",
    }
)  # fmt: skip
"""Parts of `comfy` that are not provided, but that packs name without importing them, since ComfyUI has."""

_HOMES: Mapping[str, str] = {
    "comfy_api": "comfy_api",
    "comfy_api.input": "comfy_api_values",
    "comfy_api.latest": "comfy_api",
    "comfy_api.latest._input": "comfy_api_values",
    "comfy_api.latest._io": "comfy_api_io",
    "comfy_api.latest._ui": "comfy_api_ui",
    "comfy_api.latest.io": "comfy_api_io",
    "comfy_api.latest.ui": "comfy_api_ui",
    "comfy_api.v0_0_2": "comfy_api",
    "comfy_api.v0_0_2.io": "comfy_api_io",
    "comfy_api.v0_0_2.ui": "comfy_api_ui",
    "comfy.cli_args": "cli_args",
    "comfy.comfy_types": "comfy_types",
    "comfy.comfy_types.node_typing": "comfy_types",
    "comfy.latent_formats": "latent_formats",
    "comfy.model_management": "model_management",
    "comfy.model_patcher": "model_patcher",
    "comfy.sample": "sample",
    "comfy.samplers": "samplers",
    "comfy.sd": "sd",
    "comfy.utils": "comfy_utils",
    "comfy_execution.graph": "graph",
    "comfy_execution.graph_utils": "graph",
    "comfy_execution.node_typing": "comfy_types",
    "comfy_execution.utils": "graph",
    "comfyui_version": "version",
    "execution": "execution",
    "folder_paths": "folder_paths",
    "latent_preview": "latent_preview",
    "node_helpers": "node_helpers",
    "nodes": "nodes",
    "server": "server",
}

MODULES: Mapping[str, str] = MappingProxyType({name: f"sdkit_comfy.shims.{home}" for name, home in _HOMES.items()})
"""ComfyUI's name of a module → the module here that has what of it is provided."""


def home_of(name: str) -> str | None:
    """The module that stands for this one; None where there is none. ComfyUI's further nodes are all in one."""
    if name.startswith("comfy_extras.nodes_"):
        return "sdkit_comfy.shims.further_nodes"
    return MODULES.get(name)
