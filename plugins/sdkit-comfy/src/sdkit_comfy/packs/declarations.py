"""What a pack's class says of itself: V1's attributes and methods in one form, which V3's are turned into, too."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from sdkit_comfy.packs.errors import PackError


class Slot(NamedTuple):
    """An input. `kind`: a socket type, perhaps of the pack's own class of text, or the list of choices."""

    name: str
    kind: object
    options: Mapping[str, Any]
    required: bool


class Result(NamedTuple):
    """An output."""

    name: str
    kind: object
    is_list: bool = False
    doc: str = ""


@dataclass(frozen=True)
class Declaration:
    """A node of a pack. `hidden`: the argument's name → what ComfyUI gives there. `call`: what runs. `validate`,
    `changes`, `needs`: the pack's own functions for these, None where it has none; `needs` and `call` take an object
    first: an instance, or, in V3, a class that knows its hidden values; `make` makes it from these."""

    name: str
    slots: tuple[Slot, ...]
    results: tuple[Result, ...]
    make: Callable[[Mapping[str, object]], Any]
    call: Callable[[Any], Callable[..., Any]]
    hidden: Mapping[str, str] = field(default_factory=dict[str, str])
    hidden_as_arguments: bool = True
    title: str = ""
    category: str = ""
    summary: str = ""
    is_output: bool = False
    is_async: bool = False
    takes_lists: bool = False
    open_inputs: bool = False
    once_per_node: bool = True
    validate: Callable[..., Any] | None = None
    changes: Callable[..., Any] | None = None
    needs: Callable[[Any], Callable[..., Any]] | None = None


def signature(function: Callable[..., Any] | None) -> inspect.Signature | None:
    """The function's signature; None where Python knows none."""
    if function is None:
        return None
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


_PROBE = "sdkit: is there such an input?"


def declared_v1(name: str, cls: type, title: str = "") -> Declaration:
    """What a class in `NODE_CLASS_MAPPINGS` says. Raises PackError for what is no node, and what its `INPUT_TYPES`
    raises."""
    node = cast("Any", cls)
    for needed in ("INPUT_TYPES", "FUNCTION"):
        if not hasattr(cls, needed):
            raise PackError(f"{cls.__name__} has no {needed}, so it is no node")
    function: str = node.FUNCTION
    if not callable(getattr(cls, function, None)):
        raise PackError(f"{cls.__name__} has no function {function!r}, which its FUNCTION names")
    declared = cast("Mapping[str, Mapping[str, Any]]", node.INPUT_TYPES())
    optional = declared.get("optional", {})  # perhaps one that is empty, and takes everything
    kinds = _sequence(getattr(node, "RETURN_TYPES", ()))
    names, lists = _sequence(getattr(node, "RETURN_NAMES", ())), _sequence(getattr(node, "OUTPUT_IS_LIST", ()))
    docs = _sequence(getattr(node, "OUTPUT_TOOLTIPS", ()))
    described = getattr(node, "DESCRIPTION", "")
    return Declaration(
        name,
        (*_slots(declared.get("required", {}), True), *_slots(optional, False)),
        tuple(
            Result(
                _text(names[at]) if at < len(names) else _text(kind),
                kind,
                bool(lists[at]) if at < len(lists) else False,
                _text(docs[at]) if at < len(docs) else "",
            )
            for at, kind in enumerate(kinds)
        ),
        make=lambda _: node(),
        call=lambda instance: getattr(instance, function),
        hidden={each: _text(_first(kind)) for each, kind in declared.get("hidden", {}).items()},
        title=title,
        category=_text(getattr(node, "CATEGORY", "")),
        summary=described if isinstance(described, str) else "",
        is_output=bool(getattr(node, "OUTPUT_NODE", False)),
        is_async=inspect.iscoroutinefunction(getattr(cls, function)),
        takes_lists=bool(getattr(node, "INPUT_IS_LIST", False)),
        open_inputs=_PROBE in optional,
        validate=getattr(node, "VALIDATE_INPUTS", None),
        changes=getattr(node, "IS_CHANGED", None),
        needs=(lambda instance: instance.check_lazy_status) if hasattr(cls, "check_lazy_status") else None,
    )


def _slots(declared: Mapping[str, Any], required: bool) -> tuple[Slot, ...]:
    made: list[Slot] = []
    for name in [*declared]:
        spec = declared[name]
        parts = cast("Sequence[object]", spec) if isinstance(spec, tuple | list) else (spec,)
        options: Mapping[str, Any] = (
            cast("Mapping[str, Any]", parts[1]) if len(parts) > 1 and isinstance(parts[1], dict) else {}
        )
        made.append(Slot(name, _first(parts), options, required))
    return tuple(made)


def _first(spec: object) -> object:
    if not isinstance(spec, tuple | list):
        return spec
    parts = cast("Sequence[object]", spec)
    return parts[0] if parts else None


def _sequence(value: Any) -> Sequence[Any]:
    """A tuple, where a pack may have forgotten the comma that makes one."""
    return (value,) if isinstance(value, str | bool) else tuple(value or ())


def _text(value: object) -> str:
    return str.__str__(value) if isinstance(value, str) else "COMBO" if isinstance(value, list | tuple) else str(value)
