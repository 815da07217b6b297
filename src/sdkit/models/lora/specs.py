"""What prompts ask for, as what requests ask for."""

from __future__ import annotations

from collections.abc import Iterable

from sdkit.types import LoraReference, LoraSpec


def referenced_loras(references: Iterable[LoraReference]) -> tuple[LoraSpec, ...]:
    """The LoRAs that `<lora:name:0.8>` in prompts stand for, in their order; the same reference counts once."""
    return tuple(
        LoraSpec(name=reference.name, strength=reference.strength, text_strength=reference.text_strength)
        for reference in dict.fromkeys(references)
    )
