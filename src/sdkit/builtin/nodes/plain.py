"""Plain values: numbers, text, choices between two, and lists to repeat what is behind them."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from sdkit.builtin.nodes.sockets import Seed, Text
from sdkit.graph import Lazy, node
from sdkit.request import MAX_SEED

Operation = Literal["+", "-", "*", "/", "//", "%", "**", "min", "max"]


@node(category="values")
def integer(value: int = 0) -> int:
    """A whole number, for several inputs at once."""
    return value


@node(category="values")
def number(value: float = 0.0) -> float:
    """A number, for several inputs at once."""
    return value


@node(category="values")
def text(value: Text = "") -> str:
    """A text, for several inputs at once."""
    return value


@node(category="values")
def boolean(value: bool = False) -> bool:
    """True or false, for several inputs at once."""
    return value


@node(category="values", outputs=("number", "integer"))
def calculate(a: float = 0.0, operation: Operation = "+", b: float = 0.0) -> tuple[float, int]:
    """Two numbers into one; and the same rounded to the nearest whole number, halves to the even one."""
    result = _calculated(a, operation, b)
    return result, round(result)


def _calculated(a: float, operation: Operation, b: float) -> float:
    match operation:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "/":
            return a / b
        case "//":
            return a // b
        case "%":
            return a % b
        case "**":
            return math.pow(a, b)
        case "min":
            return min(a, b)
        case "max":
            return max(a, b)


@node(category="values")
def join_text(first: Text = "", second: Text = "", between: str = ", ") -> str:
    """Two texts as one; an empty one leaves no separator behind."""
    return between.join(part for part in (first, second) if part)


def _wanted(condition: bool, **_: object) -> list[str]:
    return ["on_true" if condition else "on_false"]


@node(category="values", needs=_wanted)
def switch(
    condition: bool, on_true: Annotated[object, Lazy()] = None, on_false: Annotated[object, Lazy()] = None
) -> object:
    """One of two values; what the other one comes from is not computed."""
    return on_true if condition else on_false


@node(category="values", outputs="seeds")
def seeds(first: Seed = 0, count: Annotated[int, Field(ge=1, le=10_000)] = 4) -> list[int]:
    """Seeds that count up: what is behind runs once for each."""
    return [(first + index) % (MAX_SEED + 1) for index in range(count)]
