"""Pictures side by side, in a frame, and in sizes found by one of many rules."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, cast

import torch
from pydantic import Field

from sdkit import node
from sdkit.editing import Crop, Direction, ScaleMethod, frame_images, resize, stitch_images
from sdkit.errors import RequestError
from sdkit.graph import Input, NodeType, Output
from sdkit_comfy.ranges import Pixels
from sdkit_comfy.sockets import IMAGE

COLOURS = {"white": (1.0, 1.0, 1.0), "black": (0.0, 0.0, 0.0), "red": (1.0, 0.0, 0.0), "green": (0.0, 1.0, 0.0),
           "blue": (0.0, 0.0, 1.0)}  # fmt: skip
RULES = (
    "scale dimensions",
    "scale by multiplier",
    "scale longer dimension",
    "scale shorter dimension",
    "scale width",
    "scale height",
    "scale total pixels",
    "match size",
    "scale to multiple",
)
METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")
_PREFIX = "resize_type."


@node(name="ImageStitch", category="image/transform")
def image_stitch(
    *,
    image1: IMAGE,
    direction: Direction = "right",
    match_image_size: bool = True,
    spacing_width: Annotated[int, Field(ge=0, le=1024)] = 0,
    spacing_color: Literal["white", "black", "red", "green", "blue"] = "white",
    image2: IMAGE | None = None,
) -> IMAGE:
    """Pictures beside, below or above others."""
    if image2 is None:
        return image1
    return stitch_images(
        image1,
        image2,
        direction,
        match_size=match_image_size,
        spacing=spacing_width,
        colour=COLOURS[spacing_color],
    )


@node(name="ResizeAndPadImage", category="image/transform")
def resize_and_pad_image(
    *,
    image: IMAGE,
    target_width: Pixels = 512,
    target_height: Pixels = 512,
    padding_color: Literal["white", "black"] = "white",
    interpolation: Literal["area", "bicubic", "nearest-exact", "bilinear", "lanczos"] = "area",
) -> IMAGE:
    """Pictures scaled until they fit into a frame, in the middle of it."""
    return frame_images(image, target_width, target_height, float(padding_color == "white"), interpolation)


def _resized(*, input: torch.Tensor, resize_type: str, scale_method: str = "area", **given: Any) -> torch.Tensor:  # noqa: A002 -- ComfyUI's name
    values = {name.removeprefix(_PREFIX): value for name, value in given.items()}
    method = cast("ScaleMethod", scale_method)
    planes = input.movedim(-1, 1) if input.ndim == 4 else input[:, None]
    if resize_type == "scale to multiple":
        scaled = _covering(planes, int(values.get("multiple", 8)), method)
    else:
        width, height = _size(planes, resize_type, values)
        cuts = resize_type in ("scale dimensions", "match size")
        crop = cast("Crop", values.get("crop", "center") if cuts else "disabled")
        scaled = resize(planes, width, height, method, crop)
    return scaled.movedim(1, -1) if input.ndim == 4 else scaled[:, 0]


def _size(planes: torch.Tensor, rule: str, values: dict[str, Any]) -> tuple[int, int]:
    """The width and height that a rule asks for."""
    high, wide = planes.shape[-2:]
    if rule == "scale by multiplier":
        return round(wide * values.get("multiplier", 1.0)), round(high * values.get("multiplier", 1.0))
    if rule in ("scale longer dimension", "scale shorter dimension"):
        longer = rule == "scale longer dimension"
        length = int(values.get("longer_size" if longer else "shorter_size", 512))
        if (wide >= high) == longer:
            return length, round(high / wide * length)
        return round(wide / high * length), length
    if rule == "scale total pixels":
        multiple = int(values.get("multiple", 1))
        factor = math.sqrt(int(values.get("megapixels", 1.0) * 1024 * 1024) / (wide * high))
        return max(1, round(wide * factor / multiple)) * multiple, max(1, round(high * factor / multiple)) * multiple
    if rule == "match size":
        match: torch.Tensor | None = values.get("match")
        if match is None:
            raise RequestError("resize_type 'match size' has nothing to match; link resize_type.match")
        return (match.shape[2], match.shape[1])
    width = int(values.get("width", 512)) if rule != "scale height" else 0
    height = int(values.get("height", 512)) if rule != "scale width" else 0
    if width == height == 0:
        return wide, high
    return width or max(1, round(wide * height / high)), height or max(1, round(high * width / wide))


def _covering(planes: torch.Tensor, multiple: int, method: ScaleMethod) -> torch.Tensor:
    """In the largest size below whose sides are multiples, scaled until it is covered and cut around the middle."""
    high, wide = planes.shape[-2:]
    width, height = wide // multiple * multiple, high // multiple * multiple
    if 0 in (width, height) or (width, height) == (wide, high):
        return planes.clone()
    factor = max(width / wide, height / high)
    covering = (
        (width, max(height, math.ceil(high * factor)))
        if width / wide >= height / high
        else (max(width, math.ceil(wide * factor)), height)
    )
    scaled = resize(planes, *covering, method)
    left, top = (covering[0] - width) // 2, (covering[1] - height) // 2
    return scaled[..., top : top + height, left : left + width].clone()


RESIZE = NodeType(
    name="ResizeImageMaskNode",
    function=_resized,
    inputs=(
        Input("input", "IMAGE,MASK"),
        Input("resize_type", "str", choices=RULES),
        Input("scale_method", "str", required=False, default="area", choices=METHODS),
    ),
    outputs=(Output("resized", "IMAGE,MASK"),),
    title="Resize Image/Mask",
    category="image/transform",
    summary="Pictures or masks in a size found by one of many rules.",
    open_inputs=True,
)
"""What a rule takes are further inputs: `resize_type.width`, `resize_type.megapixels`, …"""
