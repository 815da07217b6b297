"""Keeping what was made last: a small cache that several threads share."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """The things that were last asked for, by key. Each is made once: who asks for it meanwhile waits for that one
    alone. Thread-safe.

    `most`: how many are kept; `most_bytes`: how large they may be together. The last one is kept whatever its size.
    `made` counts how often one was made.
    """

    def __init__(self, most: int, most_bytes: float = float("inf")) -> None:
        self.made = 0
        self._most = most
        self._most_bytes = most_bytes
        self._slots: OrderedDict[Hashable, _Slot[T]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T], size: int = 0) -> T:
        """The thing of this key, of `size` bytes; made now if it is not kept. Older ones make room for it first."""
        with self._lock:
            slot = self._slots.setdefault(key, _Slot(size))
            self._slots.move_to_end(key)
            while len(self._slots) > 1 and self._too_much():
                self._slots.popitem(last=False)
        with slot.lock:
            if slot.thing is None:
                slot.thing = make()
                self.made += 1
            return slot.thing

    def clear(self) -> None:
        """Keep none of them any longer."""
        with self._lock:
            self._slots.clear()

    def _too_much(self) -> bool:
        return len(self._slots) > self._most or sum(slot.size for slot in self._slots.values()) > self._most_bytes


@dataclass
class _Slot(Generic[T]):
    size: int
    thing: T | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
