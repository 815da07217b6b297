"""Encoded prompts that are kept, so that a run that changes only the seed encodes nothing."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from sdkit.types import Embedding

MOST_BYTES = 64 << 20
"""As much as about 280 prompts of SD1 or 80 of SDXL, of one window each."""


class EncodingCache:
    """Embeddings by what they were made from; the ones unused for longest go first. Thread-safe.

    A key says all that the numbers depend on beside the weights: the prompt's segments, with the digests of its textual
    inversions, the clip skip, what patches the weights. Whoever gets an embedding has a copy: what a plugin does to it
    in place does not come back.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._kept: OrderedDict[Hashable, Embedding] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Embedding]) -> Embedding:
        """What is kept under `key`, or else what `make` returns, which is then kept."""
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
        if known is None:
            known = make()
            self._keep(key, known)
        return _copy(known)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def _keep(self, key: Hashable, embedding: Embedding) -> None:
        with self._lock:
            if key in self._kept:  # another thread was faster
                return
            self._kept[key] = embedding
            self._bytes += _size(embedding)
            while self._bytes > self._most:
                _, gone = self._kept.popitem(last=False)
                self._bytes -= _size(gone)


def _tensors(embedding: Embedding) -> list[torch.Tensor]:
    return [tensor for tensor in (embedding.context, embedding.pooled) if tensor is not None]


def _size(embedding: Embedding) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in _tensors(embedding))


def _copy(embedding: Embedding) -> Embedding:
    pooled = None if embedding.pooled is None else embedding.pooled.clone()
    return replace(embedding, context=embedding.context.clone(), pooled=pooled)
