"""Models: reading checkpoints, recognising families, and running their networks behind plain functions.

Everything here is imported when first used; reading and recognising a file needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdkit.models.checkpoint import CheckpointFile, SafetensorsFile, TensorInfo, open_checkpoint
    from sdkit.models.diffusers_names import unet_names_for_diffusers
    from sdkit.models.diffusion_family import sd1, sd2, sdxl, sdxl_refiner
    from sdkit.models.embedded import embedded_checkpoint
    from sdkit.models.families import Declined, Detection, ModelFamily, detect_family
    from sdkit.models.folders import open_folder
    from sdkit.models.hashes import FileHashes, HashCache
    from sdkit.models.inspection import Inspection, add_hashes, inspect_file, inspect_header
    from sdkit.models.latent_diffusion import LatentDiffusion
    from sdkit.models.library import KINDS, Kind, Library, ModelFile
    from sdkit.models.loading import ModelLoader, Parts
    from sdkit.models.merge_blocks import MergeBlocks
    from sdkit.models.merging import Recipe, merge
    from sdkit.models.saving import save_model
    from sdkit.models.tokenizer import ClipTokenizer

__all__ = [
    "KINDS",
    "CheckpointFile",
    "ClipTokenizer",
    "Declined",
    "Detection",
    "FileHashes",
    "HashCache",
    "Inspection",
    "Kind",
    "LatentDiffusion",
    "Library",
    "MergeBlocks",
    "ModelFamily",
    "ModelFile",
    "ModelLoader",
    "Parts",
    "Recipe",
    "SafetensorsFile",
    "TensorInfo",
    "add_hashes",
    "detect_family",
    "embedded_checkpoint",
    "inspect_file",
    "inspect_header",
    "merge",
    "open_checkpoint",
    "open_folder",
    "save_model",
    "sd1",
    "sd2",
    "sdxl",
    "sdxl_refiner",
    "unet_names_for_diffusers",
]

_HOMES = {
    "CheckpointFile": "checkpoint",
    "SafetensorsFile": "checkpoint",
    "TensorInfo": "checkpoint",
    "open_checkpoint": "checkpoint",
    "open_folder": "folders",
    "embedded_checkpoint": "embedded",
    "unet_names_for_diffusers": "diffusers_names",
    "Declined": "families",
    "Detection": "families",
    "ModelFamily": "families",
    "detect_family": "families",
    "FileHashes": "hashes",
    "HashCache": "hashes",
    "Inspection": "inspection",
    "add_hashes": "inspection",
    "inspect_file": "inspection",
    "inspect_header": "inspection",
    "LatentDiffusion": "latent_diffusion",
    "ModelFile": "library",
    "KINDS": "library",
    "Kind": "library",
    "Library": "library",
    "ModelLoader": "loading",
    "Parts": "loading",
    "MergeBlocks": "merge_blocks",
    "Recipe": "merging",
    "merge": "merging",
    "save_model": "saving",
    "sd1": "diffusion_family",
    "sd2": "diffusion_family",
    "sdxl": "diffusion_family",
    "sdxl_refiner": "diffusion_family",
    "ClipTokenizer": "tokenizer",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
