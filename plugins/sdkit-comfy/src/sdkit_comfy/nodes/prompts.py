"""Prompts to conditionings."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sdkit import node
from sdkit_comfy.sockets import CLIP, CONDITIONING, Length, Text

Score = Annotated[float, Field(ge=0, le=1000)]


@node(name="CLIPTextEncode", category="conditioning")
def clip_text_encode(*, text: Text, clip: CLIP) -> CONDITIONING:
    """A prompt, encoded."""
    return clip.encode(text)


@node(name="CLIPSetLastLayer", category="conditioning")
def clip_set_last_layer(*, clip: CLIP, stop_at_clip_layer: Annotated[int, Field(ge=-24, le=-1)] = -1) -> CLIP:
    """Which layer of the text encoder to read: −1 is the last, −2 the one before."""
    twin = clip.clone()
    twin.layer = stop_at_clip_layer
    return twin


@node(name="CLIPTextEncodeSDXL", category="advanced/conditioning")
def clip_text_encode_sdxl(
    *,
    clip: CLIP,
    width: Length = 1024,
    height: Length = 1024,
    crop_w: Length = 0,
    crop_h: Length = 0,
    target_width: Length = 1024,
    target_height: Length = 1024,
    text_g: Text,
    text_l: Text,
) -> CONDITIONING:
    """A prompt for each of SDXL's text encoders, and what the model is told of the picture's size."""
    return clip.encode_each(
        text_l,
        text_g,
        width=width,
        height=height,
        crop_w=crop_w,
        crop_h=crop_h,
        target_width=target_width,
        target_height=target_height,
    )


@node(name="CLIPTextEncodeSDXLRefiner", category="advanced/conditioning")
def clip_text_encode_sdxl_refiner(
    *, ascore: Score = 6.0, width: Length = 1024, height: Length = 1024, text: Text, clip: CLIP
) -> CONDITIONING:
    """A prompt for SDXL's refiner, and what it is told of the picture's beauty and size."""
    return clip.encode(text, aesthetic_score=ascore, width=width, height=height)
