"""What the model is told: encoded prompts, by branch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Embedding:
    """One encoded prompt, or several of the same length stacked.

    `context`: `[1 or B, T, C]`, the tokens' features, T a multiple of 77 for CLIP; one row serves every image of a
    batch. `pooled`: `[1 or B, P]`, the summary vector that some families need beside it. `strength`: its share where
    several embeddings make one branch.
    """

    context: torch.Tensor
    pooled: torch.Tensor | None = None
    strength: float = 1.0


@dataclass(frozen=True, eq=False)
class Conditioning:
    """Everything that the model is told, by branch. Each branch is the weighted mean of its embeddings' predictions.

    `prompts`, `negative_prompts`: the texts, one per image, for the pictures' metadata; they do not change the result.
    `transformed`: whether plugins changed them, so that a picture's record does not ask for that again.
    """

    positive: tuple[Embedding, ...]
    negative: tuple[Embedding, ...]
    prompts: tuple[str, ...] = ()
    negative_prompts: tuple[str, ...] = ()
    transformed: bool = False
