"""Reading LoRA files: every format that knows something in the file takes its part; what nobody knows is reported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from sdkit.errors import CheckpointError
from sdkit.models.checkpoint import CheckpointFile
from sdkit.models.families import looks_like
from sdkit.models.lora.layers import LoraFormat, LoraLayer

IGNORED = ("bundle_emb.",)
"""Beginnings of keys that are none of a LoRA's business: textual inversions that OneTrainer puts into its files."""
PEFT_FILE, PEFT_CONFIG, PEFT_METADATA = "adapter_model.safetensors", "adapter_config.json", "lora_adapter_metadata"
"""The two files that PEFT writes, alpha being in the second, and where diffusers puts what is in the second."""


@dataclass(frozen=True, eq=False)
class LoraFile:
    """A LoRA as it is in its file. `unknown`: keys that no format knows. `shapes`: of all its tensors. `formats`: the
    names of those that know something in it. `config`: what PEFT says in another file beside it, JSON, or "".
    `looks_like`: what the file is, in words, where no format knows anything in it; "" if that is not known either.
    """

    path: Path
    sha256: str
    layers: tuple[LoraLayer, ...]
    unknown: tuple[str, ...]
    shapes: Mapping[str, tuple[int, ...]]
    formats: tuple[str, ...]
    config: str = ""
    looks_like: str = ""

    @property
    def key(self) -> tuple[object, ...]:
        """What it is, for comparing: the content, and all that decides how it is read."""
        return self.sha256, self.formats, self.config


def read_lora(file: CheckpointFile, sha256: str, formats: Mapping[str, LoraFormat]) -> LoraFile:
    """Read a LoRA; its tensors are views of the file. `sha256`: the file's. `formats`: by name; the first that knows a
    key has it.

    Raises CheckpointError if a tensor that is used holds NaN or infinity.
    """
    config = _peft_config(file)
    metadata = {**file.metadata, PEFT_METADATA: config} if config else file.metadata
    rest = [key for key in file.infos if not key.startswith(IGNORED)]
    layers: list[LoraLayer] = []
    used_formats: list[str] = []
    for name, lora_format in formats.items():
        try:
            known = lora_format.matches(rest, metadata)
            found = lora_format.convert(_Tensors(file, rest), metadata) if known else ()
        except Exception as error:
            error.add_note(f"raised by the LoRA format {name!r} over {file.path}")
            raise
        if found:
            used_formats.append(name)
        layers += found
        taken = {key for layer in found for key in layer.keys}
        rest = [key for key in rest if key not in taken]
    _check_numbers(file, (key for layer in layers for key in layer.keys))
    shapes = {key: info.shape for key, info in file.infos.items() if not key.startswith(IGNORED)}
    looks = "" if layers else looks_like(file.infos)
    return LoraFile(file.path, sha256, tuple(layers), tuple(rest), shapes, tuple(used_formats), config, looks)


def _peft_config(file: CheckpointFile) -> str:
    """What PEFT's config beside a file of PEFT's says; "" if there is none, or the file says it itself."""
    if file.path.name != PEFT_FILE or PEFT_METADATA in file.metadata:
        return ""
    try:
        return file.path.with_name(PEFT_CONFIG).read_text("utf-8")
    except (OSError, ValueError):
        return ""


class _Tensors(Mapping[str, Tensor]):
    """A file's tensors by name, read when they are looked up."""

    def __init__(self, file: CheckpointFile, keys: Iterable[str]) -> None:
        self._file = file
        self._keys = dict.fromkeys(keys)

    def __getitem__(self, key: str) -> Tensor:
        if key not in self._keys:
            raise KeyError(key)
        return self._file.tensor(key)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def _check_numbers(file: CheckpointFile, keys: Iterable[str]) -> None:
    for key in keys:
        tensor = file.tensor(key)
        if not tensor.is_floating_point():
            continue
        if tensor.element_size() == 1:  # for which torch has no such test
            tensor = tensor.to(torch.float16)
        if not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(
                f"the LoRA {file.path} holds NaN or infinity in {key}, which would spoil every picture. Its training "
                "failed, or the file is damaged; get another one"
            )
