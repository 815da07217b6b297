"""What an annotation says about an input or an output of a node: its socket type, bounds, choices, documentation."""

from __future__ import annotations

import builtins
import inspect
import math
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import ModuleType, NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from sdkit.graph.schema import ANY, Choices, Lazy, LinkOnly, Multiline, Socket

NOT_DATA = ("Blocked", "Expansion")
"""Classes of this room that a node may return in place of its outputs; they say nothing about the outputs' types."""


@dataclass(frozen=True)
class Understood:
    """What one annotation says. `is_list`: it was `list[…]` of the socket type. `optional`: it was `… | None`."""

    type: str
    is_list: bool = False
    optional: bool = False
    choices: tuple[object, ...] | Choices | None = None
    ge: float | None = None
    le: float | None = None
    multiple_of: float | None = None
    lazy: bool = False
    link_only: bool = False
    multiline: bool = False
    doc: str = ""


class UnknownName(type):
    """A stand-in for a name that does not exist at run time, being imported for type checkers only. Everything that is
    looked up in it is a stand-in, too, so that `torch.Tensor` is called Tensor without torch."""

    def __getattr__(cls, name: str) -> UnknownName:
        if name.startswith("__"):
            raise AttributeError(name)
        return UnknownName(name, (), {})

    def __getitem__(cls, item: object) -> UnknownName:
        return cls


class Names(dict[str, Any]):
    """The names that an annotation may use; a name that is missing is an `UnknownName`."""

    def __missing__(self, name: str) -> object:
        return getattr(builtins, name) if hasattr(builtins, name) else UnknownName(name, (), {})


def names_of(owner: Callable[..., object] | ModuleType) -> Names:
    """The names that annotations of this function, or in this module, may use."""
    if isinstance(owner, ModuleType):
        return Names(vars(owner))
    function = inspect.unwrap(owner)
    names = Names(getattr(function, "__globals__", {}))
    if inspect.isfunction(function):
        names.update(inspect.getclosurevars(function).nonlocals)
    return names


def evaluated(annotation: object, names: Names) -> object:
    """The annotation, evaluated if it is text; names are looked up one by one, and may be missing.

    Raises ValueError where the text is no annotation.
    """
    while isinstance(annotation, str | typing.ForwardRef):  # quoted ones may be quoted once more by __future__
        text = annotation if isinstance(annotation, str) else annotation.__forward_arg__
        try:
            annotation = eval(text, {}, names)  # the function's own source
        except Exception as error:
            raise ValueError(f"the annotation {text!r} cannot be evaluated: {error}") from error
    return annotation


def understand(annotation: object, names: Names) -> Understood:
    """What the annotation says. Raises ValueError for what is not understood."""
    annotation = evaluated(annotation, names)
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *metadata = get_args(annotation)
        socket = next((each.type for each in metadata if isinstance(each, Socket)), None)
        understood = understand(inner, names) if socket is None else _with_socket(inner, socket, names)
        return _with_metadata(understood, metadata)
    if origin in (Union, UnionType):
        return _union(get_args(annotation), names)
    if origin is Literal:
        return _literal(get_args(annotation))
    if origin is list and get_args(annotation):
        return replace(understand(get_args(annotation)[0], names), is_list=True)
    if (value := getattr(annotation, "__value__", None)) is not None and get_origin(value) in (Annotated, Literal):
        return understand(value, names)  # type Steps = Annotated[int, …]
    return Understood(_name(annotation, origin))


def _name(annotation: object, origin: object) -> str:
    if annotation is Any or annotation is object or isinstance(annotation, TypeVar):
        return ANY
    named = annotation if origin is None else origin
    name = getattr(named, "__name__", None)
    if not isinstance(name, str):
        raise ValueError(f'the annotation {annotation!r} is no type; write Annotated[…, Socket("name")]')
    return name


def _with_socket(inner: object, socket: str, names: Names) -> Understood:
    """With a socket type of its own, the Python type only says whether None is allowed."""
    inner = evaluated(inner, names)
    optional = get_origin(inner) in (Union, UnionType) and NoneType in get_args(inner)
    return Understood(socket, optional=optional)


