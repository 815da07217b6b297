"""Editing: pictures `[B, H, W, C]` in 0…1, masks `[B, H, W]` in 0…1, and latents `[B, C, h, w]`, as plain functions.

What nodes of graphs are thin over. Numbers are ComfyUI's where it has the operation. Inputs are never changed, and
results share no memory with them, except where a function says that it may return a view. Pictures are float32; 1 is
white. Masks are 1 where something is to happen. Errors are `RequestError`s that name what came and what is allowed.

Names are loaded when first used: importing this package imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdkit.editing.alpha import PorterDuffMode, join_alpha, porter_duff, split_alpha
    from sdkit.editing.arrays import from_pictures, from_uint8, to_pictures, to_pillow, to_uint8
    from sdkit.editing.batches import (
        match_channels,
        pick_images,
        rebatch_images,
        repeat_images,
        repeat_to,
        stack_images,
    )
    from sdkit.editing.blank import empty_images, empty_latents, solid_masks
    from sdkit.editing.blending import BlendMode, blend_images
    from sdkit.editing.compositing import composite_images, composite_latents, composite_latents_feathered
    from sdkit.editing.cropping import crop_images, crop_latents, crop_masks, pad_for_outpaint
    from sdkit.editing.edges import canny
    from sdkit.editing.filters import blur_images, invert_images, sharpen_images
    from sdkit.editing.inpainting import grey_out, prepare_inpaint
    from sdkit.editing.latent_maths import (
        add_latents,
        blend_latents,
        interpolate_latents,
        match_latents,
        multiply_latents,
        subtract_latents,
    )
    from sdkit.editing.latents import (
        LatentBatch,
        join_latents,
        noise_mask_for,
        pick_latents,
        rebatch_latents,
        repeat_latents,
        share_noise,
        with_noise_mask,
    )
    from sdkit.editing.loading import MaskChannel, load_images, load_masks
    from sdkit.editing.masks import (
        Channel,
        MaskOperation,
        colour_to_masks,
        combine_masks,
        feather_masks,
        images_to_masks,
        invert_masks,
        masks_to_images,
        threshold_masks,
    )
    from sdkit.editing.morphology import Morph, grow_masks, morph_images
    from sdkit.editing.quantising import Dither, quantise_images
    from sdkit.editing.scaling import (
        Crop,
        LatentMethod,
        ScaleMethod,
        resize,
        scale_images,
        scale_images_by,
        scale_images_to_pixels,
        scale_images_to_side,
        scale_latents,
        scale_latents_by,
        scale_masks,
    )
    from sdkit.editing.stitching import Direction, frame_images, stitch_images
    from sdkit.editing.turning import Mirror, flip_images, flip_latents, rotate_images, rotate_latents

__all__ = [
    "BlendMode",
    "Channel",
    "Crop",
    "Direction",
    "Dither",
    "LatentBatch",
    "LatentMethod",
    "MaskChannel",
    "MaskOperation",
    "Mirror",
    "Morph",
    "PorterDuffMode",
    "ScaleMethod",
    "add_latents",
    "blend_images",
    "blend_latents",
    "blur_images",
    "canny",
    "colour_to_masks",
    "combine_masks",
    "composite_images",
    "composite_latents",
    "composite_latents_feathered",
    "crop_images",
    "crop_latents",
    "crop_masks",
    "empty_images",
    "empty_latents",
    "feather_masks",
    "flip_images",
    "flip_latents",
    "frame_images",
    "from_pictures",
    "from_uint8",
    "grey_out",
    "grow_masks",
    "images_to_masks",
    "interpolate_latents",
    "invert_images",
    "invert_masks",
    "join_alpha",
    "join_latents",
    "load_images",
    "load_masks",
    "masks_to_images",
    "match_channels",
    "match_latents",
    "morph_images",
    "multiply_latents",
    "noise_mask_for",
    "pad_for_outpaint",
    "pick_images",
    "pick_latents",
    "porter_duff",
    "prepare_inpaint",
    "quantise_images",
    "rebatch_images",
    "rebatch_latents",
    "repeat_images",
    "repeat_latents",
    "repeat_to",
    "resize",
    "rotate_images",
    "rotate_latents",
    "scale_images",
    "scale_images_by",
    "scale_images_to_pixels",
    "scale_images_to_side",
    "scale_latents",
    "scale_latents_by",
    "scale_masks",
    "share_noise",
    "sharpen_images",
    "solid_masks",
    "split_alpha",
    "stack_images",
    "stitch_images",
    "subtract_latents",
    "threshold_masks",
    "to_pictures",
    "to_pillow",
    "to_uint8",
    "with_noise_mask",
]

_MODULES = {
    "alpha": "PorterDuffMode join_alpha porter_duff split_alpha",
    "arrays": "from_pictures from_uint8 to_pictures to_pillow to_uint8",
    "batches": "match_channels pick_images rebatch_images repeat_images repeat_to stack_images",
    "blank": "empty_images empty_latents solid_masks",
    "blending": "BlendMode blend_images",
    "compositing": "composite_images composite_latents composite_latents_feathered",
    "cropping": "crop_images crop_latents crop_masks pad_for_outpaint",
    "edges": "canny",
    "filters": "blur_images invert_images sharpen_images",
    "inpainting": "grey_out prepare_inpaint",
    "latent_maths": "add_latents blend_latents interpolate_latents match_latents multiply_latents subtract_latents",
    "latents": "LatentBatch join_latents noise_mask_for pick_latents rebatch_latents repeat_latents share_noise "
    "with_noise_mask",
    "loading": "MaskChannel load_images load_masks",
    "masks": "Channel MaskOperation colour_to_masks combine_masks feather_masks images_to_masks invert_masks "
    "masks_to_images threshold_masks",
    "morphology": "Morph grow_masks morph_images",
    "quantising": "Dither quantise_images",
    "scaling": "Crop LatentMethod ScaleMethod resize scale_images scale_images_by scale_images_to_pixels "
    "scale_images_to_side scale_latents scale_latents_by scale_masks",
    "stitching": "Direction frame_images stitch_images",
    "turning": "Mirror flip_images flip_latents rotate_images rotate_latents",
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'sdkit.editing' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(f"sdkit.editing.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
