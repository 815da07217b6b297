"""The normal numbers that PyTorch draws on a CUDA device for a seed, computed anywhere.

CUDA's generator is counter-based: Philox 4×32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11)
encrypts a counter with the seed as key. The counter of a draw is (offset, thread), so that every number can be computed
by itself; Box and Muller's method makes normal numbers of the words.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from sdkit.sampling.noise.streams import Stream

Words = npt.NDArray[np.uint64]
"""32-bit words, in 64 bits so that they can be multiplied."""
Counter = tuple[Words, Words, Words, Words]

MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
KEY_STEPS = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
ROUNDS = 10
BITS = np.uint64(32)
WORD = np.uint64(2**32 - 1)
BLOCK = 256
"""Threads of one CUDA block, as PyTorch launches the kernel."""
PER_THREAD = 4
"""Normal numbers that a thread makes of one counter."""
TWO_PI = float(np.float32(2 * math.pi))


def philox4x32(counter: Counter, key: tuple[int, int]) -> Counter:
    """Four random words per counter, the lowest word first; `key`: two words, the lower first."""
    c0, c1, c2, c3 = counter
    k0, k1 = np.uint64(key[0]), np.uint64(key[1])
    for _ in range(ROUNDS):
        product0, product1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1 = (product1 >> BITS) ^ c1 ^ k0, product1 & WORD
        c2, c3 = (product0 >> BITS) ^ c3 ^ k1, product0 & WORD
        k0, k1 = (k0 + KEY_STEPS[0]) & WORD, (k1 + KEY_STEPS[1]) & WORD
    return c0, c1, c2, c3


class CudaStream:
    """What `torch.randn` draws one after the other on a CUDA device, from a generator of this seed; a `Stream`.

    A draw is laid out over the threads that a GPU can keep resident, number i coming from thread i for as long as there
    are threads; beyond, each thread's next number of four follows. `threads` is how many that are: the number of
    multiprocessors times the threads of each, 270336 for an H100 or H200, 221184 for an A100, 196608 for an RTX 4090,
    40960 for a T4. None: as many as there are numbers, so that the numbers are those of every GPU with at least as
    many, whose draws are therefore the same up to there. The device's sine is an approximation: numbers there differ
    by about 10⁻⁶.
    """

    def __init__(self, seed: int, threads: int | None = None) -> None:
        self._key = seed % 2**32, seed >> 32
        self._threads = threads
        self._offset = 0

    def __call__(self, shape: tuple[int, ...]) -> torch.Tensor:
        """The next normal numbers in this shape, float32, on the CPU."""
        count = math.prod(shape)
        lanes = math.ceil(count / BLOCK) * BLOCK
        if self._threads is not None:
            lanes = min(lanes, self._threads)
        rows = itertools.islice(self._rows(lanes), math.ceil(count / lanes))
        flat = np.concatenate([row.astype(np.float32) for row in rows])[:count]
        self._offset += math.ceil(count / (PER_THREAD * lanes))
        return torch.from_numpy(flat).reshape(shape)  # pyright: ignore[reportUnknownMemberType] - untyped in torch

    def _rows(self, lanes: int) -> Iterator[npt.NDArray[np.float64]]:
        """Each thread's first number, each one's second, and so on."""
        thread = np.arange(lanes, dtype=np.uint64)
        none = np.zeros_like(thread)
        for offset in itertools.count(self._offset):
            words = philox4x32((none + np.uint64(offset), none, thread, none), self._key)
            yield from _normal(words[0], words[1])
            yield from _normal(words[2], words[3])


def _normal(x: Words, y: Words) -> Iterator[npt.NDArray[np.float64]]:
    """Two independent normal numbers of two words, as cuRAND makes them, the sine's first (Box and Muller, 1958)."""
    radius = np.sqrt(-2 * np.log((x + 0.5) / 2**32))
    angle = (y + 0.5) / 2**32 * TWO_PI
    yield radius * np.sin(angle)
    yield radius * np.cos(angle)


def cuda_stream(seed: int, threads: int | None = None) -> Stream:
    """The stream of a seed on a CUDA device of so many resident threads; see `CudaStream`."""
    return CudaStream(seed, threads)
