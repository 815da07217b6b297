"""From what a user calls a model to a loaded one: names in folders, device and dtype, families."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sdkit.errors import ModelNotFoundError, nearest
from sdkit.models.embedded import embedded_checkpoint
from sdkit.models.families import detect_family

if TYPE_CHECKING:
    from sdkit.models.checkpoint import CheckpointFile
    from sdkit.models.families import ModelFamily
    from sdkit.types import DiffusionModel

EMBEDDED = "tiny"
"""The name of the model that ships with sdkit."""


def find_models(folder: Path) -> dict[str, Path]:
    """The checkpoints in `folder/checkpoints`, by name: the path in there without `.safetensors`. Sorted; the embedded
    model comes first, if it is installed."""
    models: dict[str, Path] = {}
    try:
        models[EMBEDDED] = embedded_checkpoint()
    except ModelNotFoundError:
        pass
    root = folder / "checkpoints"
    for path in sorted(root.rglob("*.safetensors")):
        models.setdefault(path.relative_to(root).with_suffix("").as_posix(), path)
    return models


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
    models = find_models(folder)
    path = source if Path(source).exists() else str(models.get(source.removesuffix(".safetensors"), source))
    file = open_file(path)
    if file is None:
        near = nearest(Path(source).stem, models)
        advice = (
            f"Did you mean {' or '.join(map(repr, near))}?"
            if near
            else f"Names are looked for in {folder / 'checkpoints'}."
        )
        raise ModelNotFoundError(
            f"there is no model file {source!r} and no model of that name. {advice} `sdkit models` lists what there is"
        )
    family, detection = detect_family(file, families.values())
    return family.load(file, detection, device=place, dtype=wanted or "auto")
