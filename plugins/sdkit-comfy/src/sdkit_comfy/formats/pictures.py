"""The text that ComfyUI leaves in what it saves: pictures (PNG, WebP, JPEG) and latents (safetensors)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sdkit.errors import GraphError
from sdkit_comfy.formats.strict_json import MAX_BYTES, mapping, parse, text, too_large

if TYPE_CHECKING:
    from PIL import Image as PILImage

_MAKE, _MODEL, _DESCRIPTION = 0x010F, 0x0110, 0x010E
_KEYWORDS: Final = ("prompt", "workflow")
HEAD: Final = 16
"""Bytes that tell a picture from a text."""


def is_picture(head: bytes) -> bool:
    """Whether a file that begins like this is a PNG, a JPEG or a WebP."""
    return head.startswith((b"\x89PNG", b"\xff\xd8\xff")) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def is_safetensors(head: bytes) -> bool:
    """Whether a file that begins like this is a safetensors file: the length of its header, and the header."""
    return len(head) >= 9 and head[8:9] == b"{" and head[6:8] == b"\0\0"


def picture_texts(source: Path | bytes) -> dict[str, str]:
    """A picture's texts by keyword. In WebP and JPEG, which have none, they stand in fields of EXIF as
    `prompt:{…}` and `workflow:{…}`. Raises ImageError for what is no picture."""
    from sdkit.images import open_picture, read_text

    with open_picture(source) as (picture, _):
        found = read_text(picture)
        return found | {key: value for key, value in _exif(picture).items() if key not in found}


def safetensors_texts(source: Path | bytes, shown: str) -> dict[str, str]:
    """The texts in the header of a safetensors file, of which no more is read."""
    if isinstance(source, bytes):
        length = int.from_bytes(source[:8], "little")
        header = source[8 : 8 + min(length, MAX_BYTES + 1)]
    else:
        with source.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = file.read(min(length, MAX_BYTES + 1))
    if length > MAX_BYTES:
        raise too_large(shown, length)
    if len(header) < length:
        raise GraphError(f"{shown} is cut short: its header has {length} bytes, and {len(header)} are there")
    metadata = mapping(mapping(parse(header, shown)).get("__metadata__"))
    return {key: text(value) for key, value in metadata.items() if text(value)}


def _exif(picture: PILImage.Image) -> dict[str, str]:
    """The texts in EXIF: ComfyUI writes the prompt to Model and the workflow to Make, others elsewhere."""
    exif = picture.getexif()
    values = [exif.get(tag) for tag in (_MODEL, _MAKE, _DESCRIPTION)]
    found: dict[str, str] = {}
    for value in values:
        told = value if isinstance(value, str) else ""
        for keyword in _KEYWORDS:
            if told.lower().startswith(f"{keyword}:"):
                found.setdefault(keyword, told[len(keyword) + 1 :].strip("\0 "))
    return found
