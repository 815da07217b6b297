"""Model families: who recognises a checkpoint, why, and who loads it.

A family looks at names and shapes only, never at metadata, which anybody can write. It answers with a `Detection`,
which carries the evidence, or with `Declined`, which carries the reason, so that "unknown model" can always be
explained.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from sdkit.errors import UnknownModelError
from sdkit.models.describing import describe
from sdkit.types import DiffusionModel, PredictionType

if TYPE_CHECKING:
    import torch

    from sdkit.models.checkpoint import CheckpointFile, TensorInfo


_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Detection:
    """A family recognised a file.

    `why`: the evidence, one fact per line, for people. `parts`: name of each network → the prefixes of its keys.
    `architecture`: the family's own description of the networks, read from the shapes; only the family looks into it.
    `ignorable`: prefixes of keys that may be there and are not needed.
    """

    family: str
    prediction: PredictionType
    why: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]]
    architecture: object
    ignorable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Declined:
    """A family did not recognise a file; `reason` names what was missing or different."""

    reason: str


class ModelFamily(Protocol):
    """What `register_model_families` takes: recognises checkpoints and builds their networks."""

    @property
    def name(self) -> str:
        """As registered: `sd1`."""
        ...

    def detect(self, file: CheckpointFile) -> Detection | Declined:
        """Say from names and shapes whether the file is of this family. Must not read tensors, nor import torch."""
        ...

    def load(
        self,
        file: CheckpointFile,
        detection: Detection,
        *,
        device: torch.device,
        dtype: torch.dtype | Literal["auto"],
    ) -> DiffusionModel:
        """Build the model. It reads from `file` when it needs to, so the file must stay open as long as the model is
        used.

        `dtype`: in which the noise predictor computes; "auto" is float32 on the CPU and the file's own elsewhere.
        """
        ...


@dataclass(frozen=True)
class Verdict:
    """What the families said of a file: the first that recognised it, and why each before it declined."""

    family: ModelFamily | None = None
    detection: Detection | None = None
    declined: Mapping[str, str] = field(default_factory=dict[str, str])


def ask_families(file: CheckpointFile, families: Iterable[ModelFamily]) -> Verdict:
    """Ask one family after another; the first that recognises the file gets it."""
    declined: dict[str, str] = {}
    for family in families:
        answer = family.detect(file)
        if isinstance(answer, Detection):
            return Verdict(family, answer, declined)
        declined[family.name] = answer.reason
    return Verdict(declined=declined)


def detect_family(file: CheckpointFile, families: Iterable[ModelFamily]) -> tuple[ModelFamily, Detection]:
    """The family that recognises the file, and what it found.

    Raises UnknownModelError, which says what the file is, as far as it shows, and why each family declined.
    """
    verdict = ask_families(file, families)
    if verdict.family is not None and verdict.detection is not None:
        return verdict.family, verdict.detection
    count = "1 tensor" if len(file.infos) == 1 else f"{len(file.infos)} tensors"
    found = describe(file.infos)
    guess = f"It looks like {looks_like(file.infos)}. {found.use}. " if found else ""
    raise UnknownModelError(
        f"no model family recognises {file.path} ({count}). {guess}{_why_declined(verdict.declined)} `sdkit inspect "
        "FILE` lists what is in it"
    )


def looks_like(infos: Mapping[str, TensorInfo]) -> str:
    """What a file of these tensors is, in words, and for which family; "" where nothing fits."""
    found = describe(infos)
    if found is None:
        return ""
    return f"{found.what}, for {found.family}" if found.family else found.what


def _why_declined(declined: Mapping[str, str]) -> str:
    """Each family's reason; those that have the same stand together."""
    names: dict[str, list[str]] = {}
    for name, reason in declined.items():
        names.setdefault(reason, []).append(name)
    return " ".join(f"{', '.join(each)}: {reason}." for reason, each in names.items()) or "No family is registered."


def report_unknown_keys(file: CheckpointFile, used: Collection[str], ignorable: tuple[str, ...]) -> None:
    """Log a warning that names the keys which the family neither uses nor knows to be harmless."""
    unknown = [key for key in file.infos if key not in used and not key.startswith(ignorable)]
    if unknown:
        _log.warning("%s: %d unknown keys are not used (first: %s)", file.path, len(unknown), ", ".join(unknown[:3]))
