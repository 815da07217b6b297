"""JSON from outside: limited in size, keys given twice remembered, and read without trusting its shape."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypeGuard, cast

from sdkit.errors import GraphError

MAX_BYTES = 32 * 2**20
"""Largest JSON that is read; workflows have some hundred kilobytes, with pictures pasted into them a few megabytes."""


class Object(dict[str, object]):
    """A JSON object in which keys were given more than once: `twice` are these keys. The last value counts."""

    twice: tuple[str, ...] = ()


def parse(text: str | bytes, shown: str) -> object:
    """The JSON of a text; bare NaN and infinities are floats, as in what Python's own writer writes.

    Raises GraphError for what is no JSON, is nested too deeply or is larger than `MAX_BYTES`.
    """
    if len(text) > MAX_BYTES:
        raise too_large(shown, len(text))
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        return json.loads(decoded, object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise GraphError(
            f"{shown} is neither a picture nor text in UTF-8: byte {error.start} is {error.reason}"
        ) from error
    except json.JSONDecodeError as error:
        raise GraphError(f"{shown} is no JSON: {error.msg} in line {error.lineno}, column {error.colno}") from error
    except (ValueError, RecursionError) as error:  # thousands of digits, thousands of brackets
        raise GraphError(f"{shown} is no JSON that can be read: {error}") from error


def too_large(shown: str, size: int) -> GraphError:
    """The error for what is larger than any workflow."""
    return GraphError(f"{shown} has {size:,} bytes; workflows of up to {MAX_BYTES:,} bytes are read. Is it one?")


def twice(value: object) -> tuple[str, ...]:
    """The keys that a JSON object has more than once."""
    return value.twice if isinstance(value, Object) else ()


def is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    """Whether the value is a JSON object."""
    return isinstance(value, Mapping)


def mapping(value: object) -> Mapping[str, object]:
    """The value if it is a JSON object, else an empty one."""
    return value if is_object(value) else {}


def items(value: object) -> Sequence[object]:
    """The value if it is a JSON array, else an empty one."""
    return cast("Sequence[object]", value) if isinstance(value, list | tuple) else ()


def text(value: object) -> str:
    """The value if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def whole(value: object) -> int | None:
    """The value as a whole number, also from `3.0` and `"3"`, as slots of links are written here and there."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10 else None


def identity(value: object) -> str:
    """An id as text: ids are numbers in one format and texts in the other; "" for what is neither."""
    if isinstance(value, str):
        return value
    number = whole(value)
    return "" if number is None else str(number)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    marked = Object(found)
    seen: set[str] = set()
    marked.twice = tuple(dict.fromkeys(key for key, _ in pairs if key in seen or seen.add(key)))
    return marked
