"""From windows of tokens to the features that the noise predictor reads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sdkit.errors import RequestError
from sdkit.models.networks.clip import ClipText
from sdkit.models.tokenizer import EOS
from sdkit.types import Dialect, TokenChunk


def check_clip_skip(clip_skip: int, layers: int) -> None:
    """Raises RequestError if a text encoder of so many layers has no such layer."""
    if not 1 <= clip_skip <= layers:
        raise RequestError(f"clip_skip {clip_skip} is no layer of a text encoder of {layers} layers; use 1 to {layers}")


def encode_chunks(
    tower: ClipText, chunks: Sequence[TokenChunk], empty: TokenChunk, *, skip: int, norm: bool, dialect: Dialect
) -> tuple[Tensor, Tensor]:
    """Windows → their features laid end to end, `[1, 77·n, C]`, and the summary of the first one, `[1, P]`.

    The windows go through the tower in one batch. `skip`: layers left out at its end. `norm`: whether what comes before
    them goes through the final norm. The summary never leaves layers out, and knows no weights.

    Where every weight is 1, nothing is done with them. Else `weigh` says what they do, by the prompt's dialect.
    """
    weighted = any(weight != 1.0 for chunk in chunks for weight in chunk.weights)
    windows = [*chunks, empty] if weighted and dialect != "a1111" else chunks
    features, last = _features(tower, windows, skip, norm)
    summary = tower.project(_at_first_end(chunks[:1], last))
    if weighted:
        weights = torch.tensor([chunk.weights for chunk in chunks], device=features.device, dtype=features.dtype)
        neutral = features[-1:] if dialect != "a1111" else None
        features = weigh(features[: len(chunks)], weights[..., None], neutral)
    return features.flatten(0, 1)[None], summary


def weigh(features: Tensor, weights: Tensor, neutral: Tensor | None) -> Tensor:
    """Weights `[n, T, 1]` on features `[n, T, C]`.

    With the empty prompt's features, `neutral`: move away from those, z = (z − z_empty)·w + z_empty (ComfyUI's way),
    where w is not 1. Without: multiply, and keep each window's mean (A1111's way).
    """
    if neutral is not None:
        return torch.where(weights == 1.0, features, (features - neutral) * weights + neutral)
    weighted = features * weights
    return weighted * (features.mean(dim=(1, 2), keepdim=True) / weighted.mean(dim=(1, 2), keepdim=True))


def pooled_features(tower: ClipText, chunks: Sequence[TokenChunk]) -> Tensor:
    """One window per text → the last layer's features at each first end token, `[n, C]`."""
    return _at_first_end(chunks, _features(tower, chunks, 0, True)[1])


def _features(tower: ClipText, chunks: Sequence[TokenChunk], skip: int, norm: bool) -> tuple[Tensor, Tensor]:
    ids = torch.tensor([chunk.ids for chunk in chunks], device=tower.device)
    vectors = {(row, place): vector for row, chunk in enumerate(chunks) for place, vector in chunk.vectors.items()}
    return tower(ids, skip=skip, norm=norm, vectors=vectors)


def _at_first_end(chunks: Sequence[TokenChunk], features: Tensor) -> Tensor:
    ends = torch.tensor([chunk.ids.index(EOS) for chunk in chunks], device=features.device)
    return features[torch.arange(len(ends), device=features.device), ends]
