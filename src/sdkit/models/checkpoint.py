"""Reading model files: the header first, with strict bounds and without torch; tensors as views of the mapped file.

A safetensors file is eight bytes N (little endian), N bytes of JSON and then the tensors' bytes, one after another
(https://huggingface.co/docs/safetensors). Everything that a damaged or hostile file can claim is checked here, before
any tensor is touched, so that each bad file gives one `CheckpointError` that says what it is and what to do.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Protocol, Self, cast, overload

from sdkit.errors import CheckpointError, ModelNotFoundError
from sdkit.models.header import Header, is_pickled, read_header

if TYPE_CHECKING:
    import torch
    from safetensors import safe_open


@dataclass(frozen=True)
class TensorInfo:
    """What the header says of one tensor; dtype in safetensors' names (`F32`, `F16`, `BF16`, `I64` …)."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def count(self) -> int:
        """Number of elements."""
        product = 1
        for side in self.shape:
            product *= side
        return product


class CheckpointFile(Protocol):
    """An open model file: names, shapes and metadata at once, tensors when asked for. Thread-safe.

    What `open_checkpoint` returns, and what a plugin's `load_checkpoint` returns for containers of its own.
    """

    @property
    def path(self) -> Path: ...

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the file says of itself; never used to decide how it is computed with."""
        ...

    @property
    def infos(self) -> Mapping[str, TensorInfo]:
        """Shape and dtype of every tensor, in the order of the file."""
        ...

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        ...

    def tensor(self, key: str) -> torch.Tensor:
        """One tensor on the CPU, where possible a view of the mapped file; must not be written to."""
        ...

    def sha256(self) -> str:
        """SHA-256 of the whole file, hex; computed at the first call."""
        ...

    def close(self) -> None:
        """Let go of the file; tensors that were handed out stay valid. Further `tensor` calls raise CheckpointError."""
        ...


class SafetensorsFile:
    """A safetensors file, checked and opened; use `open_checkpoint`. A context manager."""

    def __init__(self, path: Path, header: Header) -> None:
        self._path = path
        self._metadata = MappingProxyType(dict(header.metadata))
        self._infos = MappingProxyType(
            {name: TensorInfo(entry.shape, entry.dtype) for name, entry in header.tensors.items()}
        )
        self._size = header.file_size
        self._handle: safe_open | None = None
        self._digest: str | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._digest_lock = threading.Lock()  # of its own: hashing takes seconds, and tensors are needed meanwhile

    @property
    def path(self) -> Path:
        return self._path

    @property
    def metadata(self) -> Mapping[str, str]:
        return self._metadata

    @property
    def infos(self) -> Mapping[str, TensorInfo]:
        return self._infos

    @property
    def size(self) -> int:
        return self._size

    def tensor(self, key: str) -> torch.Tensor:
        """One tensor on the CPU, a view of the mapped file. Raises KeyError for a name that is not in `infos`, and
        CheckpointError if the file is another one by now."""
        if key not in self._infos:
            raise KeyError(key)
        from safetensors import SafetensorError

        with self._lock:
            handle = self._open()
            try:
                tensor = cast("torch.Tensor", handle.get_tensor(key))  # pyright: ignore[reportUnknownMemberType]
            except SafetensorError as error:
                raise self._changed(error) from error
        if tuple(tensor.shape) != self._infos[key].shape:  # the file was opened twice: first its header, now the rest
            raise self._changed(f"{key} has the shape {list(tensor.shape)} now")
        return tensor

    def sha256(self) -> str:
        with self._digest_lock:
            if self._digest is None:
                with self._path.open("rb") as stream:
                    self._digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return self._digest

    def release(self) -> None:
        """Forget the mapping, which is made anew when needed, so that what was read of it leaves the memory as soon as
        no tensor views it."""
        with self._lock:
            self._handle = None

    def close(self) -> None:
        with self._lock:
            self._handle = None  # the mapping itself goes with the last tensor that views it
            self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"SafetensorsFile({str(self._path)!r}, {len(self._infos)} tensors)"

    def _open(self) -> safe_open:
        if self._closed:
            raise CheckpointError(f"{self._path} was closed, and its tensors can no longer be read; open it again")
        if self._handle is None:
            from safetensors import SafetensorError, safe_open

            try:
                self._handle = safe_open(self._path, framework="pt", device="cpu")
            except (SafetensorError, OSError) as error:
                raise self._changed(error) from error
        return self._handle

    def _changed(self, what: object) -> CheckpointError:
        return CheckpointError(f"{self._path} changed or went away after it was opened: {what}. Load it again")


def is_text(name: str) -> bool:
    """Whether a file's name is UTF-8, so that it can be shown and opened; on Linux, names are any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def release(file: CheckpointFile) -> None:
    """Let what was read of a file leave the memory, if it is of a kind that can."""
    forget: object = getattr(file, "release", None)  # no part of the protocol: files of plugins need not have it
    if callable(forget):
        forget()


@overload
def open_checkpoint(path: str | Path) -> SafetensorsFile: ...
@overload
def open_checkpoint(path: str | Path, *, pickles: bool) -> CheckpointFile: ...
def open_checkpoint(path: str | Path, *, pickles: bool = False) -> CheckpointFile:
    """Open a model file for reading; of a safetensors file, reads the header only, and needs no torch.

    `pickles`: whether pickled PyTorch files may be read, too, by torch's weights-only loader; see `open_pickled`.
    Raises ModelNotFoundError if there is no such file, and CheckpointError for everything that is not a whole, sound
    safetensors file; the message says what the file is instead and what to do.
    """
    path = Path(path)
    if not is_text(str(path)):
        raise CheckpointError(
            f"the name of the file {str(path)!r} is no valid UTF-8, which the safetensors library cannot open. "
            "Rename the file, or its folder"
        )
    try:
        there = path.exists()
    except OSError as error:  # a name that is too long, a folder on the way that is closed
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}. Check the path") from error
    if not there:
        raise ModelNotFoundError(
            f"there is no model file {path}. Check the path; `sdkit models` lists the models that sdkit finds by name"
        )
    if pickles and is_pickled(path):
        from sdkit.models.pickled import open_pickled

        return open_pickled(path)
    return SafetensorsFile(path, read_header(path))
