"""The plugin's options, `Request.options["wildcards"]` and `--opt wildcards.…`."""

from __future__ import annotations

import os
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class WildcardOptions(BaseModel):
    """Options of the namespace `wildcards`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    mode: Literal["random", "all", "off"] = "random"
    """`random`: each picture's seed chooses. `all`: every combination, one seed. `off`: prompts as they are."""
    folder: tuple[str, ...] = ()
    """Folders with lists; a list in the first one hides those of the same name in the others and the bundled ones.
    In one string, they are separated as in PATH."""
    limit: int = Field(default=100, ge=1, le=10_000)
    """How many pictures `all` makes at most."""

    @field_validator("folder", mode="before")
    @classmethod
    def _several_in_one(cls, value: object) -> object:
        return tuple(filter(None, value.split(os.pathsep))) if isinstance(value, str) else value
