"""Nodes that change what happens inside the noise predictor: FreeU, tiles, merged tokens, deep shrink, SAG and PAG."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sdkit import node
from sdkit_comfy.sockets import MODEL, Share, Weight
from sdkit_unet_patches import (
    DeepShrink,
    FreeU,
    HyperTile,
    PerturbedAttentionGuidance,
    SelfAttentionGuidance,
    TokenMerging,
)

Method = Literal["bicubic", "nearest-exact", "bilinear", "area", "bislerp"]


@node(name="FreeU", category="model_patches/unet")
def freeu(*, model: MODEL, b1: Weight = 1.1, b2: Weight = 1.2, s1: Weight = 0.9, s2: Weight = 0.2) -> MODEL:
    """Weigh what comes from below against what skips over (arXiv:2309.11497)."""
    return model.plus(FreeU(b1=b1, b2=b2, s1=s1, s2=s2, version=1))


@node(name="FreeU_V2", category="model_patches/unet")
def freeu_v2(*, model: MODEL, b1: Weight = 1.3, b2: Weight = 1.4, s1: Weight = 0.9, s2: Weight = 0.2) -> MODEL:
    """The same, most where there is most structure."""
    return model.plus(FreeU(b1=b1, b2=b2, s1=s1, s2=s2, version=2))


@node(name="HyperTile", category="model_patches/unet")
def hypertile(
    *,
    model: MODEL,
    tile_size: Annotated[int, Field(ge=1, le=2048)] = 256,
    swap_size: Annotated[int, Field(ge=1, le=128)] = 2,
    max_depth: Annotated[int, Field(ge=0, le=10)] = 0,
    scale_depth: bool = False,
) -> MODEL:
    """Attention within tiles, for speed."""
    tiles = HyperTile(
        tile_size=tile_size, swap_size=swap_size, max_depth=max_depth, scale_depth=scale_depth, as_comfyui=True
    )
    return model.plus(tiles)


@node(name="TomePatchModel", category="model_patches/unet")
def tome_patch_model(*, model: MODEL, ratio: Share = 0.3) -> MODEL:
    """Similar pixels share attention, for speed (arXiv:2303.17604)."""
    return model.plus(TokenMerging(ratio=ratio))


@node(name="PatchModelAddDownscale", category="model_patches/unet")
def patch_model_add_downscale(
    *,
    model: MODEL,
    block_number: Annotated[int, Field(ge=1, le=32)] = 3,
    downscale_factor: Annotated[float, Field(ge=0.1, le=9)] = 2.0,
    start_percent: Share = 0.0,
    end_percent: Share = 0.35,
    downscale_after_skip: bool = True,
    downscale_method: Method = "bicubic",
    upscale_method: Method = "bicubic",
) -> MODEL:
    """Smaller feature maps in the first steps of large pictures."""
    shrink = DeepShrink(
        block_number=block_number,
        downscale_factor=downscale_factor,
        start_percent=start_percent,
        end_percent=end_percent,
        downscale_after_skip=downscale_after_skip,
        downscale_method=downscale_method,
        upscale_method=upscale_method,
    )
    return model.plus(shrink)


@node(name="SelfAttentionGuidance", category="model_patches/unet")
def self_attention_guidance(
    *,
    model: MODEL,
    scale: Annotated[float, Field(ge=-2, le=5)] = 0.5,
    blur_sigma: Annotated[float, Field(ge=0, le=10)] = 2.0,
) -> MODEL:
    """Away from a picture that is blurred where the model looks (arXiv:2210.00939)."""
    return model.plus(SelfAttentionGuidance(scale=scale, blur_sigma=blur_sigma))


@node(name="PerturbedAttentionGuidance", category="model_patches/unet")
def perturbed_attention_guidance(*, model: MODEL, scale: Annotated[float, Field(ge=0, le=100)] = 3.0) -> MODEL:
    """Away from what the model predicts without self-attention (arXiv:2403.17377)."""
    return model.plus(PerturbedAttentionGuidance(scale=scale))
