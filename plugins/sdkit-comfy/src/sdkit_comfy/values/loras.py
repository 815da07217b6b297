"""LoRAs matched with models, of which perhaps only a part is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from sdkit.models.lora import StackedLora, WeightNames, check_match, lora_patches, match_lora, read_lora

if TYPE_CHECKING:
    from sdkit import Pipeline
    from sdkit.models import CheckpointFile
    from sdkit.models.lora import MatchedLora
    from sdkit.plugins import Manager
    from sdkit.types import DiffusionModel, LoraSpec, Patch


def fits(pipe: Pipeline, path: str) -> bool:
    """Whether any key of the file matches a weight of the model. A file that nobody can open is for its user to say so:
    True."""
    match = _matched(path, pipe.model, pipe.manager)
    return match is None or bool(match.targets)


def patches_of(specs: Sequence[LoraSpec], model: DiffusionModel, manager: Manager) -> tuple[Patch, ...]:
    """What LoRAs by path change in a model, in their order. Raises LoraKeyError for one that changes nothing."""
    stack: list[StackedLora] = []
    for spec in specs:
        match = _matched(spec.name, model, manager)
        if match is not None:
            check_match(match, model.spec.family, strict=spec.strict)
            stack.append(StackedLora(match, *spec.strengths))
    return lora_patches(stack)


def _matched(path: str, model: DiffusionModel, manager: Manager) -> MatchedLora | None:
    file = cast("CheckpointFile | None", manager.first("load_checkpoint", source=path))
    if file is None:
        return None
    formats = {name: entry.load() for name, entry in reversed(list(manager.lora_formats.items()))}
    return match_lora(read_lora(file, file.sha256(), formats), WeightNames(model.weights))
