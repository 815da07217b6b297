"""Contact sheets: several pictures in one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sdkit.errors import ImageError
from sdkit.images.image import Image

if TYPE_CHECKING:
    import torch

MAX_SIDE = 8192
"""Longest side of a sheet in pixels, captions not counted; with more pictures than fit, each gets smaller."""


def contact_sheet(images: Sequence[Image], columns: int | None = None, captions: Sequence[str] | None = None) -> Image:
    """The pictures in rows, from left to right and top to bottom, edge to edge on white.

    Cells are as large as the largest picture; smaller ones stand in the middle of theirs. Without `columns` the sheet
    gets as near to a square as it can. `captions`, one per picture, are written below in Pillow's own font and cut to
    the width. Beyond 8192 pixels a side, all pictures are scaled down alike. Raises ImageError if there are no
    pictures, or not as many captions.
    """
    import torch

    if not images:
        raise ImageError("a contact sheet needs at least one picture")
    if columns is not None and columns < 1:
        raise ImageError(f"a contact sheet has at least one column, not {columns}")
    if captions is not None and len(captions) != len(images):
        raise ImageError(f"there are {len(images)} pictures but {len(captions)} captions")
    cell_width, cell_height = max(image.width for image in images), max(image.height for image in images)
    across = min(columns, len(images)) if columns else _columns(len(images), cell_width, cell_height)
    down = math.ceil(len(images) / across)
    scale = min(1.0, MAX_SIDE / (across * cell_width), MAX_SIDE / (down * cell_height))
    cell_width, cell_height = max(1, int(cell_width * scale)), max(1, int(cell_height * scale))
    strip = max(12, cell_height // 12) if captions is not None else 0
    sheet = torch.ones(3, down * (cell_height + strip), across * cell_width)
    for index, image in enumerate(images):
        top, left = index // across * (cell_height + strip), index % across * cell_width
        pixels = _scaled(image.pixels, scale)[:, :cell_height, :cell_width]
        height, width = pixels.shape[1:]
        y, x = top + (cell_height - height) // 2, left + (cell_width - width) // 2
        sheet[:, y : y + height, x : x + width] = pixels
        if captions is not None:
            y = top + cell_height
            sheet[:, y : y + strip, left : left + cell_width] = _caption(captions[index], cell_width, strip)
    return Image(sheet)


def _columns(count: int, width: int, height: int) -> int:
    """How many columns make `count` cells of this size most nearly square; the wider sheet if two are as good."""

    def unevenness(columns: int) -> float:
        return abs(math.log(columns * width / (math.ceil(count / columns) * height)))

    return min(range(count, 0, -1), key=lambda columns: (round(unevenness(columns), 9), -columns))


def _scaled(pixels: torch.Tensor, scale: float) -> torch.Tensor:
    if scale == 1:
        return pixels
    from torch.nn import functional

    size = [max(1, int(side * scale)) for side in pixels.shape[1:]]
    return functional.interpolate(pixels[None], size=size, mode="bilinear", antialias=True)[0]


def _caption(text: str, width: int, height: int) -> torch.Tensor:
    """One line of black on white, `[3, height, width]`, cut with an ellipsis where it is too long."""
    from PIL import Image as PILImage
    from PIL import ImageDraw, ImageFont

    font = ImageFont.load_default(size=round(height * 0.7))
    picture = PILImage.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    line = " ".join(text.split())
    shown, room = line[:1000], width - 4
    while shown and draw.textlength(shown if shown == line else shown + "…", font=font) > room:
        shown = shown[:-1]
    draw.text((2, height / 2), shown if shown == line else shown + "…", fill="black", font=font, anchor="lm")
    return Image.from_pil(picture).pixels
