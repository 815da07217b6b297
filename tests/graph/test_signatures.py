"""Signatures: equal for equal values, and for nothing else."""

from __future__ import annotations

import math
from enum import Enum
from pathlib import PurePosixPath

import pytest

from sdkit.graph.signatures import NoSignatureError, canonical


class Colour(Enum):
    RED = 1


VALUES: list[object] = [
    *(0, 1, -1, 10**30, True, False, None, 0.0, -0.0, 1.0, 0.1, math.inf),
    *("", "1", "True", b"1", "i1;", "s1:1", "a", "\udc80", PurePosixPath("a"), Colour.RED),
    *([], (), {}, set(), [1], (1,), ["1"], [[1], 2], [1, [2]], [[1, 2]], ["a", "b"], ["ab"], ["a;", "b"]),
    *({"a": 1}, {"a": 1.0}, {"b": 1}, {1: "a"}, {"a": {"b": 1}}, {1}),
]


def test_different_values_differ() -> None:
    found: dict[bytes, object] = {}
    for value in VALUES:
        key = canonical(value)
        assert key not in found, f"{value!r} and {found.get(key)!r} look the same"
        found[key] = value


def test_equal_values_are_equal() -> None:
    assert canonical({"a": 1, "b": [2]}) == canonical({"b": [2], "a": 1})
    assert canonical({1, 2, 3}) == canonical({3, 2, 1})


@pytest.mark.parametrize("value", [math.nan, [math.nan], object(), {"a": object()}, {(): print}])
def test_what_cannot_be_compared_has_none(value: object) -> None:
    with pytest.raises(NoSignatureError):
        canonical(value)
