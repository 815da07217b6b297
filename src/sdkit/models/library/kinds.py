"""Kinds of model files, and the names that folders for them have in the trees of several programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

Kind: TypeAlias = Literal[
    "checkpoints",
    "loras",
    "vae",
    "embeddings",
    "controlnet",
    "upscale_models",
    "text_encoders",
    "diffusion_models",
]
"""What a model file is for; also the name of its folder below a models folder."""

KINDS: tuple[Kind, ...] = get_args(Kind)

CHECKPOINTS: Kind = "checkpoints"


@dataclass(frozen=True)
class KindInfo:
    """What a kind is called in messages, and how its folders are called, in lower case, sdkit's own name first."""

    noun: str
    folders: tuple[str, ...]


KIND_INFOS: Mapping[Kind, KindInfo] = MappingProxyType(
    {
        # sdkit has ComfyUI's names; what follows them is A1111's and Forge's. `diffusers` holds folders, each a model.
        "checkpoints": KindInfo("model file", ("checkpoints", "stable-diffusion", "diffusers")),
        "loras": KindInfo("LoRA", ("loras", "lora", "lycoris")),
        "vae": KindInfo("VAE", ("vae",)),
        "embeddings": KindInfo("embedding", ("embeddings",)),
        "controlnet": KindInfo("ControlNet", ("controlnet", "t2i_adapter")),
        "upscale_models": KindInfo("upscaler", ("upscale_models", "esrgan", "realesrgan", "swinir")),
        "text_encoders": KindInfo("text encoder", ("text_encoders", "clip", "text_encoder")),
        "diffusion_models": KindInfo("diffusion network", ("diffusion_models", "unet")),
    }
)

KIND_OF_FOLDER: Mapping[str, Kind] = MappingProxyType(
    {folder: kind for kind, info in KIND_INFOS.items() for folder in info.folders}
)
"""Name of a folder, in lower case → what is in it."""
