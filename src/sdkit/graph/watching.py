"""Seeing whether a value was written into: version counters of the tensors in it, as torch keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import cast

Watch = tuple[tuple[object, int], ...]
"""Tensors, and their version counters when they were stored."""

DEPTH = 3
"""So deep it is looked: a list of [tensor, {name: tensor}] is three deep."""

PLAIN = frozenset({int, float, str, bool, bytes, complex, type(None)})


def watch(value: object) -> Watch:
    """The tensors in a value, in its lists, tuples, dicts and dataclass attributes, and their counters.

    Tensors made under `torch.inference_mode` keep no counters, and are not watched.
    """
    if type(value) in PLAIN:
        return ()
    found: dict[int, tuple[object, int]] = {}
    waiting: list[tuple[object, int]] = [(value, 0)]
    while waiting:
        each, depth = waiting.pop()
        if type(each) in PLAIN:
            continue
        version = _version(each)
        if version is not None:
            found[id(each)] = (each, version)
        elif depth < DEPTH:
            waiting.extend((part, depth + 1) for part in parts(each))
    return tuple(found.values())


def unchanged(watched: Watch) -> bool:
    """Whether nobody wrote into these tensors since."""
    return all(_version(tensor) == version for tensor, version in watched)


def parts(value: object) -> Iterable[object]:
    """What a container holds: lists, tuples, sets, mappings, dataclasses; nothing for others."""
    if isinstance(value, list | tuple | set | frozenset):
        return cast("Iterable[object]", value)
    if isinstance(value, Mapping):
        return cast("Mapping[object, object]", value).values()
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name, None) for field in fields(value)]
    return ()


def _version(value: object) -> int | None:
    try:
        version = getattr(value, "_version", None)
    except Exception:  # noqa: BLE001 -- inference tensors "do not track version counter"; others may raise anything
        return None
    return version if type(version) is int else None
