"""A LoRA that a request asks for: which one, how strongly, where and when; and which files they were that prompts name.

LoRAs of `Request.loras` have their hash in `LoraSpec.sha256`. A prompt has no place for it, so that a picture's record
has them in the options, `{"loras": {"hashes": {"detail": "0123…"}}}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Self, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

Strength = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]


class LoraSpec(BaseModel):
    """A LoRA and how it is used. Where a request takes one, it takes a name or a path, or a tuple `(name, strength)` or
    `(name, strength, text_strength)`, too."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = Field(min_length=1)
    """Name in the model folder's `loras`, with or without suffix, or a path."""
    strength: Strength = 1.0
    """How strongly it changes the noise predictor; 0 not at all, negative ones turn it round."""
    text_strength: Strength | None = None
    """How strongly it changes the text encoders; None is as `strength`."""
    blocks: dict[str, Strength] | tuple[Strength, ...] | None = None
    """Factors by block: `{"IN04": 0.5, "MID": 0}` (BASE is whatever is in no block, the text encoders with it; those
    not named are 1), or the values of all blocks, or of all that have attention, in their order, BASE first."""
    start_step: int = Field(default=0, ge=0)
    """The step from which on it counts; the text encoders are changed for the whole run."""
    end_step: int | None = Field(default=None, ge=1)
    """The step before which it ends; None is the run's end."""
    merged: bool = True
    """Whether new weights are computed once, or its additions in every evaluation, which needs less memory."""
    strict: bool = True
    """Whether a key of the file that matches nothing in the model is an error, or a warning."""
    sha256: str = ""
    """SHA-256 of the file; filled in when the request is planned."""

    @model_validator(mode="before")
    @classmethod
    def _accept_short_forms(cls, value: object) -> object:
        if isinstance(value, (str, Path)):
            return {"name": str(value)}
        if isinstance(value, Sequence):
            parts = cast("Sequence[object]", value)
            names = ("name", "strength", "text_strength")
            if not 1 <= len(parts) <= len(names):
                raise ValueError("a LoRA is a name, (name, strength) or (name, strength, text strength)")
            return {name: str(part) if name == "name" else part for name, part in zip(names, parts, strict=False)}
        return value

    @model_validator(mode="after")
    def _range_has_steps(self) -> Self:
        if self.end_step is not None and self.end_step <= self.start_step:
            raise ValueError(f"end_step is {self.end_step}, but start_step {self.start_step}: there is no step between")
        return self

    @property
    def strengths(self) -> tuple[float, float]:
        """Those of the noise predictor and of the text encoders."""
        return self.strength, self.strength if self.text_strength is None else self.text_strength


LoraInput = LoraSpec | str | Path | tuple[str | Path, float] | tuple[str | Path, float, float] | Mapping[str, object]
"""What stands for a LoRA in a request."""


class LoraOptions(BaseModel):
    """Options of the namespace `loras`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    hashes: dict[str, Annotated[str, Field(pattern=r"^[0-9a-fA-F]{6,64}$")]] = Field(default_factory=dict)
    """SHA-256, or the beginning of it, of the LoRAs that the prompts name, by name: a file that is missing is found by
    it, and one that is another is told."""


@dataclass
class PromptLoras:
    """In a run's stash: the SHA-256 of the LoRAs that its prompts name, by name."""

    hashes: dict[str, str] = field(default_factory=dict[str, str])
