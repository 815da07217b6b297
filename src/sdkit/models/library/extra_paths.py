"""ComfyUI's `extra_model_paths.yaml`: further folders by kind, as that program reads them.

Each section has an optional `base_path` and then a folder per kind, or several, one per line. `is_default` puts a
section's folders before all others. Kinds that sdkit does not know, and `custom_nodes`, are passed over.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from sdkit.errors import SettingsError
from sdkit.models.library.kinds import KIND_OF_FOLDER, Kind
from sdkit.models.library.trees import Folder, Folders

_OPTIONS = ("base_path", "is_default")


@dataclass(frozen=True)
class ExtraPaths:
    """The folders that a file names: those that come before all others, and those that come after."""

    first: Folders
    last: Folders


def read_extra_paths(path: Path) -> ExtraPaths:
    """Read the file. Relative folders count from `base_path`, and this from the file's own folder; `~` and environment
    variables are filled in.

    Raises SettingsError, naming file and section, if it is missing or not as described.
    """
    import yaml

    path = path.expanduser()
    try:
        parsed: object = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
        raise SettingsError(f"setting 'extra_model_paths': cannot read {path}: {reason}") from error
    first: dict[Kind, tuple[Folder, ...]] = {}
    last: dict[Kind, tuple[Folder, ...]] = {}
    for section, entries in _mapping(parsed, path, "the file").items():
        if entries is None:
            continue
        fields = _mapping(entries, path, section)
        base = path.absolute().parent / _expanded(_text(fields.get("base_path") or "", path, section, "base_path"))
        target = first if fields.get("is_default") else last
        for name, value in fields.items():
            kind = KIND_OF_FOLDER.get(name.lower())
            if kind is None or name in _OPTIONS:
                continue
            lines = _text(value or "", path, section, name).splitlines()
            named = (Path(os.path.normpath(base / _expanded(line.strip()))) for line in lines if line.strip())
            target[kind] = (*target.get(kind, ()), *(Folder(folder) for folder in named))
    return ExtraPaths(first, last)


def _mapping(value: object, path: Path, section: str) -> dict[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise SettingsError(
            f"setting 'extra_model_paths': {path}: {section} must hold names with folders, not {str(value)[:60]!r}"
        )
    return {str(name): entry for name, entry in cast("dict[object, object]", value).items()}


def _text(value: object, path: Path, section: str, name: str) -> str:
    if not isinstance(value, str):
        raise SettingsError(
            f"setting 'extra_model_paths': {path}: {section}.{name} must be a folder, or several, one per line, "
            f"not {str(value)[:60]!r}"
        )
    return value


def _expanded(text: str) -> Path:
    return Path(os.path.expandvars(text)).expanduser()
