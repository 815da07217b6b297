"""Switches and truth values."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from sdkit import node
from sdkit.graph import Input, Lazy, NodeType, Output

Either = Annotated[object, Lazy()]


class Passed(NamedTuple):
    """A value, and whether there is none."""

    output: object
    is_none: bool


def _chosen(*, switch: bool = False, on_false: object = None, on_true: object = None) -> tuple[str]:
    return ("on_true",) if switch else ("on_false",)


@node(name="ComfySwitchNode", category="logic", outputs="output", needs=_chosen)
def switch(*, switch: bool = False, on_false: Either = None, on_true: Either = None) -> object:
    """One of two values; the other one is not computed. Nothing where the one that is wanted is not linked."""
    return on_true if switch else on_false


def _linked(*, switch: bool = False, **linked: object) -> tuple[str, ...]:
    wanted = "on_true" if switch else "on_false"
    return (wanted,) if wanted in linked else tuple(linked)


def _soft(*, switch: bool, **linked: Any) -> Any:
    wanted = "on_true" if switch else "on_false"
    return linked[wanted] if wanted in linked else next(iter(linked.values()))


def _one_is_linked(*, switch: object = None, **linked: object) -> str | None:
    return None if linked else "neither on_false nor on_true is linked; link at least one"


SOFT_SWITCH = NodeType(
    name="ComfySoftSwitchNode",
    function=_soft,
    inputs=(
        Input("switch", "bool"),
        Input("on_false", "*", required=False, lazy=True),
        Input("on_true", "*", required=False, lazy=True),
    ),
    outputs=(Output("output", "*"),),
    title="Soft Switch",
    category="logic",
    summary="One of two values, or the only one that is linked.",
    needs=_linked,
    check=_one_is_linked,
)


@node(name="ComfyNotNode", category="logic")
def invert(*, value: object = None) -> bool:
    """Whether a value is false, empty or 0."""
    return not value


@node(name="InvertBooleanNode", category="logic")
def invert_boolean(*, boolean: bool = False) -> bool:
    """True where it was false."""
    return not boolean


def _all(**values: object) -> bool:
    return all(values.values())


def _any(**values: object) -> bool:
    return any(values.values())


_VALUES = (Input("values.value0", "*", required=False), Input("values.value1", "*", required=False))

AND = NodeType(
    name="ComfyAndNode",
    function=_all,
    inputs=_VALUES,
    outputs=(Output("bool", "bool"),),
    title="And",
    category="logic",
    summary="Whether none of the values is false, empty or 0.",
    open_inputs=True,
)
OR = NodeType(
    name="ComfyOrNode",
    function=_any,
    inputs=_VALUES,
    outputs=(Output("bool", "bool"),),
    title="Or",
    category="logic",
    summary="Whether any of the values is neither false nor empty nor 0.",
    open_inputs=True,
)
"""Both take as many values as are linked: `values.value0`, `values.value1`, …"""


@node(name="ComfyPassOrNoneNode", category="logic")
def pass_or_none(*, anything: object = None, default: object = None) -> Passed:
    """A value, or another one in its place where it is nothing."""
    found = default if anything is None else anything
    return Passed(found, found is None)


def _combo(*, choice: str, index: int = 0, **options: object) -> tuple[str, int]:
    return choice, index


CUSTOM_COMBO = NodeType(
    name="CustomCombo",
    function=_combo,
    inputs=(
        Input("choice", "str"),
        Input("index", "int", required=False, default=0),
    ),
    outputs=(Output("STRING", "str"), Output("INDEX", "int")),
    title="Custom Combo",
    category="utils",
    summary="One of the user's own choices, which the editor keeps, and its number.",
    open_inputs=True,
)
