"""Pictures that users give: as sdkit has them, as Pillow has them, or as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sdkit.images import Image, read_image

if TYPE_CHECKING:
    from typing import TypeAlias

    from PIL import Image as pillow

    Picture: TypeAlias = Image | pillow.Image | str | Path


def as_image(picture: Picture) -> Image:
    """The picture as sdkit has it. Raises ImageError for a file that cannot be read."""
    if isinstance(picture, Image):
        return picture
    return read_image(picture) if isinstance(picture, (str, Path)) else Image.from_pil(picture)


def as_images(pictures: Picture | Sequence[Picture]) -> list[Image]:
    """One picture or several, as a list. Raises ImageError for a file that cannot be read."""
    alone = isinstance(pictures, (Image, str, Path)) or hasattr(pictures, "getbands")
    return [as_image(picture) for picture in cast("Sequence[Picture]", (pictures,) if alone else pictures)]
