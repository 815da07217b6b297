"""From what a user calls a model to a loaded one: names in folders, device and dtype, families."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sdkit.models.embedded import embedded_checkpoint
from sdkit.models.families import detect_family
from sdkit.models.library import find_checkpoint, not_found

if TYPE_CHECKING:
    from sdkit.models.checkpoint import CheckpointFile
    from sdkit.models.families import ModelFamily
    from sdkit.types import DiffusionModel

EMBEDDED = "tiny"
"""The name of the model that ships with sdkit."""


def load_model(
    source: str,
    *,
    device: str,
    dtype: str,
    families: Mapping[str, ModelFamily],
    open_file: Callable[[str], CheckpointFile | None],
    folder: Path,
) -> DiffusionModel:
    """Load a model by path, by its name in the model folder, or by whatever else `open_file` knows.

    `open_file` answers None for what it cannot open. Raises ModelNotFoundError, which suggests names, CheckpointError,
    UnknownModelError or WeightsError; RequestError for a device or dtype that is not there.
    """
    from sdkit.models.placement import choose_device, choose_dtype

    place, wanted = choose_device(device), choose_dtype(dtype)
    path = find_checkpoint(source, folder) or (embedded_checkpoint() if source == EMBEDDED else source)
    file = open_file(str(path))
    if file is None:
        raise not_found(source, folder, EMBEDDED)
    family, detection = detect_family(file, families.values())
    return family.load(file, detection, device=place, dtype=wanted or "auto")
