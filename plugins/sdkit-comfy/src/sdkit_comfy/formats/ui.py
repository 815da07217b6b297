"""ComfyUI's UI format → the graph that its editor would send to be run.

Reroutes, primitives, notes, muted and bypassed nodes, group nodes and subgraphs are the editor's own: none of them is
in the graph. Ids stay; those inside of subgraphs and group nodes are paths, such as `5:3`.
"""

from __future__ import annotations

from collections.abc import Mapping

from sdkit.errors import Fault
from sdkit.graph import Graph, GraphNode, NodeType
from sdkit_comfy.formats.flattening import flatten
from sdkit_comfy.formats.layers import FlatNode, Mode, Role
from sdkit_comfy.formats.links import Literal, resolve
from sdkit_comfy.formats.node_types import tidy
from sdkit_comfy.formats.replacing import FILE_NAME, replaced
from sdkit_comfy.formats.strict_json import items, mapping


def is_ui(data: object) -> bool:
    """Whether it is a workflow as the editor saves it: a list of nodes with types."""
    nodes = mapping(data).get("nodes")
    return (
        isinstance(nodes, list)
        and any(key in mapping(data) for key in ("links", "last_node_id", "state"))
        and all(isinstance(mapping(node).get("type", ""), str) for node in items(mapping(data)["nodes"]))
    )


def read_ui(data: Mapping[str, object], types: Mapping[str, NodeType], faults: list[Fault]) -> Graph:
    """The graph; what is wrong with the file itself is added to `faults`.

    `types` tell which inputs are fields, and in which order. Of types that are not there, only what the file names
    itself is kept.
    """
    nodes = flatten(data, types, faults)
    graph = Graph()
    for node in nodes.values():
        if node.role is Role.REAL and node.mode is Mode.ON:
            inputs = tidy(node.id, _inputs(node, nodes, faults), types.get(node.type))
            graph.nodes[node.id] = GraphNode(node.type, inputs, node.title)
    return graph


def _inputs(node: FlatNode, nodes: Mapping[str, FlatNode], faults: list[Fault]) -> dict[str, object]:
    """The values of the node's fields, and over them what is linked."""
    inputs = dict(node.values)
    for slot in node.slots:
        found = resolve(slot, node, nodes, faults)
        if found is not None:
            inputs[slot.name or slot.widget] = found.value if isinstance(found, Literal) else found
    if isinstance(name := inputs.get(FILE_NAME), str):
        inputs[FILE_NAME] = replaced(name, nodes.values())
    return inputs
