"""ComfyUI's API format: what its server runs, and what its pictures carry under `prompt`.

::

    {"3": {"class_type": "KSampler", "inputs": {"seed": 7, "model": ["4", 0]}, "_meta": {"title": "…"}}, …}

A link is a pair of node id and output number. Lists that are no links are values; newer programs wrap those that could
be mistaken: `{"__value__": ["4", 0]}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sdkit.errors import Fault
from sdkit.graph import Graph, GraphNode, NodeType, Ref
from sdkit_comfy.formats.node_types import known_name, tidy
from sdkit_comfy.formats.strict_json import is_object, mapping, text, twice, whole

WRAPPED: Final = "__value__"


def is_api(data: object) -> bool:
    """Whether it is JSON of nodes by id, at least one of them with a `class_type`."""
    return any(isinstance(mapping(node).get("class_type"), str) for node in mapping(data).values())


def read_api(data: Mapping[str, object], types: Mapping[str, NodeType], faults: list[Fault]) -> Graph:
    """The graph; what is wrong with the file itself is added to `faults`.

    Links to nodes that are not there stay in the graph, for its check to report. Entries that are no nodes at all, such
    as comments, are passed over.
    """
    graph = Graph()
    for node_id in twice(data):
        faults.append(
            Fault(node_id, "", f"the id {node_id!r} is given to more than one node", hint="rename one of them")
        )
    for node_id, entry in data.items():
        node = mapping(entry)
        kind = node.get("class_type")
        if isinstance(kind, str) and kind.strip():
            graph.nodes[node_id] = _node(node_id, known_name(kind, types), node, data, types, faults)
        elif "inputs" in node or "class_type" in node:
            faults.append(Fault(node_id, "", "it has no class_type, which says what kind of node it is"))
    return graph


def _node(
    node_id: str,
    kind: str,
    node: Mapping[str, object],
    nodes: Mapping[str, object],
    types: Mapping[str, NodeType],
    faults: list[Fault],
) -> GraphNode:
    given = node.get("inputs")
    if given is not None and not is_object(given):
        faults.append(Fault(node_id, "", f"its inputs are to be an object, not {type(given).__name__}", type=kind))
    for name in twice(given):
        faults.append(Fault(node_id, name, f"the input {name!r} is given more than once", type=kind))
    inputs = {name: _value(value, nodes) for name, value in mapping(given).items()}
    title = text(mapping(node.get("_meta")).get("title"))
    return GraphNode(kind, tidy(node_id, inputs, types.get(kind)), title)


def _value(value: object, nodes: Mapping[str, object]) -> object:
    """A link as a Ref, any other value as it is."""
    if is_object(value):
        return value[WRAPPED] if set(value) == {WRAPPED} else value
    match value:
        case [str() | int() | float() as source, int() | float() as slot] if not isinstance(source, bool):
            node_id, output = source if isinstance(source, str) else str(whole(source)), whole(slot)
            # A number first is a link only if there is such a node: `[512, 768]` may be a size.
            if output is None or output < 0 or not (isinstance(source, str) or node_id in nodes):
                return value
            return Ref(node_id, output)
        case _:
            return value
