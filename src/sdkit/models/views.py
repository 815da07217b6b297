"""Model files seen through other names: several files as one checkpoint, weights as views of the mapped files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from sdkit.models.checkpoint import TensorInfo, release
from sdkit.models.renaming import Place, Rename, single_file_places

if TYPE_CHECKING:
    import torch

    from sdkit.models.checkpoint import CheckpointFile


_SCALE = ".scale_weight"
_OF_SCALING = (_SCALE, ".scale_input", "scaled_fp8")


@dataclass(frozen=True)
class Stored:
    """Where a weight is stored: the tensor `key` of a file, or a part of it. `scale`: the tensor by which it is
    multiplied; "" for none."""

    file: CheckpointFile
    key: str
    place: Place
    info: TensorInfo
    scale: str = ""

    def tensor(self) -> torch.Tensor:
        """The weight: a view of the stored tensor, or, if it is scaled, their product in float32."""
        tensor = self.file.tensor(self.key)
        if self.scale:
            scale = self.file.tensor(self.scale).float()
            tensor = tensor.float() * scale.reshape(-1, *[1] * (tensor.ndim - 1))  # of all rows together, or of each
        if self.place.transposed:
            tensor = tensor.T
        if self.place.third is not None:
            tensor = tensor.chunk(3)[self.place.third]
        return tensor if tensor.shape == self.info.shape else tensor.view(self.info.shape)


class CheckpointView:
    """Weights of one or several files under other names, as one `CheckpointFile`. Thread-safe as those are."""

    def __init__(
        self, path: Path, stored: Mapping[str, Stored], files: Iterable[CheckpointFile], metadata: Mapping[str, str]
    ) -> None:
        self._path = path
        self._stored = dict(stored)
        self._files = tuple(files)
        self._metadata = MappingProxyType(dict(metadata))
        self._infos = MappingProxyType({name: each.info for name, each in self._stored.items()})

    @property
    def path(self) -> Path:
        """The file, or the folder that has them all."""
        return self._path

    @property
    def files(self) -> tuple[CheckpointFile, ...]:
        """The files themselves."""
        return self._files

    @property
    def metadata(self) -> Mapping[str, str]:
        return self._metadata

    @property
    def infos(self) -> Mapping[str, TensorInfo]:
        return self._infos

    @property
    def size(self) -> int:
        """Bytes of all the files together."""
        return sum(file.size for file in self._files)

    def stored(self, name: str) -> Stored:
        """Where a weight is stored. Raises KeyError."""
        return self._stored[name]

    def tensor(self, key: str) -> torch.Tensor:
        """One weight on the CPU, a view of the mapped file."""
        return self._stored[key].tensor()

    def sha256(self) -> str:
        """Of one file, its own; of several, that of their hashes, one after another."""
        digests = [file.sha256() for file in self._files]
        return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()

    def release(self) -> None:
        """Let what was read of the files leave the memory."""
        for file in self._files:
            release(file)

    def close(self) -> None:
        """Let go of all the files."""
        for file in self._files:
            file.close()

    def __repr__(self) -> str:
        return f"CheckpointView({str(self._path)!r}, {len(self._stored)} weights of {len(self._files)} files)"


def renamed(file: CheckpointFile, rename: Rename) -> dict[str, Stored]:
    """What is in a file, by the names that a rule gives it.

    Weights of one byte that have a scale beside them (`a.weight` and `a.scale_weight`, marked by a key `scaled_fp8`)
    are shown multiplied, as float32. What is there for this, or for computing in one byte, is left out.
    """
    found: dict[str, Stored] = {}
    for key, info in file.infos.items():
        if key.endswith(_OF_SCALING):
            continue
        scale = f"{key.removesuffix('.weight')}{_SCALE}" if key.endswith(".weight") else ""
        scale = scale if scale in file.infos else ""
        for place in rename(key):
            shown = TensorInfo(place.shape(info.shape), "F32" if scale else info.dtype)
            found[place.name] = Stored(file, key, place, shown, scale)
    return found


def canonical(file: CheckpointFile) -> CheckpointFile:
    """A checkpoint in a single file under the names of sdkit's networks; itself if it has them already."""
    if isinstance(file, CheckpointView):
        return file
    stored = renamed(file, single_file_places)
    if {name: each.info for name, each in stored.items()} == file.infos:
        return file
    return CheckpointView(file.path, stored, [file], file.metadata)
