"""The text in a picture file: PNG text chunks, and the EXIF fields that stand in for them in JPEG and WebP.

In EXIF, the A1111 text goes where A1111 and its readers look for it, the user comment (0x9286, `UNICODE` and UTF-16).
All text by keyword, sdkit's record included, goes into the maker note (0x927C), the field meant for what only the
writing program understands.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from sdkit.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image as PILImage
    from PIL.PngImagePlugin import PngInfo

logger = logging.getLogger("sdkit")

PARAMETERS = "parameters"
"""Keyword of the text that A1111 and many others write and read."""
RECORD = "sdkit"
"""Keyword of sdkit's own record."""
GRAPH = "sdkit_graph"
"""Keyword of the graph that made the picture, in sdkit's own format; also the first key of that format."""

MAX_EXIF = 65_000
"""Bytes of EXIF that a JPEG takes: one segment of 64 KiB, headers included."""

_EXIF_IFD, _USER_COMMENT, _MAKER_NOTE = 0x8769, 0x9286, 0x927C
_UNICODE, _ASCII, _MAKER = b"UNICODE\0", b"ASCII\0\0\0", b"sdkit\0"


def png_text(text: Mapping[str, str]) -> PngInfo:
    """The chunks to write: tEXt where Latin-1 holds the text, iTXt where it does not. Raises ImageError for a keyword
    that PNG does not take."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for keyword, value in text.items():
        if (
            not 1 <= len(keyword) <= 79
            or not keyword.isascii()
            or not keyword.isprintable()
            or keyword.strip() != keyword
        ):
            raise ImageError(
                f"{keyword!r} cannot be a keyword of text in a PNG: "
                "use 1 to 79 printable ASCII characters, no space at the ends"
            )
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ImageError(f"the text {keyword!r} cannot be written as UTF-8: {error.reason}") from error
        info.add_text(keyword, value)
    return info


def exif_text(text: Mapping[str, str]) -> bytes:
    """The EXIF block that carries the text; empty if there is none.

    What does not fit into a JPEG's 64 KiB is left out with a warning: the maker note first, then the user comment.
    """
    from PIL import Image as PILImage

    comment = _UNICODE + text[PARAMETERS].encode("utf-16-be") if PARAMETERS in text else b""
    note = _MAKER + json.dumps(dict(text)).encode() if text else b""
    for kept in ((comment, note), (comment, b""), (b"", b"")):
        if sum(map(len, kept)) > MAX_EXIF:
            continue
        if kept != (comment, note):
            logger.warning(
                "the picture's record of %d bytes does not fit into EXIF (%d at most); %s is left out. PNG keeps it.",
                len(comment) + len(note),
                MAX_EXIF,
                "sdkit's own part" if kept[0] else "all of it",
            )
        fields = {tag: value for tag, value in ((_USER_COMMENT, kept[0]), (_MAKER_NOTE, kept[1])) if value}
        if not fields:
            return b""
        exif = PILImage.Exif()
        exif.get_ifd(_EXIF_IFD).update(fields)
        return exif.tobytes()
    raise AssertionError("nothing at all always fits")


def read_text(picture: PILImage.Image) -> dict[str, str]:
    """The text by keyword in an opened picture of any format; empty if there is none.

    May raise what Pillow raises for broken files; text chunks before the pixels are found in truncated ones, too.
    """
    info = cast("dict[object, object]", picture.info)
    text = {key: str(value) for key, value in info.items() if isinstance(key, str) and isinstance(value, str)}
    if picture.format == "PNG":
        if not (RECORD in text or PARAMETERS in text):  # it may stand behind the pixels
            text |= {str(key): str(value) for key, value in getattr(picture, "text", {}).items()}
        if text:
            return text
    fields = picture.getexif().get_ifd(_EXIF_IFD)
    note = _bytes(fields.get(_MAKER_NOTE))
    if note.startswith(_MAKER):
        try:
            found: object = json.loads(note.removeprefix(_MAKER))
        except ValueError:
            found = None
        if isinstance(found, dict):
            return {str(key): str(value) for key, value in cast("dict[object, object]", found).items()}
    comment = _user_comment(_bytes(fields.get(_USER_COMMENT)))
    return {PARAMETERS: comment} if comment else {}


def _bytes(value: object) -> bytes:
    if isinstance(value, str):  # Pillow reads a field whose type is text as Latin-1
        return value.encode("latin-1", errors="replace")
    return value if isinstance(value, bytes) else b""


def _user_comment(data: bytes) -> str:
    """A user comment's text. Its UTF-16 has no reliable byte order: A1111 writes big-endian whatever the file's header
    says, others follow the header; which of the two it is shows in where the zeros of its ASCII letters are."""
    if data.startswith(_UNICODE):
        body = data.removeprefix(_UNICODE)
        little = body[1::2].count(0) > body[0::2].count(0)
        return body.decode("utf-16-le" if little else "utf-16-be", errors="replace").lstrip("\ufeff").rstrip("\0")
    body = data.removeprefix(_ASCII).lstrip(b"\0")
    return body.decode("utf-8", errors="replace").rstrip("\0 ")
