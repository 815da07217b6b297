"""The model files below a folder, by name; looks at names and sizes only, opens nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sdkit.models.checkpoint import is_text
from sdkit.models.library.kinds import Kind
from sdkit.models.library.trees import Folder

SUFFIXES = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin")
"""Endings of model files, the best first."""

_PARTIAL = (".part", ".partial", ".tmp", ".temp", ".incomplete", ".download")
_INDEX = "model_index.json"
_PART_WEIGHTS = ("diffusion_pytorch_model", "model", "pytorch_model")


@dataclass(frozen=True)
class ModelFile:
    """A model in a folder: its name for people (path below the folder, without suffix), path, size in bytes, kind.

    Where `path` is a folder, it is a model in diffusers' layout, and `size` is that of all its files.
    """

    name: str
    path: Path
    size: int
    kind: Kind


def models_in(folder: Folder, kind: Kind) -> Iterator[ModelFile]:
    """The models in a folder, sorted by name. Hidden and unfinished files are left out, and names that cannot be shown;
    each real folder is read once, so that links in circles end."""
    for relative, size in _walk(folder.path, "", folder.deep, set()):
        yield ModelFile(without_suffix(relative), folder.path / relative, size, kind)


def is_unit(folder: Path) -> bool:
    """Whether a folder is one model in diffusers' layout, or one network of such a model."""
    try:
        return folder.is_dir() and _is_unit(set(os.listdir(folder)))  # noqa: PTH208 - names are all that is asked
    except OSError:
        return False


def is_model_name(name: str) -> bool:
    """Whether a file of this name can be a model: its ending is one, and it is neither hidden nor unfinished."""
    stem = without_suffix(name)
    return stem != name and not name.startswith(".") and not stem.lower().endswith(_PARTIAL)


def without_suffix(name: str) -> str:
    """A name without the ending of a model file; as it is if it has none: `v1.5` keeps its `.5`."""
    stem, dot, suffix = name.rpartition(".")
    return stem if dot + suffix.lower() in SUFFIXES else name


def _walk(path: Path, below: str, deep: bool, seen: set[tuple[int, int]]) -> Iterator[tuple[str, int]]:
    """Relative paths with "/" and sizes of the models below `path`."""
    try:
        here = path.stat()
        with os.scandir(path) as listed:
            entries = sorted(listed, key=lambda entry: (entry.is_symlink(), entry.name.lower(), entry.name))
    except OSError:  # missing, closed, or a name that the system cannot have
        return
    if (here.st_dev, here.st_ino) in seen:
        return
    seen.add((here.st_dev, here.st_ino))
    names = {entry.name for entry in entries}
    if below and _is_unit(names):
        yield below.removesuffix("/"), _size(path)
        return
    for entry in entries:
        if entry.name.startswith(".") or "\n" in entry.name or not is_text(entry.name):
            continue
        try:
            if is_model_name(entry.name) and entry.is_file():
                if f"{entry.name}.aria2" not in names:  # beside it as long as aria2 is downloading
                    yield below + entry.name, entry.stat().st_size
            elif deep and entry.is_dir():
                yield from _walk(path / entry.name, f"{below}{entry.name}/", deep, seen)
        except OSError:  # it went away meanwhile
            continue


def _is_unit(names: set[str]) -> bool:
    if _INDEX in names:
        return True
    return "config.json" in names and any(name.startswith(_PART_WEIGHTS) and is_model_name(name) for name in names)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
