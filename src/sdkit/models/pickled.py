"""Pickled PyTorch checkpoints (`.ckpt`, `.pt`, `.bin`), for those who ask for them.

A pickle can run any code when it is read. torch's weights-only loader refuses everything but tensors and plain
containers; it had holes in the past, so sdkit reads pickles only where the user says so.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from sdkit.errors import CheckpointError
from sdkit.models.checkpoint import TensorInfo

if TYPE_CHECKING:
    import torch

_DTYPES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2", "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8", "uint8": "U8",
    "bool": "BOOL",
}  # fmt: skip


class PickledFile:
    """A pickled checkpoint, read by torch's weights-only loader; a `CheckpointFile`. Its tensors are mapped."""

    def __init__(self, path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
        self._path = path
        self._tensors: dict[str, torch.Tensor] | None = dict(tensors)
        self._infos = MappingProxyType(
            {name: TensorInfo(tuple(each.shape), _dtype_name(each)) for name, each in tensors.items()}
        )
        self._size = path.stat().st_size
        self._digest: str | None = None
        self._lock = threading.Lock()

    @property
    def path(self) -> Path:
        return self._path

    @property
    def metadata(self) -> Mapping[str, str]:
        """Nothing: pickles have none."""
        return MappingProxyType({})

    @property
    def infos(self) -> Mapping[str, TensorInfo]:
        return self._infos

    @property
    def size(self) -> int:
        return self._size

    def tensor(self, key: str) -> torch.Tensor:
        """One tensor on the CPU. Raises KeyError, and CheckpointError once the file was closed."""
        if self._tensors is None:
            raise CheckpointError(f"{self._path} was closed, and its tensors can no longer be read; open it again")
        return self._tensors[key]

    def sha256(self) -> str:
        with self._lock:
            if self._digest is None:
                with self._path.open("rb") as stream:
                    self._digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return self._digest

    def close(self) -> None:
        self._tensors = None

    def __repr__(self) -> str:
        return f"PickledFile({str(self._path)!r}, {len(self._infos)} tensors)"


def open_pickled(path: str | Path) -> PickledFile:
    """Open a pickled checkpoint through torch's weights-only loader.

    Tensors are taken from the outermost dictionary, or from its `state_dict`; all else in the file is left out. Raises
    CheckpointError for what is no such file, or holds anything that could run code.
    """
    import pickle

    import torch

    path = Path(path)
    try:
        try:
            loaded: object = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError:  # of the old format, without a zip archive, which cannot be mapped
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds more than weights, and reading it could run code: {str(error).splitlines()[0]}. Use the "
            ".safetensors version of the model"
        ) from error
    except Exception as error:  # of damaged ones, the loader raises whatever its next instruction happens to raise
        raise CheckpointError(
            f"{path} cannot be read as a PyTorch checkpoint: {error or type(error).__name__}. Fetch it again"
        ) from error
    tensors = _tensors(loaded)
    if not tensors:
        raise CheckpointError(f"{path} is a PyTorch file without weights by name. Give the model's .safetensors file")
    return PickledFile(path, tensors)


def _tensors(loaded: object) -> dict[str, torch.Tensor]:
    import torch

    if not isinstance(loaded, dict):
        return {}
    found = cast("dict[object, object]", loaded)
    inner = found.get("state_dict")
    if isinstance(inner, dict):
        found = cast("dict[object, object]", inner)
    return {str(name): value for name, value in found.items() if isinstance(value, torch.Tensor)}


def _dtype_name(tensor: torch.Tensor) -> str:
    name = str(tensor.dtype).removeprefix("torch.")
    return _DTYPES.get(name, name.upper())
