"""sdkit's own file format for graphs: JSON, strictly read.

::

    {"sdkit_graph": 1, "nodes": {"1": {"type": "sample", "inputs": {"seed": 7, "model": {"link": ["2", 0]}}}}}

A written value that is itself an object whose only key is "link" or "value" stands as `{"value": …}`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Never, cast

from sdkit.errors import Fault, GraphError
from sdkit.graph.graph import Graph, GraphNode
from sdkit.graph.schema import Ref
from sdkit.graph.written import not_plain

VERSION = 1
MOST_BYTES = 64 * 2**20
"""The largest text that is read as a graph; real ones have some hundred kilobytes."""


def to_json(graph: Graph, *, indent: int | None = 2) -> str:
    """The graph as text. Raises GraphError for what JSON has not: NaN, objects, tuples, keys that are no text."""
    faults: list[Fault] = []
    nodes: dict[str, object] = {}
    for node_id, node in graph.nodes.items():
        inputs: dict[str, object] = {}
        for name, value in node.inputs.items():
            if isinstance(value, Ref):
                inputs[name] = {"link": [value.node, value.output]}
                continue
            if (wrong := not_plain(value)) is not None:
                faults.append(Fault(node_id, name, f"{name} {wrong}, which a file cannot hold", node.type))
            inputs[name] = {"value": value} if _looks_special(value) else value
        nodes[node_id] = {"type": node.type} | ({"title": node.title} if node.title else {}) | {"inputs": inputs}
    if faults:
        raise GraphError.of(faults)
    return json.dumps({"sdkit_graph": VERSION, "nodes": nodes}, indent=indent, ensure_ascii=False, allow_nan=False)


def from_json(text: str | bytes, *, most_bytes: int = MOST_BYTES) -> Graph:
    """The graph of a text that `to_json` wrote.

    Raises GraphError for what is none: another format, too large (before it is parsed), keys given twice, NaN, nested
    too deeply, nodes and inputs of the wrong shape; all faults of the latter kind at once.
    """
    if len(text) > most_bytes:
        raise GraphError(f"the text has {len(text):,} bytes, a graph may have {most_bytes:,}; is it one?")
    return from_data(parse(text))


def is_graph(data: object) -> bool:
    """Whether parsed JSON claims to be of this format."""
    return isinstance(data, Mapping) and "sdkit_graph" in data


def from_data(data: object) -> Graph:
    """The graph of parsed JSON."""
    if not isinstance(data, dict) or "sdkit_graph" not in data:
        kind = _kind(cast("object", data))
        raise GraphError(f"this is {kind} without the key 'sdkit_graph', not a graph as sdkit writes it")
    top = cast("dict[str, object]", data)
    if top["sdkit_graph"] != VERSION or isinstance(top["sdkit_graph"], bool):
        raise GraphError(f"the graph is of format {top['sdkit_graph']!r}; this sdkit reads format {VERSION}, update it")
    if unknown := sorted(top.keys() - {"sdkit_graph", "nodes"}):
        raise GraphError(f"a graph has the keys 'sdkit_graph' and 'nodes', not {unknown[0]!r}")
    nodes = top.get("nodes")
    if not isinstance(nodes, dict):
        raise GraphError(f"'nodes' must be an object of nodes by id, not {_kind(nodes)}")
    faults: list[Fault] = []
    graph = Graph()
    for node_id, node in cast("dict[str, object]", nodes).items():
        graph.nodes[node_id] = _node(node_id, node, faults)
    if faults:
        raise GraphError.of(faults)
    return graph


def _node(node_id: str, data: object, faults: list[Fault]) -> GraphNode:
    if not isinstance(data, dict):
        faults.append(Fault(node_id, "", f"it must be an object with 'type' and 'inputs', not {_kind(data)}"))
        return GraphNode("")
    node = cast("dict[str, object]", data)
    kind, title, inputs = node.get("type"), node.get("title", ""), node.get("inputs", {})
    if not isinstance(kind, str) or not kind:
        faults.append(Fault(node_id, "", f"'type' must be the name of a node type, not {_kind(kind)}"))
        kind = ""
    for name in sorted(node.keys() - {"type", "title", "inputs"}):
        faults.append(Fault(node_id, "", f"a node has 'type', 'title' and 'inputs', not {name!r}", kind))
    if not isinstance(title, str):
        faults.append(Fault(node_id, "", f"'title' must be text, not {_kind(title)}", kind))
        title = ""
    if not isinstance(inputs, dict):
        faults.append(Fault(node_id, "", f"'inputs' must be an object of values by name, not {_kind(inputs)}", kind))
        inputs = {}
    made = GraphNode(kind, title=title)
    for name, value in cast("dict[str, object]", inputs).items():
        if _looks_special(value):
            made.inputs[name], wrong = _special(cast("dict[str, object]", value))
            if wrong:
                faults.append(Fault(node_id, name, f"{name} {wrong}", kind))
        else:
            made.inputs[name] = value
    return made


def _looks_special(value: object) -> bool:
    return isinstance(value, dict) and list(cast("dict[str, object]", value)) in (["link"], ["value"])


def _special(data: Mapping[str, object]) -> tuple[object, str]:
    """A link, or a value that looks like one; and what is wrong with it."""
    match data:
        case {"value": value}:
            return value, ""
        case {"link": [str() as node_id, int() as output]} if not isinstance(output, bool) and output >= 0:
            return Ref(node_id, output), ""
        case _:
            return None, 'must be linked as {"link": ["id of a node", number of its output]}'


def parse(text: str | bytes) -> object:
    """A text as data, read strictly: a key given twice, NaN and what is no JSON at all raise GraphError."""
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=_object, parse_float=_float, parse_constant=_constant)
    except UnicodeDecodeError as error:
        raise GraphError(f"a graph is a text in UTF-8; byte {error.start} is not") from error
    except json.JSONDecodeError as error:
        raise GraphError(f"this is no JSON: line {error.lineno}, column {error.colno}: {error.msg}") from error
    except RecursionError:
        raise GraphError("values are nested too deeply for a graph") from None
    except ValueError as error:  # a number of thousands of digits
        raise GraphError(f"this is no graph: {error}") from error


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise GraphError(f"{twice!r} is there twice: ids of nodes and names of inputs are given once")
    return made


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _constant(text)
    return value


def _constant(name: str) -> Never:
    raise GraphError(f"{name} is no number that a graph can hold")


def _kind(data: object) -> str:
    names: dict[type, str] = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return "null" if data is None else names.get(type(data), "a number")
