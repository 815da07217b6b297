"""From windows of tokens to the embedding that the noise predictor reads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sdkit.errors import RequestError
from sdkit.models.networks.clip import ClipText
from sdkit.models.tokenizer import EOS
from sdkit.types import TokenChunk


def encode_chunks(tower: ClipText, chunks: Sequence[TokenChunk], empty: TokenChunk, clip_skip: int) -> Tensor:
    """Windows → `[1, 77·n, C]`, encoded in one batch and laid end to end; the final norm is applied whatever the clip
    skip.

    A token's weight moves its features away from those at the same place of the empty prompt: z = (z − z_empty)·w +
    z_empty. Where every weight is 1, nothing is done. Raises RequestError if there is no such layer.
    """
    layers = len(tower.encoder.layers)
    if not 1 <= clip_skip <= layers:
        raise RequestError(f"clip_skip {clip_skip} is no layer of a text encoder of {layers} layers; use 1 to {layers}")
    device = tower.final_layer_norm.weight.device
    weighted = any(weight != 1.0 for chunk in chunks for weight in chunk.weights)
    windows = [*chunks, empty] if weighted else chunks
    features = tower(torch.tensor([chunk.ids for chunk in windows], device=device), skip=clip_skip - 1)
    if weighted:
        weights = torch.tensor([chunk.weights for chunk in chunks], device=device, dtype=features.dtype)[..., None]
        neutral = features[-1:]
        features = (features[:-1] - neutral) * weights + neutral
    return features.flatten(0, 1)[None]


def pooled_features(tower: ClipText, chunks: Sequence[TokenChunk]) -> Tensor:
    """One window per text → the last layer's features at each first end token, `[n, C]`."""
    ids = torch.tensor([chunk.ids for chunk in chunks], device=tower.final_layer_norm.weight.device)
    features = tower(ids)
    ends = (ids == EOS).int().argmax(dim=1)
    return features[torch.arange(len(ids), device=ids.device), ends]
