"""ComfyUI's conditionings: lists of `[tensor, {…}]`, which packs read and write, and sdkit's embeddings.

What stands in such a dictionary is data that travels between nodes of many authors, so it stays what ComfyUI's nodes
write into it, and becomes embeddings only where something is sampled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias, cast, overload

import torch

from sdkit.editing import repeat_to
from sdkit.sampling import with_range
from sdkit.types import Area, Embedding, ModelSpec, SizeConditioning
from sdkit_comfy.missing import not_available

Conditioning: TypeAlias = Sequence[Sequence[Any]]
"""`[[context, {"pooled_output": …}], …]`: context `[1 or B, T, C]`."""

NOT_YET = {
    "control": "ControlNet",
    "gligen": "GLIGEN",
    "unclip_conditioning": "unCLIP",
    "hooks": "hooks on conditionings",
}
"""What a conditioning may carry that sdkit cannot do yet. Leaving it out silently would make another picture."""

DEFAULT_SCORES = (6.0, 2.5)
"""What the refiner is told of the picture's beauty where a prompt does not say: in the positive branch, and in the
negative one."""


def from_embeddings(embeddings: Sequence[Embedding]) -> list[list[Any]]:
    """Encoded prompts as a conditioning."""
    return [[e.context, {"pooled_output": e.pooled} if e.pooled is not None else {}] for e in embeddings]


def with_values(conditioning: Conditioning, values: Mapping[str, Any]) -> list[list[Any]]:
    """The conditioning with further values in every entry; the one that came in stays as it is."""
    return [[context, {**more, **values}] for context, more in conditioning]


def to_embeddings(
    conditioning: Conditioning, spec: ModelSpec, size: tuple[int, int], count: int = 1, *, negative: bool = False
) -> tuple[Embedding, ...]:
    """The conditioning as one branch, for `count` latents of `size` (height, width), in latent pixels. Tensors of
    another number of rows are repeated from their start, or cut.

    Raises NotAvailableError for what a conditioning asks for that sdkit cannot do yet.
    """
    return tuple(
        _embedding(context, cast("Mapping[str, Any]", values), spec, size, count, negative)
        for context, values in conditioning
    )


def _embedding(
    context: torch.Tensor, values: Mapping[str, Any], spec: ModelSpec, size: tuple[int, int], count: int, negative: bool
) -> Embedding:
    for key, technique in NOT_YET.items():
        if values.get(key) is not None:
            raise not_available(technique)
    embedding = Embedding(
        _rows(context, count),
        pooled=_rows(values.get("pooled_output"), count),
        strength=float(values.get("strength", 1.0)) * float(values.get("mask_strength", 1.0)),
        area=_area(values, size),
        mask=_rows(_mask(values.get("mask")), count),
        size=_size(values, spec, negative),
    )
    start, end = values.get("start_percent"), values.get("end_percent")
    if start is not None or end is not None:
        (embedding,) = with_range((embedding,), spec, 0.0 if start is None else start, 1.0 if end is None else end)
    return embedding


@overload
def _rows(tensor: torch.Tensor, count: int) -> torch.Tensor: ...
@overload
def _rows(tensor: torch.Tensor | None, count: int) -> torch.Tensor | None: ...
def _rows(tensor: torch.Tensor | None, count: int) -> torch.Tensor | None:
    """One row for all, or one for each."""
    return tensor if tensor is None or len(tensor) in (1, count) else repeat_to(tensor, count)


def _area(values: Mapping[str, Any], size: tuple[int, int]) -> Area | Literal["mask"] | None:
    if values.get("set_area_to_bounds") and values.get("mask") is not None:
        return "mask"
    area = values.get("area")
    if area is None:
        return None
    high, wide = size
    if area[0] == "percentage":
        height, width, top, left = area[1:]
        return Area(top=top, left=left, height=height, width=width)
    height, width, top, left = area
    return Area(top=top / high, left=left / wide, height=height / high, width=width / wide)


def _mask(mask: torch.Tensor | None) -> torch.Tensor | None:
    return mask if mask is None or mask.ndim == 3 else mask.reshape((-1, *mask.shape[-2:]))


def _size(values: Mapping[str, Any], spec: ModelSpec, negative: bool) -> SizeConditioning | None:
    """What SDXL is told of the picture's size; None where the conditioning says nothing, which is the latents' size."""
    refiner = spec.family == "sdxl_refiner"
    if not refiner and not {"width", "height", "target_width", "target_height", "crop_w", "crop_h"} & set(values):
        return None
    width, height = values.get("width"), values.get("height")
    if width is None or height is None:
        return None
    return SizeConditioning(
        height=height,
        width=width,
        top=values.get("crop_h", 0),
        left=values.get("crop_w", 0),
        target_height=values.get("target_height", height),
        target_width=values.get("target_width", width),
        aesthetic_score=values.get("aesthetic_score", DEFAULT_SCORES[negative]) if refiner else None,
    )


def with_channels(embeddings: Sequence[Embedding], channels: torch.Tensor) -> tuple[Embedding, ...]:
    """The embeddings with further input channels for the network, `[1 or B, c, h, w]`."""
    return tuple(replace(embedding, channels=channels) for embedding in embeddings)
