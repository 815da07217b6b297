"""Plans: a graph's nodes in dependency order, prepared for running, and their signatures."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final, NamedTuple

from sdkit.errors import Fault, GraphError
from sdkit.graph.asking import context_parameter
from sdkit.graph.graph import GraphNode
from sdkit.graph.lending import CONTAINERS
from sdkit.graph.schema import UNSET, Choices, Input, NodeType, Ref
from sdkit.graph.signatures import NoSignatureError, canonical, digest


class Kind:
    """A node type, prepared for running. `variant` tells types of one name with different functions apart.

    `floats`, `ints`: inputs whose written whole numbers arrive as these, as `written.arriving` has it.
    """

    __slots__ = (
        "asks",
        "defaults",
        "floats",
        "header",
        "ints",
        "is_async",
        "lazy",
        "lists",
        "plain",
        "prefixes",
        "type",
        "varies",
        "width",
    )

    def __init__(self, node_type: NodeType, variant: int) -> None:
        self.type: Final = node_type
        self.asks: Final = context_parameter(node_type.changes)
        """The parameter of `changes` that wants a `CheckContext`."""
        self.defaults: Final = {each.name: each.default for each in node_type.inputs if each.default is not UNSET}
        self.floats: Final = frozenset(each.name for each in node_type.inputs if _takes(each, "float", "int"))
        self.ints: Final = frozenset(each.name for each in node_type.inputs if _takes(each, "int", "float"))
        self.lazy: Final = frozenset(each.name for each in node_type.inputs if each.lazy)
        self.width: Final = len(node_type.outputs)
        lists = tuple(each.is_list for each in node_type.outputs)
        self.lists: Final = lists if any(lists) else ()
        self.is_async: Final = inspect.iscoroutinefunction(node_type.function) or inspect.iscoroutinefunction(
            getattr(node_type.function, "__call__", None)  # noqa: B004 -- an object whose call is a coroutine function
        )
        self.plain: Final = node_type.context is None and node_type.needs is None and not node_type.takes_lists
        """Called with its inputs by name, and nothing else to think of, where these are no lists."""
        self.varies: Final = node_type.check is not None or any(
            isinstance(each.choices, Choices) for each in node_type.inputs
        )
        """What is allowed may change between two runs of one graph."""
        self.header: Final = canonical((node_type.name, node_type.version, variant))
        self.prefixes: Final = {each.name: canonical(each.name) for each in node_type.inputs}


def _takes(declared: Input, wanted: str, other: str) -> bool:
    kinds = declared.types
    return wanted in kinds and other not in kinds


class Kinds:
    """The kinds of a session's node types, made once for each."""

    def __init__(self) -> None:
        self._known: dict[str, list[Kind]] = {}

    def of(self, node_type: NodeType) -> Kind:
        """The kind of this type. A type of the same name with another function is another variant, as when a function
        is defined anew in a notebook; the first one's signatures do not depend on the session."""
        known = self._known.setdefault(node_type.name, [])
        for kind in known:
            if kind.type is node_type:
                return kind
        functions: list[Callable[..., object]] = []
        for each in (*(kind.type for kind in known), node_type):
            if each.function not in functions:
                functions.append(each.function)
        known.append(Kind(node_type, functions.index(node_type.function)))
        return known[-1]


class Link(NamedTuple):
    """An input that comes from an output of another node."""

    name: str
    node: str
    output: int
    lazy: bool


