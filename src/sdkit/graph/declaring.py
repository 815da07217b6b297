"""`@node`: kinds of nodes from typed functions."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, cast, get_args, get_origin, overload

from sdkit.errors import GraphError
from sdkit.graph.annotations import Names, Understood, evaluated, names_of, snake, understand
from sdkit.graph.naming import unique_names
from sdkit.graph.schema import UNSET, WIDGETS, Input, NodeType, Output
from sdkit.graph.written import problem

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., object])
Marked = TypeVar("Marked", bound=Callable[..., object])

_MARK = "__sdkit_node__"


@dataclass
class Declaration:
    """What `@node` was told, and the node type once somebody asked for it."""

    function: Callable[..., object]
    name: str = ""
    title: str = ""
    category: str = ""
    outputs: tuple[str, ...] = ()
    is_output: bool | None = None
    changes: Callable[..., object] | None = None
    check: Callable[..., str | None] | None = None
    needs: Callable[..., Sequence[str]] | None = None
    takes_lists: bool = False
    version: int = 1
    made: NodeType | None = None


class Decorator(Protocol):
    """What `@node(…)` is: it gives the function back as it was."""

    def __call__(self, function: AnyFunction, /) -> AnyFunction: ...


@overload
def node(function: AnyFunction, /) -> AnyFunction: ...


@overload
def node(
    *,
    name: str = "",
    title: str = "",
    category: str = "",
    outputs: str | Sequence[str] = (),
    is_output: bool | None = None,
    changes: Callable[..., object] | None = None,
    check: Callable[..., str | None] | None = None,
    needs: Callable[..., Sequence[str]] | None = None,
    takes_lists: bool = False,
    version: int = 1,
) -> Decorator: ...


def node(
    function: AnyFunction | None = None,
    /,
    *,
    name: str = "",
    title: str = "",
    category: str = "",
    outputs: str | Sequence[str] = (),
    is_output: bool | None = None,
    changes: Callable[..., object] | None = None,
    check: Callable[..., str | None] | None = None,
    needs: Callable[..., Sequence[str]] | None = None,
    takes_lists: bool = False,
    version: int = 1,
) -> AnyFunction | Decorator:
    """Make a typed function a kind of node; it stays a function that can be called. ::

        @sdkit.node(category="image", outputs=("image", "mask"))
        def split(image: Image, at: Annotated[float, Field(ge=0, le=1)] = 0.5) -> tuple[Image, Mask]: ...

    The parameters are the inputs: their types the socket types, their defaults the defaults, `Annotated[…, Field(ge=…,
    le=…, multiple_of=…, description=…)]` the bounds, `Literal[…]` or `Choices("samplers")` the choices; `X | None` need
    not be given. A parameter of type `NodeContext` gets the context of the run. What is returned is the output: one
    type, a NamedTuple, or `tuple[A, B]` with `outputs=("a", "b")`; `list[X]` goes one by one into the nodes behind.

    `is_output`: a run computes it without being asked to; True where nothing is returned. `changes`, `check`, `needs`,
    `takes_lists`, `version`: as in `NodeType`. Annotations are read when the node is first used, and names that are
    imported for type checkers only do.
    """

    def mark(function: Marked, /) -> Marked:
        names = (outputs,) if isinstance(outputs, str) else tuple(outputs)
        declaration = Declaration(
            function, name, title, category, names, is_output, changes, check, needs, takes_lists, version
        )
        setattr(function, _MARK, declaration)
        return function

    return mark if function is None else mark(function)


def node_type(function: Callable[..., object]) -> NodeType:
    """The node type of a function, made when it is first asked for; `@node` is needed only for what is not a default.

    Raises GraphError, which names the function and the parameter, for what cannot be a node.
    """
    declaration = cast("Declaration | None", getattr(function, _MARK, None))
    if declaration is None:
        return _declare(Declaration(function))
    if declaration.function is not function:  # functools.wraps copies the mark along
        return _declare(replace(declaration, function=function, made=None))
    if declaration.made is None:
        declaration.made = _declare(declaration)
    return declaration.made


def is_node(function: object) -> bool:
    """Whether `@node` marked it."""
    return isinstance(getattr(function, _MARK, None), Declaration)


def _declare(declared: Declaration) -> NodeType:
    function = declared.function
    if not callable(function) or inspect.isclass(function):
        raise GraphError(f"{function!r} is no function, and cannot be a node")
    name = declared.name or str(getattr(function, "__name__", type(function).__name__))
    names = names_of(function)
    place = f"node {name!r} ({inspect.unwrap(function).__module__})"
    inputs: list[Input] = []
    context: str | None = None
    signature = inspect.signature(function)
    for parameter in signature.parameters.values():
        try:
            if getattr(evaluated(parameter.annotation, names), "__name__", "") == "NodeContext":
                context = parameter.name
            else:
                inputs.append(_input(parameter, names, takes_lists=declared.takes_lists))
        except ValueError as error:
            raise GraphError(f"{place}, parameter {parameter.name!r}: {error}") from error
    try:
        outputs = _outputs(signature.return_annotation, names, declared.outputs)
    except ValueError as error:
        raise GraphError(f"{place}, what it returns: {error}") from error
    return NodeType(
        name=name,
        function=function,
        inputs=tuple(inputs),
        outputs=outputs,
        title=declared.title or name.replace("_", " ").strip().capitalize(),
        category=declared.category,
        summary=" ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split()),
        is_output=not outputs if declared.is_output is None else declared.is_output,
        context=context,
        changes=declared.changes,
        check=declared.check,
        needs=declared.needs,
        takes_lists=declared.takes_lists,
        version=declared.version,
    )


def _input(parameter: inspect.Parameter, names: Names, *, takes_lists: bool) -> Input:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise ValueError("the inputs of a node are counted; name each (a NodeType with open_inputs takes any)")
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise ValueError("inputs are given by name; take the '/' out of the signature")
    if parameter.annotation is parameter.empty:
        raise ValueError("it has no annotation, and the socket type is the annotation's; `object` takes anything")
    if parameter.name in ("id", "title"):
        raise ValueError("Graph.add means the node's own by that name; call it otherwise")
    said = understand(parameter.annotation, names)
    if said.is_list != takes_lists:
        raise ValueError(
            "@node(takes_lists=True) gets a list for every input, so annotate it list[…]"
            if takes_lists
            else "the elements of a list go one by one into a node; say @node(takes_lists=True) to get the whole list, "
            'or give it a socket type of its own: Annotated[list[…], Socket("name")]'
        )
    default = _default(parameter, said)
    declared = Input(
        name=parameter.name,
        type=said.type,
        required=default is UNSET,
        default=default,
        ge=said.ge,
        le=said.le,
        step=said.multiple_of,
        multiple_of=said.multiple_of,
        choices=said.choices,
        lazy=said.lazy,
        link_only=said.link_only,
        multiline=said.multiline,
        doc=said.doc,
    )
    if said.ge is not None and said.le is not None and said.ge > said.le:
        raise ValueError(f"at least {said.ge} and at most {said.le} leaves nothing")
    may_be_written = not said.link_only and not WIDGETS.isdisjoint(declared.types)
    if default is not UNSET and default is not None and (may_be_written or isinstance(said.choices, tuple)):
        found = problem(declared, default)
        if found is not None:
            raise ValueError(f"its default {found.message}{'; ' if found.hint else ''}{found.hint}")
    return declared


def _default(parameter: inspect.Parameter, said: Understood) -> object:
    if parameter.default is parameter.empty:
        return None if said.optional else UNSET
    if hasattr(parameter.default, "json_schema_extra"):
        raise ValueError(f"Field goes into the annotation: {parameter.name}: Annotated[{said.type}, Field(…)] = …")
    return parameter.default


def _outputs(annotation: object, names: Names, wanted: Sequence[str]) -> tuple[Output, ...]:
    if annotation is inspect.Signature.empty:
        raise ValueError("it has no annotation; write -> None for a node without outputs")
    annotation = evaluated(annotation, names)
    if annotation is None or annotation is type(None):
        return _named([], names, wanted)
    fields = cast("tuple[str, ...] | None", getattr(annotation, "_fields", None))
    if isinstance(annotation, type) and issubclass(annotation, tuple) and fields is not None:
        home = Names({**names, **names_of(sys.modules[annotation.__module__])})
        hints = annotation.__annotations__
        return _named([hints[name] for name in fields], home, wanted or fields)
    members = [each for each in get_args(annotation) if get_origin(each) is tuple]
    if get_origin(annotation) is not tuple and len(members) == 1:  # tuple[A, B] | Blocked
        annotation = members[0]
    if get_origin(annotation) is tuple:
        parts = get_args(annotation)
        if Ellipsis in parts:
            raise ValueError("a node has a fixed number of outputs; list[…] is one output with any number of elements")
        return _named([] if parts == ((),) else parts, names, wanted)
    return _named([cast("object", annotation)], names, wanted)


def _named(annotations: Iterable[object], names: Names, wanted: Sequence[str]) -> tuple[Output, ...]:
    kinds = [understand(each, names) for each in annotations]
    if wanted and len(wanted) != len(kinds):
        raise ValueError(f"{len(kinds)} outputs are annotated, but {len(wanted)} named: {', '.join(wanted)}")
    titles = wanted or unique_names(snake(each.type) for each in kinds)
    if len(set(titles)) != len(titles):
        raise ValueError(f"two outputs have the same name: {', '.join(titles)}")
    return tuple(
        Output(title, kind.type, is_list=kind.is_list, doc=kind.doc) for title, kind in zip(titles, kinds, strict=True)
    )
