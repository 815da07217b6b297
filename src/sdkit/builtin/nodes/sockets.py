"""What sdkit's own nodes hand to each other beside sdkit's types, and the inputs that several of them have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import Field

from sdkit.graph import Multiline
from sdkit.request import MAX_SEED, MAX_SIDE, MAX_STEPS

if TYPE_CHECKING:
    import torch

    from sdkit.types import Embedding

    Mask: TypeAlias = torch.Tensor
    """`[1, H, W]`, 0…1: how much something is to happen in each place."""


@dataclass(frozen=True, eq=False)
class EncodedPrompt:
    """One branch of a conditioning: what the model is told, and the texts that it was made from, for the record in the
    pictures. `transformed`: whether plugins changed these texts."""

    embeddings: tuple[Embedding, ...]
    texts: tuple[str, ...] = ()
    transformed: bool = False


Text: TypeAlias = Annotated[str, Multiline()]
Seed: TypeAlias = Annotated[int, Field(ge=0, le=MAX_SEED)]
Steps: TypeAlias = Annotated[int, Field(ge=1, le=MAX_STEPS)]
Side: TypeAlias = Annotated[int, Field(ge=8, le=MAX_SIDE)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Strength: TypeAlias = Annotated[float, Field(ge=-100, le=100)]
Weight: TypeAlias = Annotated[float, Field(ge=0, le=10)]
