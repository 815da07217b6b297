"""safetensors files, the last answer to `load_checkpoint`."""

from __future__ import annotations

from sdkit.errors import ModelNotFoundError
from sdkit.hookspecs import hookimpl
from sdkit.models import SafetensorsFile, open_checkpoint


@hookimpl
def load_checkpoint(source: str) -> SafetensorsFile | None:
    """Open a file by its path; paths that do not exist are left to others."""
    try:
        return open_checkpoint(source)
    except ModelNotFoundError:
        return None
