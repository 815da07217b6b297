"""Packs' socket types as sdkit's, and their inputs with all that is allowed there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, cast

from sdkit.graph import ANY, UNSET, Choices, Input, Output
from sdkit_comfy.packs.declarations import Declaration, Result, Slot
from sdkit_comfy.shims.lists import Named

_PLAIN: Mapping[str, str] = {"INT": "int", "FLOAT": "float", "STRING": "str", "BOOLEAN": "bool", "BOOL": "bool"}
_COMFY: Mapping[str, str] = {"int": "INT", "float": "FLOAT", "str": "STRING", "bool": "BOOLEAN"}
_CONVERT: Mapping[str, Callable[[Any], object]] = {"int": int, "float": float, "str": str, "bool": bool}


def socket_of(kind: object) -> str:
    """The socket type of an input or output: `INT` is int, a list of choices is `COMBO`."""
    if isinstance(kind, Enum):
        kind = kind.value
    if not isinstance(kind, str):
        return "COMBO" if isinstance(kind, list | tuple) else ANY
    names = [part.strip() for part in str.__str__(kind).split(",")]
    return ",".join(_PLAIN.get(each, each) for each in names if each) or ANY


def output_of(result: Result) -> Output:
    """An output as sdkit has them."""
    return Output(result.name, socket_of(result.kind), result.is_list, result.doc)


def input_of(slot: Slot, *, free: bool) -> Input:
    """An input as sdkit has them. `free`: the pack checks its value itself, so that it need not be one of the choices,
    nor within the bounds."""
    options = slot.options
    doc = options.get("tooltip")
    choices = _choices(slot, free)
    kind = _combo_socket(choices) if _is_combo(slot) else socket_of(slot.kind)
    linked = bool(options.get("forceInput") or options.get("force_input") or options.get("rawLink"))
    default = _default(slot, kind, choices)
    if kind not in _CONVERT and not _is_combo(slot) and "default" in options:
        kind += ",str" if isinstance(default, str) else f",{ANY}"  # a field of the pack's own in the editor
    if default is UNSET or linked:
        default = UNSET
    return Input(
        slot.name,
        kind,
        required=slot.required and default is UNSET,
        default=default,
        ge=None if free else _number(options.get("min")),
        le=None if free else _number(options.get("max")),
        step=_number(options.get("step")),
        choices=choices,
        lazy=bool(options.get("lazy")),
        link_only=linked,
        multiline=bool(options.get("multiline")),
        doc=doc if isinstance(doc, str) else "",
    )


def fits_of(declaration: Declaration) -> Callable[[str, str], bool] | None:
    """Whether links fit where the pack says so itself: by texts that compare as they like, or by a validation that asks
    for the types of links. None where it says nothing."""
    given = [each.kind for each in declaration.results if _is_own(each.kind)]
    taken = [each.kind for each in declaration.slots if _is_own(each.kind)]
    if not given and not taken:
        return None

    def fits(output_type: str, input_type: str) -> bool:
        outputs = [each for each in given if socket_of(each) == output_type] or [comfy_of(output_type)]
        inputs = [each for each in taken if socket_of(each) == input_type] or [comfy_of(input_type)]
        return any(
            not (output != wanted)  # noqa: SIM202 -- it is `!=` that packs redefine
            for output in outputs
            for wanted in inputs
            if _is_own(output) or _is_own(wanted)
        )

    return fits


def _is_own(kind: object) -> bool:
    return isinstance(kind, str) and type(kind) is not str and not isinstance(kind, Enum)


def comfy_of(socket: str) -> str:
    """What ComfyUI calls a socket type."""
    return ",".join(_COMFY.get(each, each) for each in socket.split(","))


def _is_combo(slot: Slot) -> bool:
    return isinstance(slot.kind, list | tuple) or (isinstance(slot.kind, str) and str.__str__(slot.kind) == "COMBO")


def _choices(slot: Slot, free: bool) -> tuple[object, ...] | Choices | None:
    if not _is_combo(slot):
        return None
    listed: Any = cast("Any", slot.kind) if isinstance(slot.kind, list | tuple) else slot.options.get("options")
    if isinstance(listed, Named):
        return Choices(listed.source, open=free)
    if free or listed is None or slot.options.get("multiselect") or slot.options.get("multi_select"):
        return None
    if isinstance(listed, type) and issubclass(listed, Enum):
        return tuple(each.value for each in listed)
    return tuple(cast("Iterable[object]", listed))


def _combo_socket(choices: tuple[object, ...] | Choices | None) -> str:
    """What may be written, and what may come over links: choices of other nodes, and texts."""
    if not isinstance(choices, tuple):
        return "COMBO,str"
    kinds = {name for name, kind in _CONVERT.items() if any(type(each) is kind for each in choices)}
    return ",".join(["COMBO", *sorted(kinds or {"str"})])


def _default(slot: Slot, kind: str, choices: tuple[object, ...] | Choices | None) -> object:
    options = slot.options
    if "default" not in options or options["default"] is None:
        return UNSET
    default = options["default"]
    if isinstance(default, Enum):
        default = default.value
    if isinstance(choices, tuple) and default not in choices:
        return choices[0] if choices else UNSET
    convert = _CONVERT.get(kind)
    if convert is None:
        return default
    try:
        return convert(default)
    except (TypeError, ValueError):
        return UNSET


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and value == value else None  # noqa: PLR0124 -- NaN
