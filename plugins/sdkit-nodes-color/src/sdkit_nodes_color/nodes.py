"""The nodes: thin functions around the arithmetic in `colours`, `curves` and `tables`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

import sdkit
from sdkit.errors import SdkitError
from sdkit.graph import CheckContext, NodeContext
from sdkit_nodes_color import colours
from sdkit_nodes_color.curves import Curve
from sdkit_nodes_color.tables import read_cube

if TYPE_CHECKING:
    import torch

Share = Annotated[float, Field(ge=0, le=1)]
Signed = Annotated[float, Field(ge=-1, le=1)]
Colour = Annotated[str, Field(description="#rrggbb")]


@sdkit.node(category="color")
def adjust_color(
    image: sdkit.Image,
    exposure: Annotated[float, Field(ge=-5, le=5, description="stops, in linear light")] = 0.0,
    contrast: Annotated[float, Field(ge=0, le=4)] = 1.0,
    saturation: Annotated[float, Field(ge=0, le=4)] = 1.0,
) -> sdkit.Image:
    """Lighter or darker, more or less contrast, more or less colour."""
    pixels = image.pixels
    if exposure:
        pixels = colours.to_srgb(colours.to_linear(pixels) * 2**exposure)
    pixels = (pixels - 0.5) * contrast + 0.5
    grey = colours.luma(pixels)
    return _with(image, grey + (pixels - grey) * saturation)


def _curve_fault(points: str | None, **_: object) -> str | None:
    """What is wrong with the points of a curve, said before anything runs."""
    try:
        if points is not None:
            Curve.parse(points)
    except ValueError as error:
        return f"points: {error}"
    return None


@sdkit.node(category="color", check=_curve_fault)
def tone_curve(
    image: sdkit.Image,
    points: Annotated[str, Field(description="from:to, from dark to bright")] = "0:0 0.25:0.2 0.75:0.85 1:1",
    channel: Annotated[str, Field(description="any of the letters r, g, b")] = "rgb",
) -> sdkit.Image:
    """A smooth curve through points, for all channels or for some."""
    curve = Curve.parse(points)
    pixels = image.pixels.clone()
    for number, letter in enumerate("rgb"):
        if letter in channel:
            pixels[number] = curve(pixels[number])
    return _with(image, pixels)


@sdkit.node(category="color")
def white_balance(image: sdkit.Image, temperature: Signed = 0.0, tint: Signed = 0.0) -> sdkit.Image:
    """Warmer (temperature above 0) or cooler, more magenta (tint above 0) or greener; greys stay as bright."""
    return _with(image, colours.balanced(image.pixels, temperature, tint))


def _colour_faults(shadows: str | None, highlights: str | None, **_: object) -> str | None:
    for name, text in (("shadows", shadows), ("highlights", highlights)):
        try:
            if text is not None:
                colours.parse_colour(text)
        except ValueError as error:
            return f"{name}: {error}"
    return None


@sdkit.node(category="color", check=_colour_faults)
def split_tone(
    image: sdkit.Image,
    shadows: Colour = "#1f4e79",
    highlights: Colour = "#ffb347",
    strength: Share = 0.5,
    balance: Annotated[Signed, Field(description="above 0 gives the highlights more room")] = 0.0,
) -> sdkit.Image:
    """One tint for what is dark, another for what is bright; brightness stays about as it is."""
    dark, bright = colours.parse_colour(shadows), colours.parse_colour(highlights)
    return _with(image, colours.split_toned(image.pixels, dark, bright, strength, balance))


def _table_file(context: CheckContext, table: str | None, **_: object) -> object:
    """What changes when the file does, so that the node runs again."""
    if table is None:
        return None
    stat = context.service(sdkit.Workspace).inputs.find(table).stat()
    return [stat.st_size, stat.st_mtime_ns]


def _table_fault(context: CheckContext, table: str | None, **_: object) -> str | None:
    try:
        if table is not None:
            read_cube(context.service(sdkit.Workspace).inputs.find(table))
    except SdkitError as error:
        return f"table: {error}"
    return None


@sdkit.node(category="color", changes=_table_file, check=_table_fault)
def apply_lut(
    context: NodeContext,
    image: sdkit.Image,
    table: Annotated[str, Field(description="a .cube file in the input folders")],
    strength: Share = 1.0,
) -> sdkit.Image:
    """A colour table of a film or a look, from a .cube file."""
    looked_up = read_cube(context.service(sdkit.Workspace).inputs.find(table))(image.pixels)
    return _with(image, image.pixels + (looked_up - image.pixels) * strength)


@sdkit.node(category="color")
def match_color(image: sdkit.Image, reference: sdkit.Image, strength: Share = 1.0) -> sdkit.Image:
    """The colours of another picture: their means and spreads (Reinhard et al., 2001)."""
    matched = colours.matched(image.pixels, reference.pixels)
    return _with(image, image.pixels + (matched - image.pixels) * strength)


def _with(image: sdkit.Image, pixels: torch.Tensor) -> sdkit.Image:
    """The picture with other pixels, and with the texts that it has."""
    return replace(image, pixels=pixels.clamp(0, 1))
