"""Where the model is that ships inside the package."""

from __future__ import annotations

from pathlib import Path

from sdkit.errors import ModelNotFoundError


def embedded_checkpoint() -> Path:
    """The path of the small model that ships with sdkit. Raises ModelNotFoundError if the installation lacks it."""
    path = Path(__file__).parents[1] / "weights" / "tiny.safetensors"
    if not path.is_file():
        raise ModelNotFoundError(
            f"the model that ships with sdkit is missing ({path}). Install sdkit-core again, or give the path of a "
            ".safetensors checkpoint"
        )
    return path
