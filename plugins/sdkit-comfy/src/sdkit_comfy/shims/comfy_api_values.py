"""`comfy_api.input`: names of types, for annotations."""

from __future__ import annotations

from typing import Any, TypedDict

import torch

ImageInput = torch.Tensor
MaskInput = torch.Tensor
LatentInput = dict[str, Any]


class AudioInput(TypedDict):
    """A sound: `[B, channels, samples]`."""

    waveform: torch.Tensor
    sample_rate: int


class VideoInput:
    """A film; sdkit has none."""
