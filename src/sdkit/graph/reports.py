"""What nodes reported, in a form that grows by one small object per node, however deep expansions are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Reports(NamedTuple):
    """What a node reported itself, and what the nodes did that it expanded to."""

    own: dict[str, list[object]]
    inner: tuple[Reports, ...] = ()

    def merged(self) -> dict[str, list[object]]:
        """All of it, by key, in order; the node's own first."""
        found: dict[str, list[object]] = {}
        waiting: list[Reports] = [self]
        while waiting:
            each = waiting.pop()
            for key, values in each.own.items():
                found.setdefault(key, []).extend(values)
            waiting.extend(reversed(each.inner))
        return found


def gathered(own: dict[str, list[object]], inner: Iterable[Reports | None]) -> Reports | None:
    """The reports of a node; None where there are none."""
    found = tuple(each for each in inner if each is not None)
    if own:
        return Reports(own, found)
    return Reports({}, found) if len(found) > 1 else found[0] if found else None
