"""Lists and dicts are lent to nodes as copies, so that nobody changes what is kept, or written in a graph, through
them."""

from __future__ import annotations

from typing import cast

from sdkit.graph.watching import DEPTH

CONTAINERS = frozenset({list, dict, tuple})


def lent(value: object, depth: int = DEPTH) -> object:
    """The value, its lists, dicts and tuples new, as deep as tensors are watched; what they hold is the same."""
    kind = type(value)
    if kind is dict:
        return {key: _inner(each, depth) for key, each in cast("dict[object, object]", value).items()}
    if kind is list:
        return [_inner(each, depth) for each in cast("list[object]", value)]
    if kind is tuple:
        return tuple(_inner(each, depth) for each in cast("tuple[object, ...]", value))
    return value


def _inner(value: object, depth: int) -> object:
    return lent(value, depth - 1) if depth > 1 and type(value) in CONTAINERS else value
