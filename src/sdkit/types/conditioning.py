"""What the model is told: encoded prompts, by branch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class SizeConditioning:
    """What SDXL is told of a picture's size, in pixels (Podell et al., arXiv:2307.01952, section 2.2).

    `height`, `width`: of the picture before it was cropped; `top`, `left`: how much was cropped off; `target_height`,
    `target_width`: of the picture to make. `aesthetic_score`: what the refiner is told instead of a target.
    """

    height: int
    width: int
    top: int = 0
    left: int = 0
    target_height: int | None = None
    target_width: int | None = None
    aesthetic_score: float | None = None


@dataclass(frozen=True)
class Area:
    """A rectangle of the picture, as shares of its sides, 0…1: where an embedding counts. It is cut where it leaves the
    picture, and is at least one latent pixel wide and high."""

    top: float
    left: float
    height: float
    width: float


@dataclass(frozen=True, eq=False)
class Embedding:
    """One encoded prompt, or several of the same length stacked: what it says, and where and when it counts.

    `context`: `[1 or B, T, C]`, the tokens' features, T a multiple of 77 for CLIP; one row serves every image of a
    batch. `pooled`: `[1 or B, P]`, the summary vector that some families need beside it. `strength`: its share where
    several embeddings make one branch.

    `area`: the only part of the picture that it is for, shown to the model alone; "mask" is the bounding box of the
    mask. `mask`: `[1 or B, h, w]`, 0…1, how much it counts in each place; resized to the latents. `sigmas`: the highest
    and the lowest sigma at which it counts, both included.
    `size`: what the family is told of the picture's size, where it is told; None is the size of the latents.
    `channels`: `[1 or B, C, h, w]`, further input channels, for networks that have them.
    """

    context: torch.Tensor
    pooled: torch.Tensor | None = None
    strength: float = 1.0
    area: Area | Literal["mask"] | None = None
    mask: torch.Tensor | None = None
    sigmas: tuple[float, float] | None = None
    size: SizeConditioning | None = None
    channels: torch.Tensor | None = None


@dataclass(frozen=True, eq=False)
class Conditioning:
    """Everything that the model is told, by branch. Each branch is, in every place, the weighted mean of the
    predictions of those of its embeddings that count there and then; where none does, it predicts 0.

    `prompts`, `negative_prompts`: the texts, one per image, and `prompt_syntax`, the name of what they are written in:
    for the pictures' metadata, and for the LoRAs that they name.
    `transformed`: whether plugins changed them, so that a picture's record does not ask for that again.
    """

    positive: tuple[Embedding, ...]
    negative: tuple[Embedding, ...]
    prompts: tuple[str, ...] = ()
    negative_prompts: tuple[str, ...] = ()
    prompt_syntax: str = ""
    transformed: bool = False
