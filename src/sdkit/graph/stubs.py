"""Node types as methods: `Nodes` at run time, and a text of types for editors and type checkers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from sdkit.errors import nearest
from sdkit.graph.graph import Graph, GraphNode
from sdkit.graph.handles import NodeHandle
from sdkit.graph.naming import attribute_names, unique_names
from sdkit.graph.schema import ANY, UNSET, WIDGETS, Choices, Input, NodeType
from sdkit.graph.written import expected, may_be_none

MOST_CHOICES = 200
"""So many choices a stub lists; of more, it says only that they are text."""

_HEAD = '''"""Every kind of node, for editors and type checkers. Written by sdkit; do not edit."""

from collections.abc import Mapping
from typing import Any, Generic, Literal, TypeVar

from sdkit.graph import Graph, NodeHandle, NodeType, Ref

_Socket = TypeVar("_Socket", covariant=True)

class Out(Ref, Generic[_Socket]):
    """An output of a node, by what comes out of it."""

class Only(NodeHandle, Generic[_Socket]):
    """A node with one output, and what comes out of it."""
    @property
    def out(self) -> Out[_Socket]: ...

In = Out[_Socket] | Only[_Socket]

'''
_HEAD_NAMES = ("Any", "Generic", "Graph", "In", "Literal", "Mapping", "NodeHandle", "NodeType", "Nodes", "Only", "Out")
_MORE_NAMES = ("Ref", "TypeVar")
_BUILT_IN = ("bool", "dict", "float", "int", "list", "object", "property", "str", "super", "tuple", "type")


class Nodes:
    """Adds nodes to a graph by methods: one for each node type, with its inputs as keyword arguments::

        nodes = Nodes(graph, workspace.types)
        loaded = nodes.load_model(name="embedded")
        nodes.sample("my-sampler", model=loaded, seed=7)

    Methods and arguments are called like node types and inputs, with what Python does not allow in a name replaced by
    `_`. The first argument, by position only, is the node's id, the second its title.
    """

    def __init__(self, graph: Graph, types: Mapping[str, NodeType]) -> None:
        self._graph = graph
        self._types = types
        self._methods = dict(zip(unique_names(types), types, strict=True))

    def __getattr__(self, name: str) -> Callable[..., NodeHandle]:
        if name.startswith("__") or name not in self._methods:
            near = nearest(name, self._methods)
            raise AttributeError(
                f"there is no node type {name!r}" + (f"; did you mean {' or '.join(map(repr, near))}?" if near else "")
            )
        kind = self._methods[name]
        node_type = self._types[kind]
        arguments = dict(zip(argument_names(node_type), (each.name for each in node_type.inputs), strict=True))

        def add(node_id: str | None = None, node_title: str = "", /, **inputs: object) -> NodeHandle:
            given: dict[str, object] = {}
            for argument, value in inputs.items():
                if argument not in arguments and not node_type.open_inputs:
                    near = nearest(argument, arguments)
                    advice = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(arguments) or 'none'}"
                    raise TypeError(f"{kind} has no input {argument!r}; {advice}")
                given[arguments.get(argument, argument)] = value
            return NodeHandle(self._graph.insert(GraphNode(kind, given, node_title), node_id).id, node_type)

        return add

    def __dir__(self) -> list[str]:
        return sorted(self._methods)


def argument_names(node_type: NodeType) -> list[str]:
    """The names that the node's inputs have as arguments of its method."""
    return unique_names((each.name for each in node_type.inputs), taken=("self", "node_id", "node_title"))


def stub_text(types: Mapping[str, NodeType], choices: Callable[[str], Sequence[object]] | None = None) -> str:
    """The text of a `.pyi` module that declares `Nodes` with a method for each of the types. `choices`: asked for what
    inputs with `Choices` may be; without it, they are text.

    A node's handle has an attribute `Out[…]` for each output, and is itself an `Out` if it is the only one.
    """
    sockets = _socket_classes(types.values())
    methods = unique_names(types)
    handles = unique_names(
        (f"{method}_outputs" for method in methods), taken=[*sockets.values(), *_HEAD_NAMES, *_MORE_NAMES]
    )
    lines = [_HEAD]
    lines += [f"class {name}: ..." for socket, name in sockets.items() if socket not in WIDGETS]
    lines.append("")
    for handle, node_type in zip(handles, types.values(), strict=True):
        lines += _handle_class(handle, node_type, sockets)
    lines += ["class Nodes:", "    def __init__(self, graph: Graph, types: Mapping[str, NodeType]) -> None: ..."]
    for method, handle, node_type in zip(methods, handles, types.values(), strict=True):
        lines += _method(method, handle, node_type, sockets, choices)
    return "\n".join(lines) + "\n"


