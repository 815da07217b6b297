"""Which values are being computed right now, so that two runs in two threads do not compute one twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from sdkit.graph.caching import Entry

Landed = Callable[[Entry | None], None]
"""Called with the value; with None where it did not come to one. In any thread."""


class Flights:
    """One run computes a signature; others that want the same wait until it has landed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flying: dict[bytes, list[Landed]] = {}

    def claim(self, signature: bytes, landed: Landed) -> bool:
        """Whether the caller is to compute it, and to `release` it then; else `landed` is called when it is there."""
        with self._lock:
            waiting = self._flying.get(signature)
            if waiting is None:
                self._flying[signature] = []
                return True
            waiting.append(landed)
            return False

    def release(self, signature: bytes, entry: Entry | None) -> None:
        """It is computed, or it failed."""
        with self._lock:
            waiting = self._flying.pop(signature, ())
        for landed in waiting:
            landed(entry)

    def free(self, signature: bytes) -> bool:
        """Whether nobody computes it now."""
        return signature not in self._flying


class Claims:
    """What one run computes. `nested`: it runs inside a node, and waits for nobody, because somebody may wait for the
    node: what another run is at, it computes itself."""

    def __init__(self, flights: Flights, *, nested: bool) -> None:
        self._flights: Final = flights
        self._nested: Final = nested
        self._own: Final[set[bytes]] = set()

    def claim(self, signature: bytes, landed: Landed) -> bool:
        """Whether the run is to compute it; else `landed` is called when another run has."""
        if signature in self._own or (self._nested and not self._flights.free(signature)):
            return True
        if not self._flights.claim(signature, landed):
            return False
        self._own.add(signature)
        return True

    def land(self, signature: bytes, entry: Entry | None) -> None:
        """Tell other runs that wait for it."""
        if signature in self._own:
            self._own.discard(signature)
            self._flights.release(signature, entry)

    def close(self) -> None:
        """The run is over; what it has not computed by now, others may."""
        for signature in self._own:
            self._flights.release(signature, None)
        self._own.clear()
