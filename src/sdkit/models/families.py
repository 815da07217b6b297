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
from sdkit.types import DiffusionModel, PredictionType

if TYPE_CHECKING:
    import torch

    from sdkit.models.checkpoint import CheckpointFile


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
    """What the families said of a file: the first that recognised it, or why each declined and what the file looks
    like."""

    family: ModelFamily | None = None
    detection: Detection | None = None
    declined: Mapping[str, str] = field(default_factory=dict[str, str])
    looks_like: str = ""


def ask_families(file: CheckpointFile, families: Iterable[ModelFamily]) -> Verdict:
    """Ask one family after another; the first that recognises the file gets it."""
    declined: dict[str, str] = {}
    for family in families:
        answer = family.detect(file)
        if isinstance(answer, Detection):
            return Verdict(family, answer, declined)
        declined[family.name] = answer.reason
    return Verdict(declined=declined, looks_like=looks_like(file.infos))


def detect_family(file: CheckpointFile, families: Iterable[ModelFamily]) -> tuple[ModelFamily, Detection]:
    """The family that recognises the file, and what it found.

    Raises UnknownModelError, which says what the file looks like and why each family declined.
    """
    verdict = ask_families(file, families)
    if verdict.family is not None and verdict.detection is not None:
        return verdict.family, verdict.detection
    guess = f"It looks like {verdict.looks_like}. " if verdict.looks_like else ""
    reasons = " ".join(f"{name}: {reason}." for name, reason in verdict.declined.items()) or "No family is registered."
    count = "1 tensor" if len(file.infos) == 1 else f"{len(file.infos)} tensors"
    raise UnknownModelError(
        f"no model family recognises {file.path} ({count}). {guess}{reasons} `sdkit inspect FILE` lists what is in it"
    )


def report_unknown_keys(file: CheckpointFile, used: Collection[str], ignorable: tuple[str, ...]) -> None:
    """Log a warning that names the keys which the family neither uses nor knows to be harmless."""
    unknown = [key for key in file.infos if key not in used and not key.startswith(ignorable)]
    if unknown:
        _log.warning("%s: %d unknown keys are not used (first: %s)", file.path, len(unknown), ", ".join(unknown[:3]))


_LOOKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "a LoRA, which changes a checkpoint and is none",
        (
            "lora_unet_",
            "lora_te",
            ".lora_up.",
            ".lora_down.",
            ".lora_A.",
            ".lora_B.",
            "_lora.up.",
            ".hada_w1_",
            ".lokr_w1",
        ),
    ),
    (
        "a ControlNet, which steers a checkpoint and is none",
        ("input_hint_block.", "controlnet_cond_embedding.", "zero_convs."),
    ),
    (
        "a textual inversion (embedding), which adds words to a checkpoint and is none",
        ("emb_params", "string_to_param"),
    ),
    ("an upscaler", ("body.0.rdb1.", "RRDB_trunk.")),
    (
        "one part of a diffusers folder (unet), not a checkpoint in a single file",
        ("down_blocks.0.resnets.0.time_emb_proj.", "down_blocks.0.attentions.0.transformer_blocks."),
    ),
    (
        "a VAE alone, which is part of a checkpoint and none",
        ("encoder.down", "decoder.up", "encoder.mid", "decoder.mid", "first_stage_model."),
    ),
    (
        "a text encoder alone, which is part of a checkpoint and none",
        ("text_model.encoder.layers.", "encoder.layers.", "transformer.resblocks.", "cond_stage_model."),
    ),
    (
        "a diffusion network alone, without text encoder and VAE",
        ("model.diffusion_model.", "input_blocks.", "output_blocks."),
    ),
)
"""What a file that no family recognises looks like, and fragments of the names that say so; the first match counts."""


def looks_like(infos: Mapping[str, object]) -> str:
    """What kind of file these names are typical of, in words; "" where nothing fits.

    Half of the names must be typical, but a ControlNet, which is built like a U-Net, is told by any of its own.
    """
    for kind, fragments in _LOOKS:
        matching = [key for key in infos if any(fragment in key for fragment in fragments)]
        if matching and (2 * len(matching) >= len(infos) or kind == _LOOKS[1][0]):
            return f"{kind} ({len(matching)} keys such as {matching[0]!r})"
    return ""
