"""Masks."""

from __future__ import annotations

from sdkit import node
from sdkit.editing import (
    Channel,
    MaskOperation,
    colour_to_masks,
    combine_masks,
    crop_masks,
    feather_masks,
    grow_masks,
    images_to_masks,
    invert_masks,
    masks_to_images,
    solid_masks,
    threshold_masks,
)
from sdkit_comfy.ranges import Colour, Fraction, Offset, Pixels, Place
from sdkit_comfy.sockets import IMAGE, MASK


@node(name="MaskToImage", category="mask")
def mask_to_image(*, mask: MASK) -> IMAGE:
    """Masks as grey pictures."""
    return masks_to_images(mask)


@node(name="ImageToMask", category="mask")
def image_to_mask(*, image: IMAGE, channel: Channel = "red") -> MASK:
    """One channel of pictures as masks."""
    return images_to_masks(image, channel)


@node(name="ImageColorToMask", category="mask")
def image_color_to_mask(*, image: IMAGE, color: Colour = 0) -> MASK:
    """Where pictures have exactly this colour, 0xRRGGBB."""
    return colour_to_masks(image, color)


@node(name="SolidMask", category="mask")
def solid_mask(*, value: Fraction = 1.0, width: Pixels = 512, height: Pixels = 512) -> MASK:
    """A mask of one value."""
    return solid_masks(value, width, height)


@node(name="InvertMask", category="mask")
def invert_mask(*, mask: MASK) -> MASK:
    """What is outside of a mask."""
    return invert_masks(mask)


@node(name="CropMask", category="mask")
def crop_mask(*, mask: MASK, x: Place = 0, y: Place = 0, width: Pixels = 512, height: Pixels = 512) -> MASK:
    """A rectangle of masks."""
    return crop_masks(mask, x, y, width, height)


@node(name="MaskComposite", category="mask")
def mask_composite(
    *, destination: MASK, source: MASK, x: Place = 0, y: Place = 0, operation: MaskOperation = "multiply"
) -> MASK:
    """Masks with others combined into them."""
    return combine_masks(destination, source, x, y, operation)


@node(name="FeatherMask", category="mask")
def feather_mask(*, mask: MASK, left: Place = 0, top: Place = 0, right: Place = 0, bottom: Place = 0) -> MASK:
    """Masks that fade towards their edges."""
    return feather_masks(mask, left, top, right, bottom)


@node(name="GrowMask", category="mask")
def grow_mask(*, mask: MASK, expand: Offset = 0, tapered_corners: bool = True) -> MASK:
    """Masks grown by so many pixels, or shrunk."""
    return grow_masks(mask, expand, tapered=tapered_corners)


@node(name="ThresholdMask", category="mask")
def threshold_mask(*, mask: MASK, value: Fraction = 0.5) -> MASK:
    """Masks cut off: 1 above the value, else 0."""
    return threshold_masks(mask, value)
