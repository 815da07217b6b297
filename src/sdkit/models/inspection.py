"""What is in a model file, without loading it: for `sdkit inspect` and `sdkit models`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sdkit.models.checkpoint import TensorInfo, open_checkpoint
from sdkit.models.describing import describe
from sdkit.models.families import ask_families
from sdkit.models.hashes import FileHashes, Progress, compute_hashes
from sdkit.models.training_notes import training_notes

if TYPE_CHECKING:
    from sdkit.models.checkpoint import CheckpointFile
    from sdkit.models.families import ModelFamily
    from sdkit.models.hashes import HashCache
    from sdkit.types import PredictionType


@dataclass(frozen=True)
class Inspection:
    """What a file holds and what it was taken for.

    `family` and `prediction` are None if no family recognised it as a checkpoint; then `looks_like` may say what it is.
    `for_family`: the family that the file is of, or for, such as a LoRA's; "" where the header does not tell. `why`:
    the evidence. `declined`: the reason of each family that was asked and declined. `parts`: parameters per network;
    `other` counts the rest. `dtypes`: parameters per dtype. `facts`: of files that are no checkpoint, such as ranks.
    `training`: what the metadata say of training, summarised. `hashes`: None where only the header was read.
    """

    path: Path
    size: int
    tensors: int
    parameters: int
    family: str | None
    prediction: PredictionType | None
    for_family: str
    why: tuple[str, ...]
    declined: Mapping[str, str]
    looks_like: str
    parts: Mapping[str, int]
    dtypes: Mapping[str, int]
    facts: Mapping[str, str]
    training: Mapping[str, str]
    metadata: Mapping[str, str]
    hashes: FileHashes | None = None

    @property
    def sha256(self) -> str:
        """SHA-256 of the whole file, hex; "" where only the header was read."""
        return self.hashes.sha256 if self.hashes else ""

    @property
    def auto_v2(self) -> str:
        """The first ten digits of the SHA-256, the short hash that model sites use."""
        return self.sha256[:10]


def inspect_file(
    source: str | Path | CheckpointFile,
    families: Iterable[ModelFamily],
    *,
    cache: HashCache | None = None,
    progress: Progress | None = None,
) -> Inspection:
    """Look into a model file: reads its header, hashes it, and asks the families; needs no torch.

    `cache`: where hashes are kept. Raises ModelNotFoundError and CheckpointError like `open_checkpoint`; a sound file
    that nobody recognises is no error.
    """
    file = open_checkpoint(source) if isinstance(source, str | Path) else source
    return add_hashes(inspect_header(file, families), file, cache=cache, progress=progress)


def add_hashes(
    found: Inspection, file: CheckpointFile, *, cache: HashCache | None = None, progress: Progress | None = None
) -> Inspection:
    """What was found in a file's header, with the hashes of the whole file, which takes as long as reading it."""
    if file.path.is_file():
        hashes = cache.hashes(file.path, progress) if cache else compute_hashes(file.path, progress)
    else:  # a folder, or a source of a plugin's own
        hashes = FileHashes(file.sha256(), "", "")
    return replace(found, hashes=hashes)


def inspect_header(file: CheckpointFile, families: Iterable[ModelFamily]) -> Inspection:
    """Look into a model file as `inspect_file` does, but read no more than its header."""
    verdict = ask_families(file, families)
    detection = verdict.detection
    described = None if detection else describe(file.infos)
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
        for_family=detection.family if detection else described.family if described else "",
        why=detection.why if detection else (),
        declined=verdict.declined,
        looks_like=described.what if described else "",
        parts=_parameters(file.infos, detection.parts if detection else {}),
        dtypes=dict(dtypes.most_common()),
        facts=described.facts if described else {},
        training=training_notes(file.metadata),
        metadata=file.metadata,
    )


def _parameters(infos: Mapping[str, TensorInfo], parts: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
    counts = dict.fromkeys((*parts, "other"), 0)
    for key, info in infos.items():
        part = next((name for name, prefixes in parts.items() if key.startswith(prefixes)), "other")
        counts[part] += info.count
    return counts if counts["other"] else {name: count for name, count in counts.items() if name != "other"}
