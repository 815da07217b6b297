"""safetensors files and diffusers folders, the last answer to `load_checkpoint`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sdkit.errors import ModelNotFoundError
from sdkit.hookspecs import hookimpl
from sdkit.models import open_checkpoint, open_folder
from sdkit.settings import Settings

if TYPE_CHECKING:
    from sdkit.models import CheckpointFile


@hookimpl
def load_checkpoint(source: str) -> CheckpointFile | None:
    """Open a file or a folder by its path; what is no path, or does not exist, is left to others."""
    if not source.strip():
        return None
    try:
        is_folder = Path(source).is_dir()
    except OSError:  # a name that is too long for a file
        return None
    try:
        if is_folder:
            return open_folder(source)
        return open_checkpoint(source, pickles=Settings.load().pickles)
    except ModelNotFoundError:
        return None
