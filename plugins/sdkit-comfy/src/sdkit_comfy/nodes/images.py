"""Pictures of one colour, in other sizes, cut, turned, and with room around them."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from sdkit import node
from sdkit.editing import (
    Crop,
    crop_images,
    empty_images,
    flip_images,
    pad_for_outpaint,
    rotate_images,
    scale_images,
    scale_images_by,
    scale_images_to_pixels,
    scale_images_to_side,
)
from sdkit_comfy.ranges import DEGREES, Colour, Flip, Many, PictureMethod, Pixels, Place, Rotation, ScaleFactor
from sdkit_comfy.sockets import IMAGE, MASK


class Size(NamedTuple):
    """In pixels, and how many."""

    width: int
    height: int
    batch_size: int


@node(name="EmptyImage", category="image")
def empty_image(*, width: Pixels = 512, height: Pixels = 512, batch_size: Many = 1, color: Colour = 0) -> IMAGE:
    """Pictures of one colour, 0xRRGGBB."""
    return empty_images(width, height, batch_size, color)


@node(name="GetImageSize", category="image")
def get_image_size(*, image: IMAGE) -> Size:
    """Width and height of pictures, and how many there are."""
    return Size(image.shape[2], image.shape[1], image.shape[0])


@node(name="ImageScale", category="image/upscaling")
def image_scale(
    *,
    image: IMAGE,
    upscale_method: PictureMethod = "nearest-exact",
    width: Place = 512,
    height: Place = 512,
    crop: Crop = "disabled",
) -> IMAGE:
    """Pictures at another size; a side of 0 follows from the other one."""
    return scale_images(image, width, height, upscale_method, crop)


@node(name="ImageScaleBy", category="image/upscaling")
def image_scale_by(
    *, image: IMAGE, upscale_method: PictureMethod = "nearest-exact", scale_by: ScaleFactor = 1.0
) -> IMAGE:
    """Pictures with both sides times a factor."""
    return scale_images_by(image, scale_by, upscale_method)


@node(name="ImageScaleToTotalPixels", category="image/upscaling")
def image_scale_to_total_pixels(
    *,
    image: IMAGE,
    upscale_method: PictureMethod = "nearest-exact",
    megapixels: Annotated[float, Field(ge=0.01, le=16)] = 1.0,
    resolution_steps: Annotated[int, Field(ge=1, le=256)] = 1,
) -> IMAGE:
    """Pictures of so many times 1024·1024 pixels, their sides multiples of `resolution_steps`."""
    return scale_images_to_pixels(image, megapixels, upscale_method, resolution_steps)


@node(name="ImageScaleToMaxDimension", category="image/upscaling")
def image_scale_to_max_dimension(
    *,
    image: IMAGE,
    upscale_method: Literal["area", "lanczos", "bilinear", "nearest-exact", "bicubic"] = "area",
    largest_size: Place = 512,
) -> IMAGE:
    """Pictures whose longer side is so long."""
    return scale_images_to_side(image, largest_size, upscale_method)


@node(name="ImageCrop", category="image/transform")
def image_crop(*, image: IMAGE, width: Pixels = 512, height: Pixels = 512, x: Place = 0, y: Place = 0) -> IMAGE:
    """A rectangle of pictures."""
    return crop_images(image, x, y, width, height)


@node(name="ImageFlip", category="image/transform")
def image_flip(*, image: IMAGE, flip_method: Flip = "x-axis: vertically") -> IMAGE:
    """Pictures upside down, or with left and right exchanged."""
    return flip_images(image, "vertically" if flip_method.startswith("x") else "horizontally")


@node(name="ImageRotate", category="image/transform")
def image_rotate(*, image: IMAGE, rotation: Rotation = "none") -> IMAGE:
    """Pictures turned clockwise."""
    return rotate_images(image, DEGREES[rotation])


@node(name="ImagePadForOutpaint", category="image")
def image_pad_for_outpaint(
    *, image: IMAGE, left: Place = 0, top: Place = 0, right: Place = 0, bottom: Place = 0, feathering: Place = 40
) -> tuple[IMAGE, MASK]:
    """Pictures with grey room around them, and the mask of what to paint."""
    return pad_for_outpaint(image, left, top, right, bottom, feathering)