def _socket_classes(types: Iterable[NodeType]) -> dict[str, str]:
    """A class name for each socket type."""
    found: dict[str, None] = {}
    for node_type in types:
        for each in node_type.inputs:
            found.update(dict.fromkeys(each.types))
        for each in node_type.outputs:
            found.update(dict.fromkeys(part.strip() for part in each.type.split(",")))
    rest = [socket for socket in found if socket != ANY and socket not in WIDGETS]
    named = dict(zip(rest, unique_names(rest, taken=(*_HEAD_NAMES, *_MORE_NAMES, *_BUILT_IN)), strict=True))
    return {each: each for each in sorted(WIDGETS)} | named


def _handle_class(name: str, node_type: NodeType, sockets: Mapping[str, str]) -> list[str]:
    kinds = [_socket(each.type, sockets) for each in node_type.outputs]
    lines = [f"class {name}({f'Only[{kinds[0]}]' if len(kinds) == 1 else 'NodeHandle'}):"]
    attributes = attribute_names(each.name for each in node_type.outputs)
    for attribute, kind, output in zip(attributes, kinds, node_type.outputs, strict=True):
        lines += [
            "    @property",
            f"    def {attribute}(self) -> Out[{kind}]: {_doc(output.doc) if output.doc else '...'}",
        ]
    return [*lines, ""] if kinds else [f"class {name}(NodeHandle): ...", ""]


def _socket(kind: str, sockets: Mapping[str, str]) -> str:
    return sockets.get(kind, "Any")


def _method(
    name: str,
    handle: str,
    node_type: NodeType,
    sockets: Mapping[str, str],
    choices: Callable[[str], Sequence[object]] | None,
) -> list[str]:
    lines = [f"    def {name}(", "        self,", "        node_id: str | None = None,"]
    lines += ['        node_title: str = "",', "        /,"]
    if node_type.inputs:
        lines.append("        *,")
    for argument, each in zip(argument_names(node_type), node_type.inputs, strict=True):
        kind = _argument_type(each, node_type, sockets, choices)
        lines.append(f"        {argument}: {kind}{_default(each)},")
    if node_type.open_inputs:
        lines.append("        **others: object,")
    return [*lines, f"    ) -> {handle}:", f"        {_doc(_method_doc(node_type))}"]


def _argument_type(
    declared: Input,
    node_type: NodeType,
    sockets: Mapping[str, str],
    choices: Callable[[str], Sequence[object]] | None,
) -> str:
    if ANY in declared.types:
        return "object"
    kinds = [] if declared.link_only else _written_types(declared, choices)
    if node_type.fits is not None:  # which others fit is not in the names
        kinds.append("In[Any]")
    else:
        kinds += [f"In[{_socket(each, sockets)}]" for each in declared.types]
        if "float" in declared.types and "int" not in declared.types:
            kinds.append("In[int]")
    if may_be_none(declared):
        kinds.append("None")
    return " | ".join(dict.fromkeys(kinds))


def _written_types(declared: Input, choices: Callable[[str], Sequence[object]] | None) -> list[str]:
    known: Sequence[object] | None
    if isinstance(declared.choices, Choices):
        known = None if choices is None else choices(declared.choices.source)
    else:
        known = declared.choices
    kinds = [each for each in declared.types if each in WIDGETS]
    if declared.choices is None:
        return kinds
    literals = known is not None and 0 < len(known) <= MOST_CHOICES
    if not literals or not all(isinstance(each, str | int | bool) for each in known or ()):
        return kinds or ["str", "float"]
    listed = f"Literal[{', '.join(repr(each) for each in known or ())}]"
    return [listed, *kinds] if isinstance(declared.choices, Choices) and declared.choices.open else [listed]


def _default(declared: Input) -> str:
    if declared.required:
        return ""
    plain = declared.default is None or isinstance(declared.default, bool | int | float | str)
    if declared.default is UNSET or not plain or len(repr(declared.default)) > 60:
        return " = ..."
    return f" = {declared.default!r}"


def _method_doc(node_type: NodeType) -> str:
    lines = [node_type.summary or node_type.title or node_type.name]
    told: list[str] = []
    for argument, each in zip(argument_names(node_type), node_type.inputs, strict=True):
        bounds = expected(each) if each.ge is not None or each.le is not None else ""
        if said := "; ".join(part for part in (each.doc, bounds) if part):
            told.append(f"`{argument}`: {' '.join(said.split())}")
    return "\n\n        ".join([*lines, *told])


def _doc(text: str) -> str:
    clean = text.replace("\\", "\\\\").replace('"""', "'''")
    return f'"""{clean} """' if clean.endswith('"') else f'"""{clean}"""'
