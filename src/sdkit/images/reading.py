"""Reading picture files: bytes that may be anything → pixels."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sdkit.errors import ImageError
from sdkit.images.image import Image
from sdkit.images.texts import read_text

if TYPE_CHECKING:
    import torch
    from PIL import Image as PILImage

MAX_PIXELS = 8192 * 8192
"""Largest picture that is read: 800 MB as float32."""
MAX_BYTES = 512 * 2**20
"""Largest file that is read."""

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "PPM")
"""Pillow's names of what is read. Not all that Pillow knows: EPS runs Ghostscript, and rare decoders are where the
holes are."""

# What Pillow's decoders raise for broken files, found by flipping bytes and cutting files short.
FAULTS = (OSError, SyntaxError, ValueError, EOFError, IndexError, OverflowError, struct.error, zlib.error)


def read_image(source: str | Path | bytes, name: str = "") -> Image:
    """Read a picture from a file, or from a file's bytes; `name` stands for the bytes in messages.

    PNG, JPEG, WebP, BMP, GIF, TIFF and PPM; of animations the first frame. The picture is turned upright by its EXIF
    orientation. Transparency is flattened onto black, so that a mask painted in white onto nothing reads as meant.
    16-bit greys keep their precision; floats are taken as 0…1; palettes and CMYK become RGB; colour profiles are
    ignored.
    `Image.text` holds the file's text.

    Raises ImageError for what cannot be read: a missing, empty or truncated file, not a picture, too large a one.
    """
    with open_picture(source, name) as (picture, shown):
        pixels = pixels_of(picture, shown)
        return Image(pixels, text=read_text(picture))


def read_texts(source: str | Path | bytes, name: str = "") -> dict[str, str]:
    """The text that a picture file carries, by keyword; pixels are not decoded. Raises ImageError as `read_image`."""
    with open_picture(source, name) as (picture, _):
        return read_text(picture)


@contextmanager
def open_picture(source: str | Path | bytes, name: str = "") -> Generator[tuple[PILImage.Image, str]]:
    """An opened, not yet decoded Pillow image, and how to call it in messages. Faults of the file that show inside the
    `with` become ImageErrors, too."""
    from PIL import Image as PILImage

    shown, data = _bytes_of(source, name)
    try:
        with PILImage.open(io.BytesIO(data), formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise ImageError(_too_large(shown, f"{width}x{height} pixels"))
            yield picture, shown
    except (PILImage.DecompressionBombError, PILImage.DecompressionBombWarning) as error:
        raise ImageError(_too_large(shown, "far more pixels")) from error
    except PILImage.UnidentifiedImageError as error:
        raise ImageError(
            f"{shown} is not a picture that sdkit reads (PNG, JPEG, WebP, BMP, GIF, TIFF, PPM); "
            f"it begins with {data[:8]!r}"
        ) from error
    except FAULTS as error:
        raise ImageError(f"{shown} is damaged or cut short ({len(data)} bytes): {error}") from error


def pixels_of(picture: PILImage.Image, shown: str) -> torch.Tensor:
    """A Pillow image of any mode → `[3, H, W]`, float32 in 0…1. Raises ImageError for modes without an RGB meaning."""
    import numpy as np
    import torch
    from PIL import ImageOps

    picture = ImageOps.exif_transpose(picture)
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        grey = np.asarray(picture).astype(np.float32) / 65535
        array = np.repeat(grey.clip(0, 1)[..., None], 3, axis=2)
    elif picture.mode == "F":
        array = np.repeat(np.asarray(picture).clip(0, 1)[..., None], 3, axis=2)
    else:
        try:
            converted = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
        except ValueError as error:
            raise ImageError(
                f"{shown} has colours of mode {picture.mode!r}, which cannot become RGB: {error}"
            ) from error
        array = np.asarray(converted).astype(np.float32) / 255
        if converted.mode == "RGBA":
            array = array[..., :3] * array[..., 3:]
    return torch.as_tensor(np.ascontiguousarray(array.transpose(2, 0, 1)))


def picture_bytes(path: str | Path) -> bytes:
    """A picture file's bytes, as they are. Raises ImageError if it cannot be read, is empty, or is larger than any
    picture that sdkit reads."""
    return _bytes_of(path, "")[1]


def _bytes_of(source: str | Path | bytes, name: str) -> tuple[str, bytes]:
    if isinstance(source, bytes):
        shown, data = name or "the picture", source
    else:
        shown = repr(name or str(source))
        try:
            with Path(source).open("rb") as file:
                data = file.read(MAX_BYTES + 1)  # never all of it: it may be a device, or a mistake
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise ImageError(f"cannot read the picture {shown}: {reason}") from error
    if not data:
        raise ImageError(f"{shown} is empty: 0 bytes")
    if len(data) > MAX_BYTES:
        raise ImageError(_too_large(shown, f"more than {MAX_BYTES} bytes"))
    return shown, data


def _too_large(shown: str, size: str) -> str:
    return (
        f"{shown} is too large: {size}; sdkit reads up to {MAX_PIXELS} pixels, such as 8192x8192. Scale it down first"
    )
