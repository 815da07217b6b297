"""Models: reading checkpoints, recognising families, and running their networks behind plain functions.

Everything here is imported when first used; reading and recognising a file needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdkit.models.checkpoint import CheckpointFile, SafetensorsFile, TensorInfo, open_checkpoint
    from sdkit.models.embedded import embedded_checkpoint
    from sdkit.models.families import Declined, Detection, ModelFamily, detect_family
    from sdkit.models.inspection import Inspection, inspect_file
    from sdkit.models.latent_diffusion import LatentDiffusion
    from sdkit.models.library import ModelFile, find_checkpoint, model_files
    from sdkit.models.loading import load_model
    from sdkit.models.sd1_family import sd1
    from sdkit.models.tokenizer import ClipTokenizer

__all__ = [
    "CheckpointFile",
    "ClipTokenizer",
    "Declined",
    "Detection",
    "Inspection",
    "LatentDiffusion",
    "ModelFamily",
    "ModelFile",
    "SafetensorsFile",
    "TensorInfo",
    "detect_family",
    "embedded_checkpoint",
    "find_checkpoint",
    "inspect_file",
    "load_model",
    "model_files",
    "open_checkpoint",
    "sd1",
]

_HOMES = {
    "CheckpointFile": "checkpoint",
    "SafetensorsFile": "checkpoint",
    "TensorInfo": "checkpoint",
    "open_checkpoint": "checkpoint",
    "embedded_checkpoint": "embedded",
    "Declined": "families",
    "Detection": "families",
    "ModelFamily": "families",
    "detect_family": "families",
    "Inspection": "inspection",
    "inspect_file": "inspection",
    "LatentDiffusion": "latent_diffusion",
    "ModelFile": "library",
    "find_checkpoint": "library",
    "model_files": "library",
    "load_model": "loading",
    "sd1": "sd1_family",
    "ClipTokenizer": "tokenizer",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
