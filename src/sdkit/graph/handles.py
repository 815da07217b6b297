"""Handles of nodes, which name their outputs while a graph is built."""

from __future__ import annotations

from collections.abc import Iterator

from sdkit.errors import GraphError, nearest
from sdkit.graph.naming import attribute_names
from sdkit.graph.schema import NodeType, Ref


class NodeHandle:
    """A node that was just added, to link its outputs: `handle.out` is the only one, `handle[0]` the first,
    `handle.latents` and `handle["latents"]` the one of that name. In place of an input's value, it stands for its only
    output.

    Outputs are known by name where the graph knows the node's type: it was added as a function or as a `NodeType`, or
    the graph was made with `Graph(types)`.
    """

    __slots__ = ("_type", "id")

    def __init__(self, node_id: str, node_type: NodeType | None = None) -> None:
        self.id = node_id
        self._type = node_type

    @property
    def out(self) -> Ref:
        """The only output; a GraphError where there is another number of them."""
        outputs = () if self._type is None else self._type.outputs
        if self._type is not None and len(outputs) != 1:
            named = ", ".join(each.name for each in outputs)
            raise GraphError(
                f"node {self.id} ({self._type.name}) has "
                + (f"{len(outputs)} outputs: {named}; say which one, as in handle[0]" if outputs else "no output")
            )
        return Ref(self.id, 0)

    def __getitem__(self, output: int | str) -> Ref:
        if isinstance(output, str):
            return Ref(self.id, self._number(output))
        if output < 0 or (self._type is not None and output >= len(self._type.outputs)):
            count = "" if self._type is None else f" ({self._type.name}) has {len(self._type.outputs)} outputs"
            raise IndexError(f"node {self.id}{count or ' has outputs from 0'}; there is no output {output}")
        return Ref(self.id, output)

    def __iter__(self) -> Iterator[Ref]:
        """All outputs, so that they can be unpacked: `model, vae = graph.add(load_model)`."""
        if self._type is None:
            raise GraphError(
                f"nobody told the graph how many outputs node {self.id} has: make it with Graph(types), or use "
                "handle[0]"
            )
        return iter([Ref(self.id, number) for number in range(len(self._type.outputs))])

    def __getattr__(self, name: str) -> Ref:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return Ref(self.id, self._number(name, as_attribute=True))
        except GraphError as error:
            raise AttributeError(str(error)) from None

    def _number(self, name: str, *, as_attribute: bool = False) -> int:
        if self._type is None:
            raise GraphError(
                f"nobody told the graph what the outputs of node {self.id} are called: make it with Graph(types), or "
                f"use handle[0] instead of {name!r}"
            )
        names = [each.name for each in self._type.outputs]
        attributes = attribute_names(names)
        for candidates in (attributes, names) if as_attribute else (names, attributes):
            if name in candidates:
                return candidates.index(name)
        near = nearest(name, names)
        advice = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names) or 'none'}"
        raise GraphError(f"node {self.id} ({self._type.name}) has no output {name!r}; {advice}")

    def __repr__(self) -> str:
        return f"NodeHandle({self.id!r}{f', {self._type.name}' if self._type is not None else ''})"
