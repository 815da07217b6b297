"""Arithmetic with numbers."""

from __future__ import annotations

import math
from typing import Any

from sdkit.errors import RequestError
from sdkit.graph import Input, NodeType, Output
from sdkit_comfy.expressions import evaluate

_PREFIX = "values."


def _computed(*, expression: str = "a + b", **values: Any) -> tuple[float, int, bool]:
    names = {name.removeprefix(_PREFIX): value for name, value in values.items() if value is not None}
    result = evaluate(expression, {**names, "values": list(names.values())})
    if not isinstance(result, int | float) or not math.isfinite(_float(result, expression)):
        raise RequestError(f"the expression {expression!r} gives {result!r}, which is no finite number")
    return float(result), int(result), bool(result)


def _float(value: float, expression: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise RequestError(f"the expression {expression!r} gives a number that is too large") from None


MATH_EXPRESSION = NodeType(
    name="ComfyMathExpression",
    function=_computed,
    inputs=(
        Input("expression", "str", required=False, default="a + b", multiline=True),
        *(Input(f"{_PREFIX}{name}", "int,float,bool", required=False, link_only=True) for name in "ab"),
    ),
    outputs=(Output("FLOAT", "float"), Output("INT", "int"), Output("BOOL", "bool")),
    title="Math Expression",
    category="utils",
    summary="An expression such as `max(a, b) * 2` computed.",
    open_inputs=True,
)
"""Takes as many numbers as are linked: `values.a`, `values.b`, …"""
