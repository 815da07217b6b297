"""What steers a model besides its prompts. None of it is available yet: the nodes are known, so that workflows that
have them are read and checked."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from sdkit import node
from sdkit_comfy.missing import not_available
from sdkit_comfy.sockets import (
    CLIP,
    CLIP_VISION,
    CLIP_VISION_OUTPUT,
    CONDITIONING,
    CONTROL_NET,
    GLIGEN,
    IMAGE,
    MODEL,
    STYLE_MODEL,
    UPSCALE_MODEL,
    VAE,
    ControlNetName,
    Length,
    Share,
    Text,
    UpscalerName,
    Weight,
)

BoxSide = Annotated[int, Field(ge=8, le=16_384)]


class Both(NamedTuple):
    """Both prompts."""

    positive: CONDITIONING
    negative: CONDITIONING


@node(name="ControlNetLoader", category="loaders")
def control_net_loader(*, control_net_name: ControlNetName) -> CONTROL_NET:
    """A ControlNet."""
    raise not_available("ControlNet")


@node(name="DiffControlNetLoader", category="loaders")
def diff_control_net_loader(*, model: MODEL, control_net_name: ControlNetName) -> CONTROL_NET:
    """A ControlNet that is stored as a difference from a model."""
    raise not_available("ControlNet")


@node(name="ControlNetApply", category="conditioning/controlnet")
def control_net_apply(
    *, conditioning: CONDITIONING, control_net: CONTROL_NET, image: IMAGE, strength: Weight = 1.0
) -> CONDITIONING:
    """A prompt with a ControlNet."""
    raise not_available("ControlNet")


@node(name="ControlNetApplyAdvanced", category="conditioning/controlnet")
def control_net_apply_advanced(
    *,
    positive: CONDITIONING,
    negative: CONDITIONING,
    control_net: CONTROL_NET,
    image: IMAGE,
    strength: Weight = 1.0,
    start_percent: Share = 0.0,
    end_percent: Share = 1.0,
    vae: VAE | None = None,
) -> Both:
    """Both prompts with a ControlNet for a part of the way."""
    raise not_available("ControlNet")


@node(name="ControlNetApplySD3", category="conditioning/controlnet")
def control_net_apply_sd3(
    *,
    positive: CONDITIONING,
    negative: CONDITIONING,
    control_net: CONTROL_NET,
    vae: VAE,
    image: IMAGE,
    strength: Weight = 1.0,
    start_percent: Share = 0.0,
    end_percent: Share = 1.0,
) -> Both:
    """Both prompts with a ControlNet, which is shown encoded pictures."""
    raise not_available("ControlNet")


@node(name="CLIPVisionLoader", category="loaders")
def clip_vision_loader(*, clip_name: str) -> CLIP_VISION:
    """A CLIP image tower."""
    raise not_available("CLIP vision")


@node(name="CLIPVisionEncode", category="conditioning")
def clip_vision_encode(
    *, clip_vision: CLIP_VISION, image: IMAGE, crop: Literal["center", "none"] = "center"
) -> CLIP_VISION_OUTPUT:
    """A picture's features."""
    raise not_available("CLIP vision")


@node(name="StyleModelLoader", category="loaders")
def style_model_loader(*, style_model_name: str) -> STYLE_MODEL:
    """A style model."""
    raise not_available("style models")


@node(name="StyleModelApply", category="conditioning/style_model")
def style_model_apply(
    *,
    conditioning: CONDITIONING,
    style_model: STYLE_MODEL,
    clip_vision_output: CLIP_VISION_OUTPUT,
    strength: Weight = 1.0,
    strength_type: Literal["multiply", "attn_bias"] = "multiply",
) -> CONDITIONING:
    """A prompt with the style of a picture."""
    raise not_available("style models")


@node(name="unCLIPConditioning", category="conditioning")
def unclip_conditioning(
    *,
    conditioning: CONDITIONING,
    clip_vision_output: CLIP_VISION_OUTPUT,
    strength: Annotated[float, Field(ge=-10, le=10)] = 1.0,
    noise_augmentation: Share = 0.0,
) -> CONDITIONING:
    """A prompt with a picture."""
    raise not_available("unCLIP")


@node(name="GLIGENLoader", category="loaders")
def gligen_loader(*, gligen_name: str) -> GLIGEN:
    """GLIGEN's weights."""
    raise not_available("GLIGEN")


@node(name="GLIGENTextBoxApply", category="conditioning/gligen")
def gligen_text_box_apply(
    *,
    conditioning_to: CONDITIONING,
    clip: CLIP,
    gligen_textbox_model: GLIGEN,
    text: Text,
    width: BoxSide = 64,
    height: BoxSide = 64,
    x: Length = 0,
    y: Length = 0,
) -> CONDITIONING:
    """A prompt with a text for a box of the picture."""
    raise not_available("GLIGEN")


@node(name="UpscaleModelLoader", category="loaders")
def upscale_model_loader(*, model_name: UpscalerName) -> UPSCALE_MODEL:
    """An upscaler."""
    raise not_available("upscaling by a model")


@node(name="ImageUpscaleWithModel", category="image/upscaling")
def image_upscale_with_model(*, upscale_model: UPSCALE_MODEL, image: IMAGE) -> IMAGE:
    """Pictures made larger by a model."""
    raise not_available("upscaling by a model")
