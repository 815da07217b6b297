"""From file to module: built on the meta device, checked against the file, and filled without a second copy."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import nn

from sdkit.errors import ModelError, WeightsError
from sdkit.models.checkpoint import CheckpointFile, release
from sdkit.models.patching import patched_module, touches
from sdkit.models.renaming import Place
from sdkit.models.views import CheckpointView
from sdkit.types import Patch

M_co = TypeVar("M_co", bound=nn.Module, covariant=True)


SAMPLE = 64
"""Numbers at the beginning of each tensor that are looked at before anything is computed."""


MOST_LOOKED_AT = 256
"""After so many looks at tensors, what was read leaves the memory: each brings half a megabyte around it."""

MOST_MAPPED = 128 << 20
"""How much of a file is in memory besides the copies that are made of it, in bytes."""


@dataclass(frozen=True)
class LoadTiming:
    """How long it took to fill a network with its weights, and how many bytes those take in memory."""

    seconds: float
    bytes: int


class Part(Generic[M_co]):
    """One network of a model: checked against the file at once, filled with its weights at the first call. Thread-safe.

    `prefix` goes before the module's names to make the file's keys. Raises WeightsError if weights are missing or have
    another shape.
    """

    def __init__(
        self, make: Callable[[], M_co], file: CheckpointFile, prefix: str, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.device = device
        self.dtype = dtype
        self._make = make
        self._file = file
        self._prefix = prefix
        self._skeleton = _skeleton(make)
        weights: dict[str, torch.Tensor] = self._skeleton.state_dict(keep_vars=True)  # else each is detached: slow
        self.shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
        self.sources = {name: prefix + name for name in self.shapes}
        _check(type(self._skeleton).__name__, self.shapes, file, self.sources)
        self._module: M_co | None = None
        self._lock = threading.Lock()
        self._patched: tuple[Part[M_co], str, tuple[Patch, ...]] | None = None
        self.timing: LoadTiming | None = None

    @property
    def file(self) -> CheckpointFile:
        """Where its weights are, under the names that `sources` gives."""
        return self._file

    @property
    def filled(self) -> bool:
        """Whether its weights were read already."""
        return self._module is not None

    @property
    def stored(self) -> str:
        """The dtype of its weights in the file, in safetensors' names."""
        return self._file.infos[next(iter(self.sources.values()))].dtype

    def __call__(self) -> M_co:
        """The network, with its weights."""
        if self._module is None:
            with self._lock:
                if self._module is None:
                    self._module = self._filled()
        return self._module

    def patched(self, network: str, patches: Sequence[Patch]) -> Part[M_co]:
        """This part with changed weights, computed now; it shares the others, and is itself if none is changed."""
        if not touches(patches, network):
            return self
        if self._patched is not None:
            first, network, before = self._patched
            return first.patched(network, (*before, *patches))
        twin = copy.copy(self)
        twin._module = patched_module(self(), network, patches)
        twin._patched = (self, network, tuple(patches))
        return twin

    def same(self, other: Part[nn.Module]) -> bool:
        """Whether both are of the same weights, from the same open file, on the same device and in the same dtype."""
        if (self.device, self.dtype) != (other.device, other.dtype) or self._patched or other._patched:
            return False
        return self._origins() == other._origins()

    def _origins(self) -> dict[str, tuple[CheckpointFile, str, Place]]:
        """Where each weight is stored: the file, the key in it, and which part of that."""
        if not isinstance(self._file, CheckpointView):
            return {name: (self._file, key, Place(key)) for name, key in self.sources.items()}
        found = {name: self._file.stored(key) for name, key in self.sources.items()}
        return {name: (stored.file, stored.key, stored.place) for name, stored in found.items()}

    def to(self, device: torch.device, dtype: torch.dtype) -> Part[M_co]:
        """This part on another device or in another dtype, read from the file again; itself if nothing changes."""
        if (device, dtype) == (self.device, self.dtype):
            return self
        if self._patched is not None:
            first, network, patches = self._patched
            return first.to(device, dtype).patched(network, patches)
        return Part(self._make, self._file, self._prefix, device, dtype)

    def check_beginnings(self) -> None:
        """Look at the first numbers of every weight: broken trainings and conversions show there, and reading all the
        rest twice would take as long as loading. Raises WeightsError if one is not finite."""
        samples: list[torch.Tensor] = []
        for number, key in enumerate(self.sources.values()):
            if number % MOST_LOOKED_AT == 0:
                release(self._file)
            samples.append(self._file.tensor(key).flatten()[:SAMPLE].float().clone())
        if not torch.cat(samples).isfinite().all():
            for key, sample in zip(self.sources.values(), samples, strict=True):
                self._check_finite(key, sample)

    def check_all(self) -> None:
        """Look at all the weights, as they are stored. Raises WeightsError if one is not finite."""
        for key in self.sources.values():
            self._check_finite(key, self._file.tensor(key))

    def _check_finite(self, key: str, numbers: torch.Tensor) -> None:
        if not numbers.float().isfinite().all():
            raise WeightsError(
                f"{self._file.path}: the weight {key} holds numbers that are not finite (NaN or infinity), so every "
                "picture would be broken. The file is damaged, or its training or merge failed; get another one"
            )

    def _filled(self) -> M_co:
        """The skeleton with its weights. Those that are on the device and in the dtype already are not copied: the
        module then computes from the mapped file."""
        start = time.perf_counter()
        weights: dict[str, torch.Tensor] = {}
        copied = 0
        for name, key in self.sources.items():
            stored = self._file.tensor(key)
            weights[name] = stored.to(self.device, self.dtype)
            if weights[name] is not stored:
                copied += stored.nbytes
            if copied >= MOST_MAPPED:  # what was copied is not needed twice
                release(self._file)
                copied = 0
        _assign(self._skeleton, weights)
        size = sum(weight.numel() * weight.element_size() for weight in weights.values())
        self.timing = LoadTiming(time.perf_counter() - start, size)
        return self._skeleton


