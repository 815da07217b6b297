"""What is in a model file, without loading it: for `sdkit inspect`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdkit.models.checkpoint import TensorInfo, open_checkpoint
from sdkit.models.families import ask_families

if TYPE_CHECKING:
    from sdkit.models.checkpoint import CheckpointFile
    from sdkit.models.families import ModelFamily
    from sdkit.types import PredictionType


@dataclass(frozen=True)
class Inspection:
    """What a file holds and what it was taken for.

    `family` and `prediction` are None if no family recognised it; then `looks_like` may say what it is. `why`: the
    evidence. `declined`: the reason of each family that was asked and declined. `parts`: parameters per network;
    `other` counts the rest. `dtypes`: parameters per dtype. `auto_v2`: the short hash that model sites use.
    """

    path: Path
    size: int
    tensors: int
    parameters: int
    family: str | None
    prediction: PredictionType | None
    why: tuple[str, ...]
    declined: Mapping[str, str]
    looks_like: str
    parts: Mapping[str, int]
    dtypes: Mapping[str, int]
    metadata: Mapping[str, str]
    sha256: str

    @property
    def auto_v2(self) -> str:
        """The first ten digits of the SHA-256."""
        return self.sha256[:10]


def inspect_file(source: str | Path | CheckpointFile, families: Iterable[ModelFamily]) -> Inspection:
    """Look into a model file: reads its header, hashes it, and asks the families; needs no torch.

    Raises ModelNotFoundError and CheckpointError like `open_checkpoint`; a sound file that nobody recognises is no
    error.
    """
    file = open_checkpoint(source) if isinstance(source, str | Path) else source
    verdict = ask_families(file, families)
    detection = verdict.detection
    dtypes: Counter[str] = Counter()
    for info in file.infos.values():
        dtypes[info.dtype] += info.count
    return Inspection(
        path=file.path,
        size=file.size,
        tensors=len(file.infos),
        parameters=sum(dtypes.values()),
        family=detection.family if detection else None,
        prediction=detection.prediction if detection else None,
        why=detection.why if detection else (),
        declined=verdict.declined,
        looks_like=verdict.looks_like,
        parts=_parameters(file.infos, detection.parts if detection else {}),
        dtypes=dict(dtypes.most_common()),
        metadata=file.metadata,
        sha256=file.sha256(),
    )


def _parameters(infos: Mapping[str, TensorInfo], parts: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
    counts = dict.fromkeys((*parts, "other"), 0)
    for key, info in infos.items():
        part = next((name for name, prefixes in parts.items() if key.startswith(prefixes)), "other")
        counts[part] += info.count
    return counts if counts["other"] else {name: count for name, count in counts.items() if name != "other"}
