"""Edits of pictures: sdkit's editing functions, one picture at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from sdkit.builtin.nodes.sockets import Share
from sdkit.graph import node

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from sdkit.builtin.nodes.sockets import Mask
    from sdkit.images import Image

Pixels = Annotated[int, Field(ge=0, le=16_384)]
Place = Annotated[int, Field(ge=-16_384, le=16_384)]
Radius = Annotated[int, Field(ge=0, le=31)]


@node(category="edits")
def scale_image(
    image: Image,
    width: Pixels = 0,
    height: Pixels = 0,
    method: Literal["nearest-exact", "bilinear", "area", "bicubic", "lanczos"] = "lanczos",
    crop: Literal["disabled", "center"] = "disabled",
) -> Image:
    """A picture at another size; a side of 0 follows from the other one."""
    from sdkit.editing import scale_images

    return _edited(image, lambda batch: scale_images(batch, width, height, method, crop))


@node(category="edits")
def crop_image(image: Image, x: Pixels = 0, y: Pixels = 0, width: Pixels = 512, height: Pixels = 512) -> Image:
    """A rectangle of a picture: what of it is inside."""
    from sdkit.editing import crop_images

    return _edited(image, lambda batch: crop_images(batch, x, y, width, height))


@node(category="edits")
def blend_images(
    below: Image,
    above: Image,
    factor: Share = 0.5,
    mode: Literal["normal", "multiply", "screen", "overlay", "soft_light", "difference"] = "normal",
) -> Image:
    """One picture over another, which it is scaled to."""
    from sdkit.editing import blend_images as blend

    return _edited(below, lambda batch: blend(batch, _batch(above), factor, mode))


@node(category="edits")
def composite_images(
    below: Image, above: Image, x: Place = 0, y: Place = 0, mask: Mask | None = None, resize: bool = False
) -> Image:
    """One picture put onto another, at `x`, `y`, where the mask is 1."""
    from sdkit.editing import composite_images as composite

    return _edited(below, lambda batch: composite(batch, _batch(above), x, y, mask, resize_source=resize))


@node(category="edits")
def blur_image(image: Image, radius: Radius = 1, sigma: Annotated[float, Field(ge=0.1, le=10)] = 1.0) -> Image:
    """A picture, blurred; `sigma` is in units of the radius."""
    from sdkit.editing import blur_images

    return _edited(image, lambda batch: blur_images(batch, radius, sigma))


@node(category="edits")
def sharpen_image(
    image: Image,
    radius: Radius = 1,
    sigma: Annotated[float, Field(ge=0.1, le=10)] = 1.0,
    amount: Annotated[float, Field(ge=0, le=5)] = 0.1,
) -> Image:
    """A picture, sharpened by what a blur takes away."""
    from sdkit.editing import sharpen_images

    return _edited(image, lambda batch: sharpen_images(batch, radius, sigma, amount))


def _batch(image: Image) -> torch.Tensor:
    """`[1, H, W, 3]`."""
    return image.pixels.movedim(0, -1)[None]


def _edited(image: Image, edit: Callable[[torch.Tensor], torch.Tensor]) -> Image:
    """The picture with other pixels, and the texts that it has."""
    return replace(image, pixels=edit(_batch(image))[0, ..., :3].movedim(-1, 0).contiguous())
