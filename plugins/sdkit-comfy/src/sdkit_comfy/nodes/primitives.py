"""Numbers and texts as nodes of their own, and a look at any value."""

from __future__ import annotations

import json
import math
import sys
from typing import Annotated, NamedTuple

from pydantic import Field

from sdkit import node
from sdkit.errors import RequestError
from sdkit.graph import LinkOnly, NodeContext, Socket
from sdkit_comfy.sockets import Text

Whole = Annotated[int, Field(ge=-sys.maxsize, le=sys.maxsize)]
Real = Annotated[float, Field(ge=-sys.maxsize, le=sys.maxsize)]


class Numbers(NamedTuple):
    """One number as both kinds of numbers."""

    FLOAT: float
    INT: int


@node(name="PrimitiveInt", category="utils/primitive")
def primitive_int(*, value: Whole = 0) -> int:
    """A whole number."""
    return value


@node(name="PrimitiveFloat", category="utils/primitive")
def primitive_float(*, value: Real = 0.0) -> float:
    """A number."""
    return value


@node(name="PrimitiveString", category="utils/primitive")
def primitive_string(*, value: str = "") -> str:
    """A text."""
    return value


@node(name="PrimitiveStringMultiline", category="utils/primitive")
def primitive_string_multiline(*, value: Text = "") -> str:
    """A text of several lines."""
    return value


@node(name="PrimitiveBoolean", category="utils/primitive")
def primitive_boolean(*, value: bool = False) -> bool:
    """True or false."""
    return value


@node(name="ComfyNumberConvert", category="utils")
def number_convert(*, value: Annotated[int | float | str | bool, Socket("int,float,str,bool"), LinkOnly()]) -> Numbers:
    """A number, a truth value or a number in a text, as both kinds of numbers; whole ones are cut off."""
    try:
        number = float(value)
    except ValueError:
        raise RequestError(f"{value!r} is no number") from None
    if not math.isfinite(number):
        raise RequestError(f"{value!r} is no finite number")
    try:
        whole = int(value)  # of a long number in a text all digits stay
    except ValueError:
        whole = int(number)
    return Numbers(number, whole)


@node(name="PreviewAny", category="utils", is_output=True)
def preview_any(*, context: NodeContext, source: object = None) -> str:
    """Show any value as text, which is passed on."""
    text = _shown(source)
    context.report("text", text)
    return text


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool | int | float):
        return str(value)
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return str(value)
