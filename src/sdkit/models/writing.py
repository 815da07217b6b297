"""Writing safetensors files tensor by tensor: the header is known before the first weight is made, so no more than one
is in memory."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from sdkit.errors import ModelError, RequestError
from sdkit.models.files import new_file
from sdkit.models.hashes import Progress
from sdkit.models.header import DTYPE_BITS

if TYPE_CHECKING:
    import torch

STORED_AS: Mapping[str, str] = MappingProxyType({"float32": "F32", "float16": "F16", "bfloat16": "BF16"})
"""Dtypes to write in → safetensors' names for them."""

_FLOATS = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")
_TORCH_NAMES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2", "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8",
    "BOOL": "bool",
}  # fmt: skip


@dataclass(frozen=True)
class Weight:
    """A tensor that is to be written: its name, dtype in safetensors' names, shape, and how to get it, on the CPU, in
    any floating dtype. `pieces`: the same, some rows at a time, of large ones that are computed; None: in one piece."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    make: Callable[[], torch.Tensor]
    pieces: Callable[[], Iterator[torch.Tensor]] | None = None

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return math.prod(self.shape) * DTYPE_BITS[self.dtype] // 8

    def named(self, name: str) -> Weight:
        """The same under another name."""
        return replace(self, name=name)

    def remade(self, make: Callable[[], torch.Tensor], shape: tuple[int, ...] | None = None) -> Weight:
        """Another weight of this name, in one piece; of the same shape unless it is given."""
        return replace(self, shape=self.shape if shape is None else shape, make=make, pieces=None)


def in_dtype(weights: Sequence[Weight], dtype: str | None) -> list[Weight]:
    """The weights, those of floating dtypes in another one, unless it is None. Raises RequestError for dtypes that
    files are not written in."""
    if dtype is None:
        return list(weights)
    if dtype not in STORED_AS:
        raise RequestError(f"models are written in {', '.join(STORED_AS)}, not {dtype!r}")
    return [replace(weight, dtype=STORED_AS[dtype]) if weight.dtype in _FLOATS else weight for weight in weights]


def total_size(weights: Sequence[Weight]) -> int:
    """Bytes of all of them."""
    return sum(weight.size for weight in weights)


def write_safetensors(
    path: Path,
    weights: Sequence[Weight],
    metadata: Mapping[str, str],
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write a file that appears whole or not at all.

    Raises ModelError if it is there already, cannot be written, or if a weight does not fit into its dtype.
    """
    # Large elements first, as safetensors' own writer does: every tensor is then aligned to its element's size.
    ordered = sorted(weights, key=lambda weight: -DTYPE_BITS[weight.dtype])
    header = _header(ordered, metadata)
    size = len(header) + total_size(ordered)
    done = len(header)
    with new_file(path, size, overwrite=overwrite) as stream:
        stream.write(header)
        for weight in ordered:
            for piece in _pieces(weight):
                done += stream.write(_bytes(piece, weight))
            if progress is not None:
                progress(path, done, size)
    return path


def _header(weights: Sequence[Weight], metadata: Mapping[str, str]) -> bytes:
    entries: dict[str, object] = {"__metadata__": {"format": "pt", **metadata}}
    begin = 0
    for weight in weights:
        end = begin + weight.size
        entries[weight.name] = {"dtype": weight.dtype, "shape": list(weight.shape), "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _pieces(weight: Weight) -> Iterator[torch.Tensor]:
    if weight.pieces is not None:
        yield from weight.pieces()
        return
    made = weight.make()
    if tuple(made.shape) != weight.shape:
        raise AssertionError(f"{weight.name} was made as {list(made.shape)}, not {list(weight.shape)}")
    yield made


def _bytes(made: torch.Tensor, weight: Weight) -> memoryview:
    import torch

    made = made.detach()
    wanted = cast("torch.dtype", getattr(torch, _TORCH_NAMES[weight.dtype]))
    tensor = made.to("cpu", wanted).contiguous()
    if wanted.is_floating_point and not _finite(tensor):
        if not _finite(made):
            raise ModelError(
                f"the weight {weight.name} holds numbers that are not finite (NaN or infinity), so every picture "
                "would be broken. A file that it comes from is damaged; get another one"
            )
        raise ModelError(
            f"the weight {weight.name} reaches {made.float().abs().max():.3g}, which does not fit into "
            f"{_TORCH_NAMES[weight.dtype]}; write the model in bfloat16 or float32"
        )
    return tensor.reshape(-1).view(torch.uint8).numpy().data


def _finite(tensor: torch.Tensor) -> bool:
    """Whether all numbers are finite; in the float of one byte, which knows no such question, by widening it."""
    return bool((tensor.float() if tensor.itemsize == 1 else tensor).isfinite().all())
