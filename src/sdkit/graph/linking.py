"""The links of a graph that is checked: whether they lead somewhere, and whether what comes over them fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Final

from sdkit.errors import Fault, nearest
from sdkit.graph.asking import context_parameter
from sdkit.graph.graph import Graph, GraphNode
from sdkit.graph.schema import ANY, WIDGETS, Input, NodeType, Ref, fits
from sdkit.graph.written import sure


class Known:
    """A node type, with what makes checking many nodes of it fast: its inputs by name, and the values of which each is
    `sure`."""

    __slots__ = ("context", "inputs", "names", "type")

    def __init__(self, node_type: NodeType) -> None:
        self.type = node_type
        self.names = {each.name for each in node_type.inputs}
        self.inputs = [(each.name, each, sure(each)) for each in node_type.inputs]
        self.context = context_parameter(node_type.check)


class KnownTypes:
    """The node types of a graph, each looked up once."""

    def __init__(self, graph: Graph, types: Mapping[str, NodeType]) -> None:
        self._own: Final = graph.types
        self._types: Final = types
        self._found: Final[dict[str, Known | None]] = {}

    def find(self, name: str) -> Known | None:
        """The type of this name; None where there is none."""
        try:
            return self._found[name]
        except KeyError:
            node_type = self._own.get(name) or self._types.get(name)
            found = self._found[name] = None if node_type is None else Known(node_type)
            return found


class Links:
    """Checks the links of one graph."""

    def __init__(self, graph: Graph, known_type: Callable[[str], Known | None]) -> None:
        self._nodes: Final = graph.nodes
        self._known_type: Final = known_type
        self._fitting: Final[dict[tuple[str, str, str, str], bool]] = {}
        self._makers: dict[str, list[str]] | None = None
        self._comparisons = 50_000  # of ids, in search of near ones: so many take half a second

    def fault(
        self,
        node_id: str,
        node: GraphNode,
        name: str,
        ref: Ref,
        reader: NodeType | None = None,
        declared: Input | None = None,
    ) -> Fault | None:
        """What is wrong with a link; of one into a node or an input that nobody knows, only whether its source is
        there."""
        source = self._nodes.get(ref.node)
        if source is None:
            return self._dangling(node_id, node, name, ref, declared)
        known = self._known_type(source.type)
        if known is None:
            return None
        outputs = known.type.outputs
        there = 0 <= ref.output < len(outputs)
        if there and (declared is None or reader is None):
            return None
        kind = outputs[ref.output].type if there else ""
        if there and declared and reader and self._fits(kind, declared.type, reader, known.type):
            return None
        wanted = "" if declared is None else f"a link to {declared.type}"
        got = f"output {ref.output} of node {ref.node} ({source.type})"
        if not there:
            names = ", ".join(f"{number}: {each.name}" for number, each in enumerate(outputs))
            hint = f"it has {names}" if names else "it has no output"
            message = f"{name} comes from {got}, which does not exist; {hint}"
            return Fault(node_id, name, message, node.type, wanted, got, hint)
        assert declared is not None
        assert reader is not None
        others = [each.name for each in outputs if self._fits(each.type, declared.type, reader, known.type)]
        hint = f"its output {others[0]!r} would fit" if others else ""
        message = f"{name} takes {declared.type}, but {got} is {kind}{'; ' if hint else ''}{hint}"
        return Fault(node_id, name, message, node.type, wanted, kind, hint)

    def _dangling(self, node_id: str, node: GraphNode, name: str, ref: Ref, declared: Input | None) -> Fault:
        near: Sequence[str] = ()
        if self._comparisons > 0:
            self._comparisons -= len(self._nodes)
            near = nearest(ref.node, self._nodes)
        hint = f"did you mean {near[0]!r}?" if near else ""
        message = f"{name} comes from node {ref.node}, which does not exist{'; ' if hint else ''}{hint}"
        wanted = "" if declared is None else f"a link to {declared.type}"
        return Fault(node_id, name, message, node.type, wanted, f"output {ref.output} of node {ref.node}", hint)

    def _fits(self, output_type: str, input_type: str, reader: NodeType, source: NodeType) -> bool:
        if output_type == input_type or ANY in (output_type, input_type):
            return True
        key = (output_type, input_type, reader.name, source.name)
        if key not in self._fitting:
            self._fitting[key] = fits(output_type, input_type) or any(
                each.fits is not None and each.fits(output_type, input_type) for each in (reader, source)
            )
        return self._fitting[key]

    def who_has(self, declared: Input, reader: str) -> str:
        """The first node that has what a missing input takes, where it takes one thing only."""
        if ANY in declared.types or not WIDGETS.isdisjoint(declared.types) or declared.choices is not None:
            return ""
        if self._makers is None:
            self._makers = {}
            for node_id, node in self._nodes.items():
                known = self._known_type(node.type)
                for kind in () if known is None else {output.type: None for output in known.type.outputs}:
                    self._makers.setdefault(kind, []).append(node_id)
        for kind in declared.types:
            for node_id in islice(self._makers.get(kind, ()), 2):
                if node_id != reader:
                    return f"node {node_id} ({self._nodes[node_id].type}) makes one"
        return ""
