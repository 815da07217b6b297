"""Numbers and choices that many of ComfyUI's nodes for pictures, masks and latents take, as annotations."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

MOST = 16_384
"""Longest side that ComfyUI's nodes take, in pixels."""

Pixels: TypeAlias = Annotated[int, Field(ge=1, le=MOST)]
Place: TypeAlias = Annotated[int, Field(ge=0, le=MOST)]
Offset: TypeAlias = Annotated[int, Field(ge=-MOST, le=MOST)]
LatentSide: TypeAlias = Annotated[int, Field(ge=64, le=MOST)]
Many: TypeAlias = Annotated[int, Field(ge=1, le=4096)]
Few: TypeAlias = Annotated[int, Field(ge=1, le=64)]
Colour: TypeAlias = Annotated[int, Field(ge=0, le=0xFFFFFF)]
Fraction: TypeAlias = Annotated[float, Field(ge=0, le=1)]
ScaleFactor: TypeAlias = Annotated[float, Field(ge=0.01, le=8)]
Radius: TypeAlias = Annotated[int, Field(ge=1, le=31)]
Sigma: TypeAlias = Annotated[float, Field(ge=0.1, le=10)]

PictureMethod: TypeAlias = Literal["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]
Rotation: TypeAlias = Literal["none", "90 degrees", "180 degrees", "270 degrees"]
Flip: TypeAlias = Literal["x-axis: vertically", "y-axis: horizontally"]
Side: TypeAlias = Literal["right", "down", "left", "up"]

DEGREES = {"none": 0, "90 degrees": 90, "180 degrees": 180, "270 degrees": 270}
"""What ComfyUI calls rotations, in degrees clockwise."""
