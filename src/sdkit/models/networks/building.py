"""From file to module: built on the meta device, checked against the file, and filled without a second copy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import torch
from torch import nn

from sdkit.errors import WeightsError
from sdkit.models.checkpoint import CheckpointFile

M = TypeVar("M", bound=nn.Module)


class Part(Generic[M]):
    """One network of a model: checked against the file at once, filled with its weights at the first call. Thread-safe.

    `prefix` goes before the module's names to make the file's keys. Raises WeightsError if weights are missing or have
    another shape.
    """

    def __init__(
        self, make: Callable[[], M], file: CheckpointFile, prefix: str, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.device = device
        self.dtype = dtype
        self._make = make
        self._file = file
        self._prefix = prefix
        self._skeleton = _skeleton(make)
        self.sources = {name: prefix + name for name in self._skeleton.state_dict()}
        _check(self._skeleton, file, self.sources)
        self._module: M | None = None
        self._lock = threading.Lock()

    @property
    def filled(self) -> bool:
        """Whether its weights were read already."""
        return self._module is not None

    @property
    def stored(self) -> str:
        """The dtype of its weights in the file, in safetensors' names."""
        return self._file.infos[next(iter(self.sources.values()))].dtype

    def __call__(self) -> M:
        """The network, with its weights."""
        if self._module is None:
            with self._lock:
                if self._module is None:
                    self._module = self._filled()
        return self._module

    def to(self, device: torch.device, dtype: torch.dtype) -> Part[M]:
        """This part on another device or in another dtype, read from the file again; itself if nothing changes."""
        if (device, dtype) == (self.device, self.dtype):
            return self
        return Part(self._make, self._file, self._prefix, device, dtype)

    def _filled(self) -> M:
        """The skeleton with its weights. Those that are on the device and in the dtype already are not copied: the
        module then computes from the mapped file."""
        weights = {name: self._file.tensor(key).to(self.device, self.dtype) for name, key in self.sources.items()}
        self._skeleton.load_state_dict(weights, assign=True)
        return self._skeleton.requires_grad_(False)


def _skeleton(make: Callable[[], M]) -> M:
    """A module without memory behind its weights, for inference."""
    with torch.device("meta"):
        module = make()
    return module.eval().requires_grad_(False)


def _check(module: nn.Module, file: CheckpointFile, sources: Mapping[str, str]) -> None:
    missing = [key for key in sources.values() if key not in file.infos]
    if missing:
        raise WeightsError(
            f"{file.path} lacks {len(missing)} of the {len(sources)} weights of its {type(module).__name__} "
            f"(first: {', '.join(missing[:3])}). The file is damaged or a partial export; get the complete one"
        )
    weights = module.state_dict()
    for name, key in sources.items():
        expected, found = tuple(weights[name].shape), file.infos[key].shape
        if expected != found:
            raise WeightsError(
                f"{file.path}: {key} has the shape {list(found)}, but beside the other weights {list(expected)} is "
                "expected. The file is damaged or mixed from several models; get the complete one"
            )
