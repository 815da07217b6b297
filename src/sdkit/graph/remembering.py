"""Plans are remembered for graphs that did not change since, which saves checking and planning them again."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from operator import is_
from typing import Final, NamedTuple

from sdkit.graph.describing import written_out
from sdkit.graph.graph import Graph
from sdkit.graph.planning import Kind, Plan
from sdkit.graph.schema import NodeType

_MUTABLE: Final[tuple[type, ...]] = (list, dict, set, bytearray)


class Shape(NamedTuple):
    """A graph as flat lists of objects, which two looks at an unchanged graph have in common."""

    lengths: list[int]
    objects: list[object]

    @classmethod
    def of(cls, graph: Graph) -> Shape:
        nodes = graph.nodes
        lengths: list[int] = []
        objects: list[object] = list(nodes)
        for node in nodes.values():
            inputs = node.inputs
            lengths.append(len(inputs))
            objects += (node.type, node.title, *inputs, *inputs.values())
        return cls(lengths, objects)

    def mutable(self) -> list[tuple[object, object]]:
        """Those objects that can be changed in place, each with a copy. Raises whatever copying them raises."""
        kinds: set[type] = {kind for kind in set(map(type, self.objects)) if issubclass(kind, _MUTABLE)}
        return [(each, deepcopy(each)) for each in self.objects if type(each) in kinds] if kinds else []

    def same(self, other: Shape) -> bool:
        """Whether the objects are the very same; equal ones will not do, since 1 == True."""
        return self.lengths == other.lengths and all(map(is_, self.objects, other.objects))


class Remembered(NamedTuple):
    """A plan, and what it was made for. `mutable`: of the shape's objects; `varies`: what is allowed may change."""

    asked: tuple[str, ...] | None
    shape: Shape
    mutable: list[tuple[object, object]]
    kinds: Mapping[str, Kind]
    varies: bool
    plan: Plan

    def fits(self, asked: tuple[str, ...] | None, shape: Shape, graph: Graph, types: Mapping[str, NodeType]) -> bool:
        """Whether the plan is the one for these outputs of this graph."""
        return (
            self.asked == asked
            and self.shape.same(shape)
            and all(written_out(each) == written_out(copy) for each, copy in self.mutable)
            and all((graph.types.get(name) or types.get(name)) is kind.type for name, kind in self.kinds.items())
        )
