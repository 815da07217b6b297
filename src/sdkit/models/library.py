"""The model folder: files by name, and the nearest names where one is misspelt. Looks at names only, opens nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdkit.errors import ModelNotFoundError, nearest

CHECKPOINTS = "checkpoints"
SUFFIXES = (".safetensors", ".ckpt", ".pt", ".pth")


@dataclass(frozen=True)
class ModelFile:
    """A file in the model folder: its name for people (path below the folder, without suffix), path, and size in
    bytes."""

    name: str
    path: Path
    size: int


def model_files(folder: Path) -> tuple[ModelFile, ...]:
    """The checkpoints in `folder/checkpoints`, sub-folders included, sorted by name; none where the folder is
    missing."""
    root = folder / CHECKPOINTS
    found = (path for path in sorted(root.rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file())
    return tuple(
        ModelFile(path.relative_to(root).with_suffix("").as_posix(), path, path.stat().st_size) for path in found
    )


def find_checkpoint(source: str, folder: Path) -> Path | None:
    """The file that `source` names: a path, or a name in the model folder, with or without suffix. None if there is
    none."""
    path = Path(source)
    try:
        path = path.expanduser()
        if path.is_file():  # a folder that happens to have a model's name does not hide the model
            return path
    except (OSError, RuntimeError):  # a name too long for a path, a folder that is closed, "~nobody"
        pass
    return next((file.path for file in model_files(folder) if source in (file.name, file.path.name)), None)


def not_found(source: str, folder: Path, *others: str) -> ModelNotFoundError:
    """The error for a source that nobody can open: where was looked, and the nearest names, of `others` too."""
    names = [*(file.name for file in model_files(folder)), *others]
    near = nearest(source, names)
    advice = f"Did you mean {' or '.join(map(repr, near))}?" if near else "`sdkit models` lists the names found."
    return ModelNotFoundError(f"there is no model file {source!r}, and no model of that name in {folder}. {advice}")