def _union(members: Iterable[object], names: Names) -> Understood:
    kinds = [understand(each, names) for each in members if each is not NoneType and _plain_name(each) not in NOT_DATA]
    optional = NoneType in members
    if not kinds:
        return Understood("None", optional=optional)
    if len(kinds) == 1:
        return replace(kinds[0], optional=optional or kinds[0].optional)
    if any(each.choices is not None or each.ge is not None or each.le is not None for each in kinds):
        raise ValueError("bounds and choices go around the whole union: Annotated[int | float, Field(ge=0)]")
    types = list(dict.fromkeys(part for each in kinds for part in each.type.split(",")))
    is_list = all(each.is_list for each in kinds)
    if not is_list and any(each.is_list for each in kinds):
        raise ValueError('a list or something else: give it a socket type of its own, Annotated[…, Socket("name")]')
    return Understood(ANY if ANY in types else ",".join(types), is_list=is_list, optional=optional)


def _plain_name(annotation: object) -> str:
    if isinstance(annotation, typing.ForwardRef):
        return annotation.__forward_arg__.rpartition(".")[2]
    return str(getattr(annotation, "__name__", ""))


def _literal(values: tuple[object, ...]) -> Understood:
    optional = None in values
    choices = tuple(each for each in values if each is not None)
    kinds = {type(each).__name__ for each in choices}
    return Understood(kinds.pop() if len(kinds) == 1 else ANY, optional=optional, choices=choices)


def _with_metadata(understood: Understood, metadata: Iterable[object]) -> Understood:
    said: dict[str, Any] = {}
    for each in metadata:
        if isinstance(each, Lazy):
            said["lazy"] = True
        elif isinstance(each, LinkOnly):
            said["link_only"] = True
        elif isinstance(each, Multiline):
            said["multiline"] = True
        elif isinstance(each, Choices):
            said["choices"] = each
        elif isinstance(each, str):
            said["doc"] = each
        elif not isinstance(each, Socket):
            said |= _bounds(each, understood.type)
    return replace(understood, **said)


def _bounds(constraint: object, kind: str) -> dict[str, Any]:
    """What a pydantic `Field`, or one of the constraints of annotated_types in it, says. They are known by their
    attributes, so that pydantic need not be imported."""
    if hasattr(constraint, "json_schema_extra"):  # a Field
        return _field(constraint, kind)
    if isinstance(type(constraint), UnknownName):
        raise ValueError(f"{type(constraint).__name__} is imported for type checkers only; import it at run time, too")
    found: dict[str, Any] = {}
    for name in ("ge", "le", "multiple_of", "gt", "lt"):
        if (bound := getattr(constraint, name, None)) is not None:
            found[name] = bound
    if not found and type(constraint).__module__.partition(".")[0] in ("pydantic", "annotated_types"):
        raise ValueError(f"{constraint!r} is not checked for inputs of nodes; they know ge, gt, le, lt and multiple_of")
    for strict, name, direction in (("gt", "ge", 1), ("lt", "le", -1)):
        if strict in found:
            bound = found.pop(strict)
            found[name] = bound + direction if kind == "int" else math.nextafter(bound, direction * math.inf)
    if found and not {"int", "float"} & set(kind.split(",")):
        raise ValueError(f"bounds are for numbers, this is {kind}")
    return found


def _field(constraint: Any, kind: str) -> dict[str, Any]:
    said: dict[str, Any] = {"doc": constraint.description} if constraint.description else {}
    for each in constraint.metadata:
        said |= _bounds(each, kind)
    extra = constraint.json_schema_extra
    if isinstance(extra, Mapping) and typing.cast("Mapping[str, object]", extra).get("multiline"):
        said["multiline"] = True
    return said


def snake(name: str) -> str:
    """`ControlNet` as `control_net`, `IMAGE` as `image`: the name of an output that has none."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.partition(",")[0].replace(ANY, "value")).lower()
