"""Short descriptions of hook arguments, for SDKIT_TRACE_HOOKS=1. Looks at shapes, never at values: nothing is
synchronised."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from typing import cast

log = logging.getLogger("sdkit.hooks")


def show_trace() -> None:
    """Let the trace reach standard error, once, unless the program has set up logging for it already."""
    if not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)
        log.propagate = False
    log.setLevel(logging.INFO)


def summary(value: object) -> str:
    """One short line: tensors as dtype and shape, dataclasses by their tensors, long texts cut."""
    shape = getattr(value, "shape", None)
    dtype = getattr(value, "dtype", None)
    if shape is not None and dtype is not None:
        return f"{str(dtype).removeprefix('torch.')}[{'×'.join(map(str, shape))}]"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = (
            f"{field.name}={summary(inner)}"
            for field in dataclasses.fields(value)
            if not field.name.startswith("_")
            and (hasattr(inner := getattr(value, field.name, None), "shape") or isinstance(inner, (int, float, str)))
        )
        return f"{type(value).__name__}({', '.join(parts)})"
    if isinstance(value, (tuple, list)):
        items = cast("Sequence[object]", value)
        if items and hasattr(items[0], "shape"):
            return f"{len(items)} × {summary(items[0])}"
        return type(items).__name__
    if callable(value):
        return getattr(value, "__qualname__", type(value).__name__)
    text = repr(value) if isinstance(value, (str, int, float, bool, type(None))) else type(value).__name__
    return text if len(text) <= 60 else text[:57] + "…"