class Absent(Part[M_co]):
    """A network that a model lacks: it has no weights, and calling it says so. `what`: what people call it."""

    def __init__(self, what: str, file: CheckpointFile, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype
        self.shapes, self.sources = {}, {}
        self.timing = None
        self._what, self._file = what, file
        self._module = self._patched = None

    @property
    def stored(self) -> str:
        """As if it were stored as it computes."""
        return "F32"

    def __call__(self) -> M_co:
        """Raises ModelError."""
        raise lacking(self._what, self._file)

    def to(self, device: torch.device, dtype: torch.dtype) -> Part[M_co]:
        """It lacks in every dtype."""
        return Absent(self._what, self._file, device, dtype)

    def check_beginnings(self) -> None:
        """There is nothing to look at."""


def lacking(what: str, file: CheckpointFile) -> ModelError:
    """The error for a part that a model was loaded without."""
    return ModelError(
        f"{file.path} was loaded without {'an' if what[0] in 'aeio' else 'a'} {what}, and this needs one: load a "
        "checkpoint that has it, or its file"
    )


def _skeleton(make: Callable[[], M_co]) -> M_co:
    """A module without memory behind its weights, for inference."""
    with torch.device("meta"):
        module = make()
    return module.eval().requires_grad_(False)


def _assign(module: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Put weights into a module as they are: what `load_state_dict(assign=True)` does, in a fifth of the time."""
    buffers = {name for name, _ in module.named_buffers()}
    for name, weight in weights.items():
        path, _, leaf = name.rpartition(".")
        owner = module.get_submodule(path)
        setattr(owner, leaf, weight if name in buffers else nn.Parameter(weight, requires_grad=False))


def _check(
    network: str, shapes: Mapping[str, tuple[int, ...]], file: CheckpointFile, sources: Mapping[str, str]
) -> None:
    missing = [key for key in sources.values() if key not in file.infos]
    if missing:
        raise WeightsError(
            f"{file.path} lacks {len(missing)} of the {len(sources)} weights of its {network} "
            f"(first: {', '.join(missing[:3])}). The file is damaged or a partial export; get the complete one"
        )
    for name, key in sources.items():
        expected, found = shapes[name], file.infos[key].shape
        if expected != found:
            raise WeightsError(
                f"{file.path}: {key} has the shape {list(found)}, but beside the other weights {list(expected)} is "
                "expected. The file is damaged or mixed from several models; get the complete one"
            )
