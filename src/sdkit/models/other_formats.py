"""What a file is that is no safetensors file, told from how it begins, and what to do with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

LOOKED_AT = 512
"""So many bytes of a file are enough to tell."""

FETCH_AGAIN = "Fetch the file again and compare its size and SHA-256 with the publisher's"

_CONVERT = "Use the .safetensors version of the model, or convert the file with a tool that you trust"
_PICKLED = _CONVERT + ". If you trust the file itself, allow pickles: the setting `pickles`, or SDKIT_PICKLES=1"
_UNPACK = "Unpack it, and give the .safetensors file in it"
_GIVE_MODEL = "Give the model's .safetensors file"
_REFUSED = "The download probably needed a login; f" + FETCH_AGAIN[1:]


@dataclass(frozen=True)
class OtherFormat:
    """A format: what it is in words, and what whoever has such a file does about it. `pickled`: whether PyTorch's
    loader may know what to do with it."""

    what: str
    remedy: str
    pickled: bool = False


_ZIP = b"PK\x03\x04"
_TORCH_ZIP = OtherFormat("a pickled PyTorch checkpoint (.ckpt, .pt); pickles can run code", _PICKLED, pickled=True)
_PICKLE = OtherFormat("a Python pickle, as old PyTorch files are (.ckpt, .pt); pickles can run code", _PICKLED, True)
_WEB_PAGE = OtherFormat("a web page", _REFUSED)

_BEGINNINGS: Sequence[tuple[bytes, OtherFormat]] = (
    (_ZIP, OtherFormat("a zip archive", _UNPACK, pickled=True)),  # PyTorch's loader knows better than these bytes
    (b"\x80\x02", _PICKLE),
    (b"\x80\x03", _PICKLE),
    (b"\x80\x04", _PICKLE),
    (b"\x80\x05", _PICKLE),
    (b"GGUF", OtherFormat("a GGUF file", _CONVERT)),
    (b"\x89HDF\r\n", OtherFormat("an HDF5 file, as Keras writes", _CONVERT)),
    (b"\x89PNG", OtherFormat("a PNG picture", _GIVE_MODEL)),
    (b"\xff\xd8\xff", OtherFormat("a JPEG picture", _GIVE_MODEL)),
    (b"RIFF", OtherFormat("a WebP picture or another RIFF file", _GIVE_MODEL)),
    (b"%PDF", OtherFormat("a PDF document", _GIVE_MODEL)),
    (b"\x1f\x8b", OtherFormat("a gzip archive", _UNPACK)),
    (b"7z\xbc\xaf", OtherFormat("a 7z archive", _UNPACK)),
    (b"Rar!", OtherFormat("a RAR archive", _UNPACK)),
    (b"\xfd7zXZ", OtherFormat("an xz archive", _UNPACK)),
    (b"\x28\xb5\x2f\xfd", OtherFormat("a zstd archive", _UNPACK)),
    (b"version https://git-lfs", OtherFormat("a Git LFS pointer, not the file itself", "Run `git lfs pull` there")),
)
_ONNX = re.compile(rb"\x08[\x01-\x20]\x12.(pytorch|tf2onnx|onnx|paddle|skl)", re.DOTALL)
_OLDEST_PICKLES = re.compile(rb"\((dp0|lp0|tp0)|c[\w.]+\n[\w.]+\n")
_HTML = re.compile(rb"\s*<(!doctype html|html|head|body|\?xml)", re.IGNORECASE)
_TEXT = re.compile(rb"[\t\n\r\x20-\x7e\x80-\xff]+")
_QUOTED = 60


def other_format(start: bytes) -> OtherFormat | None:
    """The format of a file that begins with these bytes; None for what may be a safetensors file, or is unknown.

    The length of a sound header can look like another format's signature, so the brace that follows it is asked first.
    """
    if start[8:9] == b"{":
        return None
    if start.startswith(_ZIP) and b"data.pkl" in start:
        return _TORCH_ZIP
    for beginning, found in _BEGINNINGS:
        if start.startswith(beginning):
            return found
    if _OLDEST_PICKLES.match(start):
        return _PICKLE
    if start[257:262] == b"ustar":
        return OtherFormat("a tar archive", _UNPACK)
    if _ONNX.match(start):
        return OtherFormat("an ONNX model", _CONVERT)
    if _HTML.match(start):
        return _WEB_PAGE
    if len(start) > 16 and _TEXT.fullmatch(start):
        said = " ".join(start.decode("utf-8", "replace").split())
        said = said if len(said) <= _QUOTED else f"{said[:_QUOTED]}…"
        return OtherFormat(f"a text, perhaps a server's error message: {said!r}", _REFUSED)
    return None
