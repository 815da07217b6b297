"""Graphs of nodes, as they are built in Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sdkit.errors import GraphError, nearest
from sdkit.graph.handles import NodeHandle
from sdkit.graph.schema import NodeType, Ref

if TYPE_CHECKING:
    from os import PathLike


@dataclass(slots=True)
class GraphNode:
    """One node: the name of its type, and its inputs: values as they are written, or a `Ref` for a link.

    A value that is a list or a dict is shared by copies of the graph: replace it, do not change it in place.
    """

    type: str
    inputs: dict[str, object] = field(default_factory=dict[str, object])
    title: str = ""

    def links(self) -> Iterator[tuple[str, Ref]]:
        """The inputs that come over links."""
        for name, value in self.inputs.items():
            if isinstance(value, Ref):
                yield name, value


class Graph:
    """Nodes and the links between them; data only, nothing runs.

    ::

        graph = Graph()
        loaded = graph.add("load_model", name="embedded")
        sampled = graph.add("sample", model=loaded[0], seed=7)

    `nodes`: the nodes by id; ids are strings, in the order in which nodes were added. `types`: the node types that the
    graph brings along, those of the functions that were added; they go before a session's. `catalogue`: where handles
    look up what outputs are called.
    Two graphs are equal if their nodes are: same ids, types, titles and inputs.
    """

    __slots__ = ("_last", "catalogue", "nodes", "types")
    __hash__ = None  # pyright: ignore[reportAssignmentType] -- how Python says "mutable, hence not hashable"

    def __init__(self, catalogue: Mapping[str, NodeType] | None = None) -> None:
        self.nodes: dict[str, GraphNode] = {}
        self.types: dict[str, NodeType] = {}
        self.catalogue: Mapping[str, NodeType] = {} if catalogue is None else catalogue
        self._last = 0

    def add(
        self,
        kind: str | NodeType | Callable[..., object],
        /,
        *,
        id: str | None = None,  # noqa: A002 -- reads best at the call
        title: str = "",
        **inputs: object,
    ) -> NodeHandle:
        """Add a node of this type: its name, or a typed function. Without an id, it gets the next free number.

        An input that is itself called `id` or `title` cannot be given here: `graph.nodes["3"].inputs["title"] = …`.
        """
        if isinstance(kind, str):
            return self.insert(GraphNode(kind, inputs, title), id)
        return self.insert(GraphNode(self._learn(kind).name, inputs, title), id)

    def insert(self, node: GraphNode, node_id: str | None = None) -> NodeHandle:
        """Add a node as it is; handles among its inputs become links."""
        nodes = self.nodes
        for name, value in node.inputs.items():
            if isinstance(value, NodeHandle):
                node.inputs[name] = self._linked(value)
        if node_id is None:
            node_id = self._free_id()
        elif node_id in nodes:
            raise GraphError(f"there is already a node {node_id!r} ({nodes[node_id].type}); ids are given once")
        nodes[node_id] = node
        return NodeHandle(node_id, self._known(node.type))

    def handle(self, node_id: str) -> NodeHandle:
        """A handle of a node that is already there."""
        return NodeHandle(node_id, self._known(self._node(node_id).type))

    def copy(self) -> Graph:
        """A graph of its own with the same nodes."""
        made = Graph(self.catalogue)
        made.types = dict(self.types)
        made.nodes = {
            node_id: GraphNode(node.type, dict(node.inputs), node.title) for node_id, node in self.nodes.items()
        }
        made._last = self._last
        return made

    def changed(self, inputs: Mapping[str, object], types: Mapping[str, NodeType] | None = None) -> Graph:
        """A copy with other inputs: `graph.changed({"3.seed": 7})`, keys being `node.input`.

        Unknown nodes and inputs are a GraphError that suggests the nearest. Without its type, from `types` or the
        catalogue, a node's inputs are those that are given already.
        """
        made = self.copy()
        for key, value in inputs.items():
            node_id, name = made._address(key, types or {})
            made.nodes[node_id].inputs[name] = made._linked(value) if isinstance(value, NodeHandle) else value
        return made

    def subgraph(self, outputs: Iterable[str | Ref | NodeHandle]) -> Graph:
        """A copy with these nodes and everything upstream of them, in the same order."""
        waiting = [
            each if isinstance(each, str) else each.node if isinstance(each, Ref) else each.id for each in outputs
        ]
        for node_id in waiting:
            self._node(node_id)
        wanted: set[str] = set()
        while waiting:
            node_id = waiting.pop()
            node = self.nodes.get(node_id)  # a link to nowhere stays, and is `check`'s to report
            if node is not None and node_id not in wanted:
                wanted.add(node_id)
                waiting.extend(ref.node for _, ref in node.links())
        made = self.copy()
        made.nodes = {node_id: node for node_id, node in made.nodes.items() if node_id in wanted}
        return made

    def readers(self) -> dict[str, list[str]]:
        """For every node, the ids of those that read one of its outputs; a node that reads twice is named once."""
        found: dict[str, list[str]] = {node_id: [] for node_id in self.nodes}
        for node_id, node in self.nodes.items():
            for source in {ref.node: None for _, ref in node.links()}:
                if source in found:
                    found[source].append(node_id)
        return found

    def type_of(self, node_id: str, types: Mapping[str, NodeType]) -> NodeType | None:
        """The type of the node: the graph's own of that name, or the one in `types`."""
        name = self.nodes[node_id].type
        return self.types.get(name) or types.get(name)

    def to_json(self, *, indent: int | None = 2) -> str:
        """The graph as text in sdkit's own format, which `Graph.from_json` reads."""
        from sdkit.graph.json import to_json

        return to_json(self, indent=indent)

    @classmethod
    def from_json(cls, text: str | bytes) -> Graph:
        """The graph of a text that `to_json` wrote; a GraphError says what is wrong with others."""
        from sdkit.graph.json import from_json

        return from_json(text)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the graph to a file, in sdkit's own format."""
        Path(path).write_text(self.to_json() + "\n", encoding="utf-8")

    def to_mermaid(self, types: Mapping[str, NodeType] | None = None) -> str:
        """The graph as a Mermaid flow chart, as Markdown pages show it."""
        from sdkit.graph.drawing import to_mermaid

        return to_mermaid(self, types)

    def to_svg(self, types: Mapping[str, NodeType] | None = None) -> str:
        """The graph as a picture; `types` tell titles, categories and socket types."""
        from sdkit.graph.drawing import to_svg

        return to_svg(self, types)

    def to_python(self, types: Mapping[str, NodeType] | None = None, *, title: str = "") -> str:
        """The graph as a Python script that builds and runs it; `title` is its first line."""
        from sdkit.graph.scripting import to_python

        return to_python(self, types, title=title)

    def _known(self, name: str) -> NodeType | None:
        return self.types.get(name) or self.catalogue.get(name)

    def _free_id(self) -> str:
        self._last += 1
        while (node_id := str(self._last)) in self.nodes:
            self._last += 1
        return node_id

    def _learn(self, kind: NodeType | Callable[..., object]) -> NodeType:
        from sdkit.graph.declaring import node_type

        declared = kind if isinstance(kind, NodeType) else node_type(kind)
        known = self.types.setdefault(declared.name, declared)
        if known is not declared and known.function is not declared.function:
            raise GraphError(
                f"the graph already knows another node type named {declared.name!r}; give one of the two functions "
                "another name: @node(name=…)"
            )
        return declared

    def _linked(self, handle: NodeHandle) -> Ref:
        if handle.id not in self.nodes:
            raise GraphError(f"{handle!r} belongs to another graph: here is no node {handle.id!r}")
        return handle.out

    def _node(self, node_id: str) -> GraphNode:
        if node_id not in self.nodes:
            raise GraphError(f"there is no node {node_id!r}; {_advice(node_id, self.nodes)}")
        return self.nodes[node_id]

    def _address(self, key: str, types: Mapping[str, NodeType]) -> tuple[str, str]:
        """Node and input of `node.input`; ids and inputs may have dots themselves."""
        cuts = [place for place, letter in enumerate(key) if letter == "."]
        if not cuts:
            raise GraphError(f"{key!r} names no input; write node.input, as in '3.seed'")
        cut = next((place for place in cuts if key[:place] in self.nodes), cuts[0])
        node_id, name = key[:cut], key[cut + 1 :]
        node = self._node(node_id)
        declared = self.type_of(node_id, types or self.catalogue)
        known = [each.name for each in declared.inputs] if declared is not None else [*node.inputs]
        if name not in known and name not in node.inputs and not (declared is not None and declared.open_inputs):
            raise GraphError(f"node {node_id} ({node.type}) has no input {name!r}; {_advice(name, known)}")
        return node_id, name

    def __eq__(self, other: object) -> bool:
        return self.nodes == other.nodes if isinstance(other, Graph) else NotImplemented

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        kinds = dict.fromkeys(node.type for node in self.nodes.values())
        shown = ", ".join(list(kinds)[:5]) + (", …" if len(kinds) > 5 else "")
        return f"<Graph of {len(self.nodes)} nodes{': ' if shown else ''}{shown}>"


def _advice(name: str, known: Iterable[str]) -> str:
    names = list(known)
    if near := nearest(name, names):
        return "did you mean " + " or ".join(repr(each) for each in near) + "?"
    return "there are " + ", ".join(names[:20]) + ("…" if len(names) > 20 else "") if names else "there are none"
