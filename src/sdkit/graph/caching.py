"""Caches: which values of earlier runs are kept, by signature."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import NamedTuple, Protocol, cast

from sdkit.graph.reports import Reports
from sdkit.graph.sizes import sizes_of
from sdkit.graph.watching import Watch, unchanged


class Entry(NamedTuple):
    """What is kept of a node: its outputs, what it reported, the message that blocked it, and the tensors in each
    output with their version counters."""

    outputs: tuple[object, ...]
    reports: Reports | None = None
    blocked: str | None = None
    watched: tuple[Watch, ...] = ()

    @property
    def intact(self) -> bool:
        """Whether nobody wrote into its tensors since it was stored."""
        return not self.watched or all(map(unchanged, self.watched))


class Cache(Protocol):
    """Where a session keeps values. All methods may be called from several threads at once."""

    def begin(self, signatures: Mapping[str, bytes], nodes: frozenset[str]) -> None:
        """A run begins: these signatures by node id are what it may need; `nodes` are all ids of the graph, of which it
        may be about some only."""
        ...

    def get(self, signature: bytes) -> Entry | None:
        """The entry of this signature, if it is there; counts as a use."""
        ...

    def put(self, signature: bytes, entry: Entry, node: str, root: str) -> None:
        """A node, which belongs to node `root` of the user's graph, has been computed."""
        ...

    def discard(self, signature: bytes) -> None:
        """The entry is not to be used again."""
        ...

    def has(self, signature: bytes) -> bool:
        """Whether the entry is there; does not count as a use."""
        ...

    def end(self, expanded: frozenset[str], nodes: frozenset[str]) -> None:
        """A run is over: the user's nodes in `expanded` were expanded, into `nodes` (and others that are gone)."""
        ...


class NoCache:
    """Keeps nothing: every run computes everything, and frees each value after its last reader has run."""

    def begin(self, signatures: Mapping[str, bytes], nodes: frozenset[str]) -> None:
        """Nothing to do."""

    def get(self, signature: bytes) -> Entry | None:
        """None."""
        return None

    def put(self, signature: bytes, entry: Entry, node: str, root: str) -> None:
        """Nothing is kept."""

    def discard(self, signature: bytes) -> None:
        """Nothing to do."""

    def has(self, signature: bytes) -> bool:
        """False."""
        return False

    def end(self, expanded: frozenset[str], nodes: frozenset[str]) -> None:
        """Nothing to do."""


class KeepLast:
    """Keeps the last value of every node of the graph that ran last.

    When a run begins, the values that its nodes had under other signatures go, and so do those of nodes that the graph
    does not have. Nodes of the graph that the run is not about, because other outputs were chosen, keep theirs. What an
    expansion computed goes when its node is expanded anew, into nodes that do not need it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[bytes, Entry] = {}
        self._holders: dict[str, bytes] = {}
        self._roots: dict[str, str] = {}

    def begin(self, signatures: Mapping[str, bytes], nodes: frozenset[str]) -> None:
        """Drop what the graph that runs now does not have."""
        with self._lock:
            if self._holders == signatures and nodes.issubset(signatures):
                return
            roots = self._roots
            kept = {node_id: held for node_id, held in self._holders.items() if roots.get(node_id, node_id) in nodes}
            self._roots = {node_id: root for node_id, root in roots.items() if node_id in kept}
            kept.update(signatures)
            self._holders = kept
            self._sweep()

    def _sweep(self) -> None:
        wanted = set(self._holders.values())
        if len(wanted) < len(self._entries) or not wanted.issuperset(self._entries):
            self._entries = {held: entry for held, entry in self._entries.items() if held in wanted}

    def get(self, signature: bytes) -> Entry | None:
        """The entry, if it is there."""
        return self._entries.get(signature)

    def put(self, signature: bytes, entry: Entry, node: str, root: str) -> None:
        """Keep the value as the node's last."""
        with self._lock:
            if node != root:
                self._roots[node] = root
            self._holders[node] = signature
            self._entries[signature] = entry

    def discard(self, signature: bytes) -> None:
        """Drop the entry."""
        with self._lock:
            self._entries.pop(signature, None)

    def has(self, signature: bytes) -> bool:
        """Whether the entry is there."""
        return signature in self._entries

    def end(self, expanded: frozenset[str], nodes: frozenset[str]) -> None:
        """Drop what earlier expansions of the same nodes left."""
        if expanded:
            with self._lock:
                gone = [node_id for node_id, root in self._roots.items() if root in expanded and node_id not in nodes]
                for node_id in gone:
                    del self._roots[node_id], self._holders[node_id]
                if gone:
                    self._sweep()

    def __len__(self) -> int:
        return len(self._entries)


class LRU:
    """Keeps the values that were used last: at most `count` nodes' values, of at most `bytes` bytes together.

    Tensors and arrays count with their bytes, a storage that several share once; containers with what they hold;
    modules with their parameters; others as `sys.getsizeof` says. A node's value that alone is larger is not kept.
    """

    def __init__(self, count: int | None = None, *, bytes: int | None = None) -> None:  # noqa: A002 -- reads well: LRU(bytes=…)
        if (count is None and bytes is None) or (count is not None and count < 1) or (bytes is not None and bytes < 1):
            raise ValueError(
                f"LRU needs a count or bytes of at least 1: LRU(100), LRU(bytes=2**30); got {count}, {bytes}"
            )
        self._count = count
        self._limit = bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, tuple[Entry, dict[object, int]]] = OrderedDict()
        self._shared: Counter[object] = Counter()
        self._used = 0

    @property
    def used(self) -> int:
        """Bytes of what is kept; 0 where bytes are not limited."""
        return self._used

    def begin(self, signatures: Mapping[str, bytes], nodes: frozenset[str]) -> None:
        """Nothing to do."""

    def get(self, signature: bytes) -> Entry | None:
        """The entry, if it is there; it becomes the last used."""
        with self._lock:
            found = self._entries.get(signature)
            if found is None:
                return None
            self._entries.move_to_end(signature)
            return found[0]

    def put(self, signature: bytes, entry: Entry, node: str, root: str) -> None:
        """Keep the value, and drop the ones unused for longest until everything fits."""
        sizes = dict(sizes_of(entry.outputs)) if self._limit is not None else {}
        with self._lock:
            self._drop(signature)
            if self._limit is not None and sum(sizes.values()) > self._limit:
                return
            self._entries[signature] = entry, sizes
            for key, size in sizes.items():
                self._used += size if not self._shared[key] else 0
                self._shared[key] += 1
            while (self._count is not None and len(self._entries) > self._count) or (
                self._limit is not None and self._used > self._limit
            ):
                self._drop(next(iter(self._entries)))

    def _drop(self, signature: bytes) -> None:
        _, sizes = self._entries.pop(signature, (None, cast("dict[object, int]", {})))
        for key, size in sizes.items():
            self._shared[key] -= 1
            if not self._shared[key]:
                del self._shared[key]
                self._used -= size

    def discard(self, signature: bytes) -> None:
        """Drop the entry."""
        with self._lock:
            self._drop(signature)

    def has(self, signature: bytes) -> bool:
        """Whether the entry is there."""
        return signature in self._entries

    def end(self, expanded: frozenset[str], nodes: frozenset[str]) -> None:
        """Nothing to do."""

    def __len__(self) -> int:
        return len(self._entries)
