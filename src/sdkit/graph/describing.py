"""How messages show what nodes are given, return and raise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from sdkit.graph.values import Many


def describe(value: object, length: int = 60) -> str:
    """The value in a few words: tensors and arrays by shape and type, texts and containers cut."""
    try:
        return _described(value, length)
    except Exception:  # noqa: BLE001 -- a message must not fail because of what it is about
        return f"a {type(value).__name__}"


def _described(value: object, length: int) -> str:
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        dtype = str(getattr(value, "dtype", "")).removeprefix("torch.")
        sides = "×".join(str(side) for side in cast("tuple[object, ...]", shape)) or "scalar"
        return f"{type(value).__name__}[{sides}]" + (f" {dtype}" if dtype else "")
    if isinstance(value, Many):
        return f"{len(value)} values, the first {describe(value[0], length)}" if value else "an empty list"
    if isinstance(value, list | tuple):
        held = cast("Sequence[object]", value)
        shown = ", ".join(describe(each, 20) for each in held[:4]) + (", …" if len(held) > 4 else "")
        return f"[{shown}]" if isinstance(value, list) else f"({shown})"
    if isinstance(value, dict):
        items = [*cast("dict[object, object]", value).items()]
        shown = ", ".join(f"{key}: {describe(each, 20)}" for key, each in items[:4])
        return "{" + shown + (", …" if len(items) > 4 else "") + "}"
    if isinstance(value, str | bytes):
        return repr(value) if len(value) <= length else repr(value[: length - 1])[:-1] + "…"
    if value is None or isinstance(value, bool | int | float):
        text = written_out(value)
        return text if len(text) <= length else text[: length - 1] + "…"
    return f"a {type(value).__name__}"


def written_out(value: object) -> str:
    """The value as Python writes it; what cannot be written so, by its type."""
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 -- as above
        if isinstance(value, int):  # of more than 4,300 digits
            return f"a number of {int(value.bit_length() * 0.30103) + 1} digits"
        return f"a {type(value).__name__}"


def told(error: BaseException) -> str:
    """The error's type and text, also where the text itself cannot be had."""
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001 -- a message must not fail because of a `__str__`
        text = f"(its text cannot be had: {type(broken).__name__})"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
