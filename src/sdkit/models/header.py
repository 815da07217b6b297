"""The header of a safetensors file, parsed with strict bounds.

Only the standard library is used, so that names, shapes and metadata are at hand without torch. The checks are those
that the format demands: a header of at most 100 MB that fits into the file, a JSON object without duplicate names,
known dtypes, and tensors that fill the rest of the file exactly, without gaps and without sharing bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from sdkit.errors import CheckpointError
from sdkit.models.other_formats import FETCH_AGAIN, LOOKED_AT, other_format

MAX_HEADER_BYTES = 100_000_000
"""The format's own limit."""

_MAX_SIZE = 2**63

DTYPE_BITS: Mapping[str, int] = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32,
    "I64": 64, "U64": 64, "F64": 64, "C64": 64,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
"""Bits per element of every dtype that the format knows."""


@dataclass(frozen=True)
class Entry:
    """One tensor in the header; `begin` and `end` are bytes after the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Header:
    """A checked header: tensors in the order of their bytes."""

    metadata: Mapping[str, str]
    tensors: Mapping[str, Entry]
    file_size: int


def is_pickled(path: Path) -> bool:
    """Whether a file begins like a pickled PyTorch checkpoint, and not like a safetensors file."""
    try:
        with path.open("rb") as stream:
            found = other_format(stream.read(LOOKED_AT))
    except OSError:
        return False  # whoever reads it says why
    return found is not None and found.pickled


def read_header(path: Path) -> Header:
    """Read and check the header of a safetensors file. Raises CheckpointError, saying what the file is instead."""
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder. Give the path of one .safetensors file")
    if not path.is_file():
        raise CheckpointError(f"{path} is not a regular file. Give the path of a .safetensors file")
    try:
        with path.open("rb") as stream:
            return _Reader(path, stream).read()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}. Check its permissions") from error


class _Reader:
    """Reads one file; keeps the path for messages."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self.path = path
        self.stream = stream
        self.size = os.fstat(stream.fileno()).st_size  # of the file that is open, whatever the path means by now

    def read(self) -> Header:
        if self.size == 0:
            raise CheckpointError(f"{self.path} is empty (0 bytes). {FETCH_AGAIN}")
        start = self.stream.read(LOOKED_AT)
        found = other_format(start)
        if found is not None:
            raise CheckpointError(f"{self.path} is not a safetensors file but {found.what}. {found.remedy}")
        if self.size < 10:  # eight bytes of length and at least "{}"
            raise CheckpointError(
                f"{self.path} is cut off: {self.size} bytes hold no safetensors header. {FETCH_AGAIN}"
            )
        length = int.from_bytes(start[:8], "little")
        if length > MAX_HEADER_BYTES:
            raise CheckpointError(
                f"{self.path} is not a safetensors file, or damaged: it claims a header of {length:,} bytes, and at "
                f"most {MAX_HEADER_BYTES:,} are allowed. {FETCH_AGAIN}"
            )
        if 8 + length > self.size:
            raise CheckpointError(
                f"{self.path} is cut off in its header: {8 + length:,} bytes expected, {self.size:,} found. "
                f"{FETCH_AGAIN}"
            )
        self.stream.seek(8)
        return self.check(self.parse(self.stream.read(length)), self.size - 8 - length)

    def parse(self, text: bytes) -> dict[str, object]:
        if not text.startswith(b"{"):  # JSON allows blanks before it, the format does not
            raise self.damaged("its header is no JSON object")
        try:
            parsed: object = json.loads(text.decode("utf-8"), object_pairs_hook=_without_duplicates)
        except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
            raise self.damaged(f"its header is no valid JSON ({error or type(error).__name__})") from error
        if not isinstance(parsed, dict):
            raise self.damaged("its header is no JSON object")
        return cast("dict[str, object]", parsed)

    def check(self, parsed: dict[str, object], data_size: int) -> Header:
        metadata: dict[str, str] = {}
        said: object = parsed.pop("__metadata__", None)
        if said is None:
            said = cast("object", {})
        if not isinstance(said, dict):
            raise self.damaged("its metadata is no JSON object")
        for key, value in cast("dict[str, object]", said).items():
            if not isinstance(value, str):
                raise self.damaged(f"the metadata field {_short(key)} is no text")
            metadata[key] = value
        entries = {name: self.entry(name, value) for name, value in parsed.items()}
        position = 0
        ordered = dict(sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)))
        for name, entry in ordered.items():
            if entry.begin != position:
                fault = "overlaps its neighbour" if entry.begin < position else "leaves a gap before it"
                raise self.damaged(f"tensor {_short(name)} {fault} (bytes {entry.begin:,} to {entry.end:,})")
            position = entry.end
        if position > data_size:
            raise CheckpointError(
                f"{self.path} is cut off: its tensors need {position:,} bytes, {data_size:,} are there. {FETCH_AGAIN}"
            )
        if position < data_size:
            raise self.damaged(f"{data_size - position:,} bytes follow the last tensor")
        return Header(metadata, ordered, self.size)

    def entry(self, name: str, value: object) -> Entry:
        fields = cast("dict[str, object]", value) if isinstance(value, dict) else {}
        dtype, shape, offsets = fields.get("dtype"), _sizes(fields.get("shape")), _sizes(fields.get("data_offsets"))
        if shape is None or offsets is None or len(offsets) != 2:
            raise self.damaged(f"the entry of tensor {_short(name)} is malformed")
        if not isinstance(dtype, str) or dtype not in DTYPE_BITS:
            raise self.damaged(f"tensor {_short(name)} has the unknown dtype {_short(str(dtype))}")
        bits = DTYPE_BITS[dtype]
        for side in shape:
            bits *= side
            if bits > _MAX_SIZE:
                raise self.damaged(f"tensor {_short(name)} claims an impossible shape")
        begin, end = offsets
        if bits % 8 or end - begin != bits // 8:
            raise self.damaged(
                f"tensor {_short(name)} of shape {list(shape)} in {dtype} needs {bits // 8:,} bytes, "
                f"but has {end - begin:,}"
            )
        return Entry(dtype, shape, begin, end)

    def damaged(self, fault: str) -> CheckpointError:
        return CheckpointError(f"{self.path} is a damaged safetensors file: {fault}. {FETCH_AGAIN}")


def _sizes(value: object) -> tuple[int, ...] | None:
    """A list of numbers from 0 up to 2⁶³ as a tuple; None for anything else."""
    if not isinstance(value, list):
        return None
    items = cast("list[object]", value)
    sizes = tuple(
        item for item in items if isinstance(item, int) and not isinstance(item, bool) and 0 <= item < _MAX_SIZE
    )
    return sizes if len(sizes) == len(items) else None


def _short(name: str) -> str:
    """A name for a message, quoted; names in hostile files can be megabytes long."""
    return repr(name if len(name) <= 120 else name[:117] + "…")


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result: dict[str, object] = {}
    for name, value in pairs:
        if name in result:
            raise ValueError(f"{_short(name)} appears twice")
        result[name] = value
    return result
