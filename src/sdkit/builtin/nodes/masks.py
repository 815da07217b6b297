"""Masks: `[1, H, W]`, 0…1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from sdkit.graph import node

if TYPE_CHECKING:
    from sdkit.builtin.nodes.sockets import Mask
    from sdkit.images import Image

Width = Annotated[int, Field(ge=0, le=16_384)]
Place = Annotated[int, Field(ge=-16_384, le=16_384)]


@node(category="masks")
def image_to_mask(image: Image, channel: Literal["brightness", "red", "green", "blue"] = "brightness") -> Mask:
    """A mask from a picture: 1 where it is white, or where it has a colour."""
    from sdkit.images import read_mask

    if channel == "brightness":
        return read_mask(image)[0]
    return image.pixels[("red", "green", "blue").index(channel)][None].clamp(0, 1)


@node(category="masks")
def mask_to_image(mask: Mask) -> Image:
    """A mask as a picture: white where it is 1."""
    from sdkit.images import Image

    return Image(mask[:1].expand(3, -1, -1).clone())


@node(category="masks")
def invert_mask(mask: Mask) -> Mask:
    """1 where it was 0."""
    from sdkit.editing import invert_masks

    return invert_masks(mask)


@node(category="masks")
def grow_mask(mask: Mask, by: Annotated[int, Field(ge=-1024, le=1024)] = 8, tapered: bool = True) -> Mask:
    """A mask grown by so many pixels, or shrunk; with `tapered`, corners are cut off."""
    from sdkit.editing import grow_masks

    return grow_masks(mask, by, tapered=tapered)


@node(category="masks")
def feather_mask(mask: Mask, left: Width = 0, top: Width = 0, right: Width = 0, bottom: Width = 0) -> Mask:
    """A mask that fades out towards the sides of the picture."""
    from sdkit.editing import feather_masks

    return feather_masks(mask, left, top, right, bottom)


@node(category="masks")
def combine_masks(
    below: Mask,
    above: Mask,
    x: Place = 0,
    y: Place = 0,
    operation: Literal["multiply", "add", "subtract", "and", "or", "xor"] = "multiply",
) -> Mask:
    """Two masks as one; the second one's corner at `x`, `y`."""
    from sdkit.editing import combine_masks as combine

    return combine(below, above, x, y, operation)
