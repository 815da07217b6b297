"""Writing picture files: encoding, and putting a file in its place in one step."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from sdkit.errors import ImageError, ImageExistsError
from sdkit.images.texts import exif_text, png_text

if TYPE_CHECKING:
    from sdkit.images.image import Format, Image

SUFFIXES: Mapping[str, Format] = MappingProxyType({".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"})
"""Endings of files' names → formats that sdkit writes."""
MAX_SIDES: dict[Format, int] = {"png": 2**31 - 1, "jpeg": 65_500, "webp": 16_383}
"""Longest side that each format can hold, in pixels."""


def encode(image: Image, kind: Format, *, quality: int = 95, metadata: bool = True) -> bytes:
    """The picture as a file's bytes. Raises ImageError where the format cannot hold it."""
    if kind not in MAX_SIDES:
        raise ImageError(f"sdkit writes png, jpeg and webp, not {kind!r}")
    if max(image.width, image.height) > MAX_SIDES[kind]:
        raise ImageError(
            f"{kind} holds at most {MAX_SIDES[kind]} pixels a side; this picture has {image.width}x{image.height}: "
            "write a png"
        )
    if not 1 <= quality <= 100:
        raise ImageError(f"quality is from 1 to 100, not {quality}")
    text: Mapping[str, str] = image.text if metadata else {}
    picture, out = image.to_pil(), io.BytesIO()
    if kind == "png":
        picture.save(out, "PNG", pnginfo=png_text(text))
    elif kind == "jpeg":
        # No chroma subsampling: it smears the flat, saturated edges that generated pictures are full of.
        picture.save(out, "JPEG", quality=quality, subsampling=0, exif=exif_text(text))
    else:
        picture.save(out, "WEBP", quality=quality, exif=exif_text(text))
    return out.getvalue()


def save(image: Image, path: Path, kind: Format | None, *, overwrite: bool, metadata: bool, quality: int) -> Path:
    """See `Image.save`."""
    chosen = kind or SUFFIXES.get(path.suffix.lower())
    if chosen is None:
        raise ImageError(
            f"cannot tell the format of {str(path)!r}: end its name in {', '.join(SUFFIXES)}, or say format='png'"
        )
    if not overwrite and os.path.lexists(path):
        raise _exists(path)
    data = encode(image, chosen, quality=quality, metadata=metadata)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _written_beside(path, data) as temporary:
            if overwrite:
                temporary.replace(path)
            else:
                _move_if_free(temporary, path)
    except FileExistsError:
        if os.path.lexists(path) and not overwrite:
            raise _exists(path) from None
        raise ImageError(f"cannot write {str(path)!r}: a file is in the way of one of its folders") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ImageError(f"cannot write {str(path)!r}: {reason}") from error
    return path


@contextmanager
def _written_beside(path: Path, data: bytes) -> Generator[Path]:
    """A file with the data under a name of its own in the folder of `path`, gone afterwards whatever happens.

    Made with `open` and not with `tempfile`, whose files only their owner can read.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.sdkit-part")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # or a power cut could leave the name with nothing behind it
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _move_if_free(temporary: Path, path: Path) -> None:
    """Give the file its name unless the name is taken, in one step. Raises FileExistsError."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # no hard links here (FAT, some network drives): reserve the name, then replace our own empty file
        path.open("xb").close()
        try:
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                path.unlink()
            raise


def _exists(path: Path) -> ImageExistsError:
    return ImageExistsError(f"{str(path)!r} exists already; choose another name, or overwrite it with overwrite=True")
