"""Graphs → ComfyUI's formats, and the texts of a PNG that ComfyUI opens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from sdkit.graph import ANY, Graph, GraphNode, NodeType, Ref
from sdkit_comfy.formats.api import WRAPPED
from sdkit_comfy.formats.node_types import is_widget
from sdkit_comfy.formats.strict_json import mapping
from sdkit_comfy.formats.widgets import SEEDS

_COLUMN, _ROW = 360, 260
"""Distances of the nodes in the editor, in its pixels."""
_MOST_OUTPUTS = 1000
"""Links to outputs from this number on are left out, as those to nodes that are not there: both are faults."""
_SOCKETS: Final[Mapping[str, str]] = {"int": "INT", "float": "FLOAT", "str": "STRING", "bool": "BOOLEAN"}


def to_api(graph: Graph) -> dict[str, object]:
    """The graph in API format, as JSON: what ComfyUI's server takes as `prompt`."""
    return {
        node_id: {
            "inputs": {name: _written(value) for name, value in node.inputs.items()},
            "class_type": node.type,
            "_meta": {"title": node.title or node.type},
        }
        for node_id, node in graph.nodes.items()
    }


def text_chunks(graph: Graph, types: Mapping[str, NodeType]) -> dict[str, str]:
    """The texts of a picture by keyword: `prompt` and `workflow`, each JSON in ASCII. ComfyUI opens a PNG that has them
    when it is dropped into its window."""
    return {"prompt": json.dumps(to_api(graph)), "workflow": json.dumps(to_ui(graph, types))}


def to_ui(graph: Graph, types: Mapping[str, NodeType]) -> dict[str, object]:
    """The graph in UI format, laid out in columns from left to right.

    Nodes whose types are not in `types` name all of their fields, which editors since 2025 understand. Ids that are no
    numbers get free numbers: the editor takes those of its subgraphs for paths.
    """
    numbers = _numbers(graph)
    columns = _columns(graph)
    rows: dict[int, int] = {}
    nodes: list[dict[str, object]] = []
    links: list[list[object]] = []
    read: dict[object, list[tuple[int, int]]] = {}  # for each node the links that read it, and which output
    slots = {node_id: _slots(node, types.get(node.type)) for node_id, node in graph.nodes.items()}
    for order, (node_id, node) in enumerate(graph.nodes.items()):
        column = columns[node_id]
        rows[column] = row = rows.get(column, -1) + 1
        for place, slot in enumerate(slots[node_id]):
            value = node.inputs.get(str(slot["name"]))
            if isinstance(value, Ref) and value.node in graph.nodes and value.output < _MOST_OUTPUTS:
                slot["link"] = len(links) + 1
                links.append([len(links) + 1, numbers[value.node], value.output, numbers[node_id], place, slot["type"]])
                read.setdefault(numbers[value.node], []).append((len(links), value.output))
        entry: dict[str, object] = {
            "id": numbers[node_id],
            "type": node.type,
            "pos": [_COLUMN * column, _ROW * row],
            "size": [300, 200],
            "flags": {},
            "order": order,
            "mode": 0,
            "inputs": slots[node_id],
            "outputs": [],
            "properties": {"Node name for S&R": node.type},
            "widgets_values": _values(node, types.get(node.type)),
        }
        if node.title:
            entry["title"] = node.title
        nodes.append(entry)
    for node, entry in zip(graph.nodes.values(), nodes, strict=True):
        entry["outputs"] = _outputs(read.get(entry["id"], []), types.get(node.type))
    return {
        "last_node_id": max(numbers.values(), default=0),
        "last_link_id": len(links),
        "nodes": nodes,
        "links": links,
        "groups": [],
        "config": {},
        "extra": {},
        "version": 0.4,
    }


def _written(value: object) -> object:
    """A link as a pair; lists wrapped, so that none is taken for one."""
    if isinstance(value, Ref):
        return [value.node, value.output]
    wrapped: dict[str, object] = {WRAPPED: value}
    return wrapped if isinstance(value, list | tuple) or set(mapping(value)) == {WRAPPED} else value


def _slots(node: GraphNode, node_type: NodeType | None) -> list[dict[str, object]]:
    """The node's inputs: all that take links, and the fields that are linked, or, without a type, every field."""
    slots: list[dict[str, object]] = []
    for each in node_type.inputs if node_type is not None else ():
        if not is_widget(each):
            slots.append({"name": each.name, "type": each.type, "link": None})
        elif isinstance(node.inputs.get(each.name), Ref):
            kind = "COMBO" if each.choices is not None else _SOCKETS.get(each.type, each.type)
            slots.append({"name": each.name, "type": kind, "widget": {"name": each.name}, "link": None})
    for name, value in node.inputs.items():
        if node_type is not None and node_type.input(name) is not None:
            continue
        field = {} if isinstance(value, Ref) else {"widget": {"name": name}}
        slots.append({"name": name, "type": ANY, **field, "link": None})
    return slots


def _values(node: GraphNode, node_type: NodeType | None) -> list[object]:
    """The fields' values by position, those of linked fields too, and "fixed" behind seeds."""
    if node_type is None:
        return [value for value in node.inputs.values() if not isinstance(value, Ref)]
    values: list[object] = []
    for each in node_type.inputs:
        if is_widget(each):
            value = node.inputs.get(each.name)
            default = each.default if isinstance(each.default, str | int | float) else None
            values.append(default if value is None or isinstance(value, Ref) else value)
            if each.name in SEEDS and "int" in each.types:
                values.append("fixed")
    return values


def _outputs(read: list[tuple[int, int]], node_type: NodeType | None) -> list[dict[str, object]]:
    """The node's outputs with the links that read them; of an unknown type, those that are read."""
    used = 1 + max((output for _, output in read), default=-1)
    names = [(each.name, each.type) for each in node_type.outputs] if node_type is not None else []
    names += [(ANY, ANY)] * (used - len(names))
    return [
        {"name": name, "type": _SOCKETS.get(kind, kind), "links": [link for link, output in read if output == place]}
        for place, (name, kind) in enumerate(names)
    ]


def _numbers(graph: Graph) -> dict[str, int]:
    """A number for each node: its id, where that is one."""
    numbers = {
        node_id: int(node_id)
        for node_id in graph.nodes
        if node_id.isascii() and node_id.isdigit() and len(node_id) < 10 and str(int(node_id)) == node_id
    }
    free = max(numbers.values(), default=0)
    for node_id in graph.nodes:
        if node_id not in numbers:
            free += 1
            numbers[node_id] = free
    return numbers


def _columns(graph: Graph) -> dict[str, int]:
    """How far each node is from the beginning: one more than the furthest that it reads from. Nodes in circles stay in
    the first column."""
    waiting = {
        node_id: {ref.node for _, ref in node.links() if ref.node in graph.nodes}
        for node_id, node in graph.nodes.items()
    }
    readers = graph.readers()
    columns = dict.fromkeys(graph.nodes, 0)
    ready = [node_id for node_id, sources in waiting.items() if not sources]
    while ready:
        node_id = ready.pop()
        for reader in readers[node_id]:
            columns[reader] = max(columns[reader], columns[node_id] + 1)
            waiting[reader].discard(node_id)
            if not waiting[reader]:
                ready.append(reader)
    return columns