class Step:
    """One node, prepared for running. `values`: what is written, with defaults; `static`: these as part of the
    signature, None where they have none; `containers`: which of them are lists, dicts or tuples. `root`: the user's
    node that it belongs to."""

    __slots__ = ("containers", "id", "kind", "links", "root", "static", "title", "values")

    def __init__(
        self, node_id: str, node: GraphNode, kind: Kind, root: str, token: Callable[[str], bytes] | None = None
    ) -> None:
        """`token`: stands in the signature for the value of an input that has none."""
        self.id: Final = node_id
        self.kind: Final = kind
        self.root: Final = root
        self.title: Final = node.title or kind.type.title
        inputs = node.inputs
        defaults = kind.defaults
        values: dict[str, object] = {}
        links: list[Link] = []
        for name, value in inputs.items():
            if type(value) is Ref:
                links.append(Link(name, value.node, value.output, name in kind.lazy))
            else:
                arriving = value
                if type(value) is int and name in kind.floats:
                    arriving = float(value)
                elif type(value) is float and name in kind.ints and value.is_integer():
                    arriving = int(value)
                values[name] = arriving
        for name in defaults:
            if name not in inputs:
                values[name] = defaults[name]
        if len(links) > 1:
            links.sort()
        self.values: Final = values
        self.containers: Final = [name for name, value in values.items() if type(value) in CONTAINERS] or ()
        self.links: Final = tuple(links)
        self.static: Final = _static(kind, values, token)

    def signature(self, known: Mapping[str, bytes], changes: bytes = b"") -> bytes | None:
        """The hash, from those of the nodes that it reads; None where a written value has none."""
        if self.static is None:
            return None
        parts = [self.static]
        for name, node, output, _ in self.links:
            parts.append(b"%bL%d:%b" % (self.kind.prefixes.get(name) or canonical(name), output, known[node]))
        parts.append(changes)
        return digest(parts)


def _static(kind: Kind, values: Mapping[str, object], token: Callable[[str], bytes] | None) -> bytes | None:
    parts = [kind.header]
    for name in sorted(values) if len(values) > 1 else values:
        parts.append(kind.prefixes.get(name) or canonical(name))
        try:
            parts.append(canonical(values[name]))
        except NoSignatureError:
            if token is None:
                return None
            parts.append(token(name))
    parts.append(b"|")
    return b"".join(parts)


@dataclass(frozen=True, eq=False)
class Plan:
    """What a run of some outputs of a graph needs: the steps in dependency order, by id.

    `signatures`: of all steps, where they are the same in every run; None where a node's `changes` has a say.
    """

    outputs: tuple[str, ...]
    steps: Mapping[str, Step]
    signatures: Mapping[str, bytes] | None


def arrange(
    nodes: Mapping[str, GraphNode],
    outputs: Iterable[str],
    make: Callable[[str, GraphNode], Step],
    known: Mapping[str, object],
) -> dict[str, Step]:
    """The steps of `outputs` and of everything upstream of them, every node after those that it reads; without those in
    `known`. Raises GraphError for a cycle or a link to nowhere."""
    steps: dict[str, Step] = {}
    open_steps: dict[str, Step] = {}
    waiting = [*outputs]
    waiting.reverse()
    while waiting:
        node_id = waiting[-1]
        if node_id in steps or node_id in known:
            waiting.pop()
            continue
        if node_id in open_steps:
            steps[node_id] = open_steps.pop(node_id)
            waiting.pop()
            continue
        node = nodes.get(node_id)
        if node is None:
            raise GraphError(f"there is no node {node_id!r}", [Fault(node_id, "", "there is no such node")])
        step = open_steps[node_id] = make(node_id, node)
        for link in reversed(step.links):
            source = link.node
            if source in open_steps:
                path = " → ".join([*_path(open_steps, source, node_id), source])
                raise GraphError(f"the graph has a cycle: {path}", [Fault(node_id, link.name, f"cycle: {path}")])
            if source not in steps:
                waiting.append(source)
    return steps


def _path(open_steps: Mapping[str, Step], first: str, last: str) -> Sequence[str]:
    """The open steps from `first` to `last`: each reads the next."""
    ids = list(open_steps)
    return ids[ids.index(first) : ids.index(last) + 1]


def sign(
    steps: Iterable[Step],
    known: dict[str, bytes],
    changes: Callable[[Step], bytes] | None,
    unsigned: Callable[[Step], bytes],
) -> None:
    """Add the signatures of `steps`, which are in dependency order, to `known`. `changes`: what a step's `changes`
    returns, as bytes; `unsigned`: makes the signature of a step whose values have none."""
    for step in steps:
        told = changes(step) if changes is not None and step.kind.type.changes is not None else b""
        known[step.id] = step.signature(known, told) or unsigned(step)


class Nonces:
    """Signatures that no other node ever has."""

    def __init__(self) -> None:
        self._counter = count()
        self._owner = object()

    def __call__(self, step: Step) -> bytes:
        return b"nonce:%d:%d:%b" % (id(self._owner), next(self._counter), step.id.encode())
