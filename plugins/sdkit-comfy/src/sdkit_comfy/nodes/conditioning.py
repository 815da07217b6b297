"""What is said of prompts: joined, blended, and where and when each of them counts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from pydantic import Field

from sdkit import node
from sdkit_comfy.sockets import CONDITIONING, MASK, Length, Share, Weight
from sdkit_comfy.values.conditioning import with_values

AreaSide = Annotated[int, Field(ge=64, le=16_384)]


@node(name="ConditioningCombine", category="conditioning")
def combine(*, conditioning_1: CONDITIONING, conditioning_2: CONDITIONING) -> CONDITIONING:
    """Both side by side: their predictions are averaged."""
    return [*conditioning_1, *conditioning_2]


def _averaged(to: list[list[Any]], other: list[list[Any]], share: float) -> list[list[Any]]:
    second, values = other[0]
    blended: list[list[Any]] = []
    for context, own in to:
        tail = second[:, : context.shape[1]]
        tail = torch.nn.functional.pad(tail, (0, 0, 0, context.shape[1] - tail.shape[1]))
        mixed = {**own}
        pooled, second_pooled = own.get("pooled_output", values.get("pooled_output")), values.get("pooled_output")
        if pooled is not None and second_pooled is not None:
            pooled = pooled * share + second_pooled * (1.0 - share)
        if pooled is not None:
            mixed["pooled_output"] = pooled
        blended.append([context * share + tail * (1.0 - share), mixed])
    return blended


@node(name="ConditioningAverage", category="conditioning")
def average(
    *, conditioning_to: CONDITIONING, conditioning_from: CONDITIONING, conditioning_to_strength: Share = 1.0
) -> CONDITIONING:
    """The first blended with the second, token by token; of the second, its first entry counts."""
    return _averaged(conditioning_to, conditioning_from, conditioning_to_strength)


@node(name="ConditioningConcat", category="conditioning")
def concat(*, conditioning_to: CONDITIONING, conditioning_from: CONDITIONING) -> CONDITIONING:
    """The tokens of the second's first entry after those of the first."""
    tail = conditioning_from[0][0]
    return [[torch.cat((context, tail), dim=1), {**values}] for context, values in conditioning_to]


@node(name="ConditioningSetArea", category="conditioning")
def set_area(
    *,
    conditioning: CONDITIONING,
    width: AreaSide = 64,
    height: AreaSide = 64,
    x: Length = 0,
    y: Length = 0,
    strength: Weight = 1.0,
) -> CONDITIONING:
    """For one rectangle of the picture, in pixels."""
    area = (height // 8, width // 8, y // 8, x // 8)
    return with_values(conditioning, {"area": area, "strength": strength, "set_area_to_bounds": False})


@node(name="ConditioningSetAreaPercentage", category="conditioning")
def set_area_percentage(
    *,
    conditioning: CONDITIONING,
    width: Share = 1.0,
    height: Share = 1.0,
    x: Share = 0.0,
    y: Share = 0.0,
    strength: Weight = 1.0,
) -> CONDITIONING:
    """For one rectangle of the picture, as shares of its sides."""
    area = ("percentage", height, width, y, x)
    return with_values(conditioning, {"area": area, "strength": strength, "set_area_to_bounds": False})


@node(name="ConditioningSetAreaStrength", category="conditioning")
def set_area_strength(*, conditioning: CONDITIONING, strength: Weight = 1.0) -> CONDITIONING:
    """How much it counts among others."""
    return with_values(conditioning, {"strength": strength})


@node(name="ConditioningSetMask", category="conditioning")
def set_mask(
    *,
    conditioning: CONDITIONING,
    mask: MASK,
    strength: Weight = 1.0,
    set_cond_area: Literal["default", "mask bounds"] = "default",
) -> CONDITIONING:
    """Where a mask is; with "mask bounds", the model is shown the mask's bounding box alone."""
    shaped = mask if mask.ndim == 3 else mask[None]
    bounds = set_cond_area != "default"
    return with_values(conditioning, {"mask": shaped, "set_area_to_bounds": bounds, "mask_strength": strength})


@node(name="ConditioningSetTimestepRange", category="conditioning")
def set_timestep_range(*, conditioning: CONDITIONING, start: Share = 0.0, end: Share = 1.0) -> CONDITIONING:
    """For a part of the way, as shares of the training timesteps."""
    return with_values(conditioning, {"start_percent": start, "end_percent": end})


@node(name="ConditioningZeroOut", category="conditioning")
def zero_out(*, conditioning: CONDITIONING) -> CONDITIONING:
    """Zeros in place of the features."""
    zeroed: list[list[Any]] = []
    for context, values in conditioning:
        pooled = values.get("pooled_output")
        more = {} if pooled is None else {"pooled_output": torch.zeros_like(pooled)}
        zeroed.append([torch.zeros_like(context), {**values, **more}])
    return zeroed
