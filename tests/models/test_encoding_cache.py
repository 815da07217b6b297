"""Encoded prompts that are kept: by content, the latest ones, never shared with whoever changes them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch

from sdkit.models.encoding_cache import EncodingCache
from sdkit.types import Embedding


def make(value: float) -> Embedding:
    return Embedding(torch.full((1, 2, 4), value), torch.full((1, 2), value))


def test_what_is_kept_is_not_made_again() -> None:
    cache, made = EncodingCache(), list[float]()

    def counted() -> Embedding:
        made.append(1)
        return make(float(len(made)))

    for _ in range(3):
        found = cache.get("a", counted)
        assert float(found.context.mean()) == 1
        found.context.zero_()
    cache.clear()
    assert float(cache.get("a", counted).context.mean()) == 2


def test_the_longest_unused_go_first() -> None:
    size = 10 * 4
    cache, made = EncodingCache(most_bytes=2 * size), list[str]()

    def get(key: str) -> None:
        cache.get(key, lambda: (made.append(key), make(0.0))[1])

    for key in "abacab":
        get(key)
    assert "".join(made) == "abcb"


def test_larger_than_all_is_not_kept() -> None:
    cache = EncodingCache(most_bytes=1)
    assert float(cache.get("a", lambda: make(1.0)).context.mean()) == 1
    assert float(cache.get("a", lambda: make(2.0)).context.mean()) == 2


def test_threads() -> None:
    cache = EncodingCache(most_bytes=300)
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(cache.get, i % 13, lambda i=i: make(float(i % 13))) for i in range(400)]
    assert [float(job.result().context.mean()) for job in jobs] == [float(i % 13) for i in range(400)]
