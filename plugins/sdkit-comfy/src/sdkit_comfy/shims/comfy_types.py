"""`comfy.comfy_types`: names of types, for annotations and `INPUT_TYPES`."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypedDict


class IO(StrEnum):
    """Socket types; each compares equal to its text."""

    STRING = "STRING"
    IMAGE = "IMAGE"
    MASK = "MASK"
    LATENT = "LATENT"
    BOOLEAN = "BOOLEAN"
    INT = "INT"
    FLOAT = "FLOAT"
    COMBO = "COMBO"
    CONDITIONING = "CONDITIONING"
    SAMPLER = "SAMPLER"
    SIGMAS = "SIGMAS"
    GUIDER = "GUIDER"
    NOISE = "NOISE"
    CLIP = "CLIP"
    CONTROL_NET = "CONTROL_NET"
    VAE = "VAE"
    MODEL = "MODEL"
    CLIP_VISION = "CLIP_VISION"
    CLIP_VISION_OUTPUT = "CLIP_VISION_OUTPUT"
    STYLE_MODEL = "STYLE_MODEL"
    GLIGEN = "GLIGEN"
    UPSCALE_MODEL = "UPSCALE_MODEL"
    AUDIO = "AUDIO"
    VIDEO = "VIDEO"
    PRIMITIVE = "STRING,FLOAT,INT,BOOLEAN"
    NUMBER = "FLOAT,INT"
    ANY = "*"


IOEnum = IO
InputTypeDict = HiddenInputTypeDict = InputTypeOptions = dict[str, Any]


class ComfyNodeABC:
    """What nodes may be derived from."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        """The inputs."""
        return {"required": {}}


class CheckLazyMixin:
    """Asks for every lazy input that is not there."""

    def check_lazy_status(self, **kwargs: Any) -> list[str]:
        """Their names."""
        return [name for name, value in kwargs.items() if value is None]


class FileLocator(TypedDict):
    """A file."""

    filename: str
    subfolder: str
    type: str
