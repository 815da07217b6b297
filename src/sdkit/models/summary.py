"""The vector that SDXL and its refiner take besides the text: the pooled text, and numbers on the picture's size.

Podell et al., arXiv:2307.01952, section 2.2. Each number becomes 256 cosines and sines, like a timestep.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sdkit.models.networks.unet import timestep_features
from sdkit.types import SizeConditioning

CHANNELS = 256
AESTHETIC_SCORE = 6.0
"""What the refiner is told where nobody says anything, of what the picture is to be."""

NEGATIVE_AESTHETIC_SCORE = 2.5
"""The same for the negative prompt."""


def negative_size(family: str, height: int, width: int) -> SizeConditioning | None:
    """What a family is told with the negative prompt, where nobody says, of pictures of this size; None for the same as
    with the positive one. Only the refiner is told otherwise: a lower aesthetic score."""
    if family != "sdxl_refiner":
        return None
    return SizeConditioning(height, width, aesthetic_score=NEGATIVE_AESTHETIC_SCORE)


def size_numbers(size: SizeConditioning, count: int) -> tuple[float, ...]:
    """The numbers that a model is told, in its order: height, width, top, left, and then either the target's height
    and width (`count` 6) or the aesthetic score (5)."""
    first = (size.height, size.width, size.top, size.left)
    if count == 5:
        return (*first, AESTHETIC_SCORE if size.aesthetic_score is None else size.aesthetic_score)
    height = size.height if size.target_height is None else size.target_height
    width = size.width if size.target_width is None else size.target_width
    return (*first, height, width)


def summary_vector(pooled: Tensor, size: SizeConditioning, count: int) -> Tensor:
    """The pooled text `[B, P]` and `count` numbers → `[B, P + 256·count]`, float32."""
    numbers = torch.tensor(size_numbers(size, count), device=pooled.device)
    told = timestep_features(numbers, CHANNELS).flatten()
    return torch.cat((pooled.float(), told.expand(len(pooled), -1)), dim=1)
