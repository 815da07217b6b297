"""Signatures: a hash of everything that a node's values depend on, so that equal hashes mean equal values."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from hashlib import blake2b
from pathlib import PurePath
from typing import Final, cast

SIZE = 16
"""Bytes of a signature; two among a billion collide with a probability of 1e-21."""

_FIXED: Final = {None: b"N;", True: b"T;", False: b"F;"}


class NoSignatureError(TypeError):
    """A value of which nobody can tell whether another one is equal."""


def digest(parts: Iterable[bytes]) -> bytes:
    """The signature of these parts, each of which says itself where it ends."""
    return blake2b(b"".join(parts), digest_size=SIZE).digest()


def canonical(value: object) -> bytes:
    """The value as bytes, equal for equal values of one type only: 1, 1.0 and True differ, 0.0 and -0.0, too.

    Plain values, and lists, tuples, sets and dicts of them. NoSignatureError for others and for NaN, which is not even
    equal to itself.
    """
    kind = type(value)
    if kind is str:
        text = cast("str", value).encode("utf-8", "surrogatepass")
        return b"s%d:%b" % (len(text), text)
    if kind is int:
        return b"i%x;" % cast("int", value)  # the decimals of very large ones Python refuses to print
    if kind is float:
        if value != value:  # noqa: PLR0124 -- NaN
            raise NoSignatureError("NaN is equal to nothing")
        return b"f%b;" % repr(value).encode()
    if value is None or kind is bool:
        return _FIXED[cast("bool | None", value)]
    try:
        return _canonical_of_others(value)
    except RecursionError:
        raise NoSignatureError("it is nested too deeply, or holds itself") from None


def _canonical_of_others(value: object) -> bytes:
    if isinstance(value, bytes | bytearray):
        return b"b%d:%b" % (len(value), bytes(value))
    if isinstance(value, dict):
        items = cast("dict[object, object]", value).items()
        pairs = sorted((canonical(key), canonical(each)) for key, each in items)
        return b"d%d{%b}" % (len(pairs), b"".join(key + each for key, each in pairs))
    if isinstance(value, list | tuple):
        parts = [canonical(each) for each in cast("list[object]", value)]
        return b"%b%d[%b]" % (b"l" if isinstance(value, list) else b"t", len(parts), b"".join(parts))
    if isinstance(value, set | frozenset):
        parts = sorted(canonical(each) for each in cast("set[object]", value))
        return b"u%d[%b]" % (len(parts), b"".join(parts))
    if isinstance(value, Enum):
        return b"e" + canonical(f"{type(value).__module__}.{type(value).__qualname__}.{value.name}")
    if isinstance(value, PurePath):
        return b"p" + canonical(str(value))
    if isinstance(value, int | float | str):  # subclasses, such as numpy's float64
        base = int if isinstance(value, int) else float if isinstance(value, float) else str
        return b"k" + canonical(f"{type(value).__module__}.{type(value).__qualname__}") + canonical(base(value))
    raise NoSignatureError(f"a {type(value).__qualname__} has no signature")
