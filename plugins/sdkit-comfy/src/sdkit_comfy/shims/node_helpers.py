"""`node_helpers`: small things that nodes share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from PIL import Image, ImageFile, UnidentifiedImageError

ResultT = TypeVar("ResultT")


def conditioning_set_values(conditioning: Any, values: Mapping[str, Any], append: bool = False) -> list[Any]:
    """A conditioning with further values in every entry; `append`: lists grow."""
    made: list[Any] = []
    for context, held in conditioning:
        more = {**held}
        for key, value in values.items():
            more[key] = [*held[key], *value] if append and isinstance(held.get(key), list) else value
        made.append([context, more])
    return made


def pillow(fn: Callable[[Any], ResultT], arg: Any) -> ResultT:
    """Call a function of Pillow's, once more with cut files allowed where it fails."""
    try:
        return fn(arg)
    except (OSError, UnidentifiedImageError, ValueError):
        before = ImageFile.LOAD_TRUNCATED_IMAGES
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        try:
            return fn(arg)
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before


def hasher() -> Any:
    """The hash of files."""
    return hashlib.sha256


def string_to_torch_dtype(string: str) -> torch.dtype | None:
    """`"fp16"` → float16."""
    return {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}.get(string)


def image_alpha_fix(destination: torch.Tensor, source: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures of as many channels: the source loses its alpha, or the destination gets one."""
    if destination.shape[-1] < source.shape[-1]:
        source = source[..., : destination.shape[-1]]
    elif destination.shape[-1] > source.shape[-1]:
        destination = torch.nn.functional.pad(destination[..., :3], (0, 1), value=1.0)
    return destination, source


def open_image(path: str) -> Image.Image:
    """A picture."""
    return pillow(Image.open, path)
