"""Graphs as Python scripts that build and run them."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections.abc import Iterable, Mapping

from sdkit.errors import Fault, GraphError
from sdkit.graph.annotations import snake
from sdkit.graph.graph import Graph, GraphNode
from sdkit.graph.naming import attribute_names, unique_names
from sdkit.graph.ordering import dependency_order
from sdkit.graph.schema import NodeType, Ref
from sdkit.graph.written import not_plain

LONGEST_LINE = 100

_HEAD = '''"""{title}"""

{imports}

workspace = Workspace()
graph = Graph(workspace.types)
'''
_FOOT = """
if __name__ == "__main__":
    result = workspace.run(graph)
    print(f"{len(result.executed)} nodes ran")
    for node, reported in result.ui.items():
        print(node, reported)
"""
_TAKEN = ("Graph", "Ref", "Workspace", "graph", "node", "reported", "result", "workspace")


def to_python(graph: Graph, types: Mapping[str, NodeType] | None = None, *, title: str = "") -> str:
    """A script that builds the graph and, when it is started, runs it in a `Workspace`.

    `types` tell what outputs are called; without them they are numbers. `title`: the script's first line. Nodes come in
    the order of their dependencies, each in a variable if another one reads it. Raises GraphError for values that
    cannot be written into a script.
    """
    _check_values(graph)
    order, _ = dependency_order(graph)
    read = {ref.node for node in graph.nodes.values() for _, ref in node.links()}
    variables = _variables(graph, [node_id for node_id in order if node_id in read])
    links = _Links(graph, types or graph.catalogue, variables)
    lines: list[str] = []
    last = 0
    for node_id in order:
        while (free := str(last + 1)) in links.known:
            last += 1
        lines += _statement(node_id, graph.nodes[node_id], links, has_free_id=node_id == free)
        links.known.add(node_id)
    body = "\n".join(lines)
    names = "Graph, Ref" if re.search(r"\bRef\(", body) else "Graph"
    imports = f"from sdkit import Workspace\nfrom sdkit.graph import {names}"
    title = (title or f"A graph of {len(graph)} nodes.").replace("\\", "\\\\").replace('"', "'")
    return _HEAD.format(title=" ".join(title.split()), imports=imports) + ("\n" + body if body else "") + "\n" + _FOOT


class _Links:
    """How a link is written where some nodes are in variables already."""

    def __init__(self, graph: Graph, types: Mapping[str, NodeType], variables: Mapping[str, str]) -> None:
        self.graph = graph
        self.types = types
        self.variables = variables
        self.known: set[str] = set()
        self.attributes: dict[str, list[str]] = {}

    def text(self, ref: Ref) -> str:
        if ref.node not in self.known:  # a cycle, or a node that does not exist
            return f"Ref({_quoted(ref.node)}, {ref.output})"
        variable = self.variables[ref.node]
        node_type = self.graph.type_of(ref.node, self.types)
        if node_type is None or not 0 <= ref.output < len(node_type.outputs):
            return f"Ref({_quoted(ref.node)}, {ref.output})" if node_type is not None else f"{variable}[{ref.output}]"
        if len(node_type.outputs) == 1:
            return variable
        if node_type.name not in self.attributes:
            self.attributes[node_type.name] = attribute_names(each.name for each in node_type.outputs)
        return f"{variable}.{self.attributes[node_type.name][ref.output]}"


def _check_values(graph: Graph) -> None:
    faults = [
        Fault(node_id, name, f"{name} {wrong}, which a script cannot hold", node.type)
        for node_id, node in graph.nodes.items()
        for name, value in node.inputs.items()
        if not isinstance(value, Ref) and (wrong := not_plain(value)) is not None
    ]
    if faults:
        raise GraphError.of(faults)


def _variables(graph: Graph, node_ids: Iterable[str]) -> dict[str, str]:
    """A variable for each node, after its title or its type."""
    ids = list(node_ids)
    texts = [re.sub(r"\W+", "_", snake(graph.nodes[each].title or graph.nodes[each].type)) for each in ids]
    return dict(zip(ids, unique_names(texts, taken=(*_TAKEN, *dir(builtins))), strict=True))


def _statement(node_id: str, node: GraphNode, links: _Links, *, has_free_id: bool) -> list[str]:
    inputs = {
        name: links.text(value) if isinstance(value, Ref) else _written(value) for name, value in node.inputs.items()
    }
    own = {name: inputs.pop(name) for name in ("id", "title") if name in inputs}
    for name, text in own.items():  # not the handle, but the link
        own[name] = f"{text}[0]" if isinstance(node.inputs[name], Ref) and text.isidentifier() else text
    odd = {name: inputs.pop(name) for name in list(inputs) if not _is_argument(name)}
    arguments = [_quoted(node.type)]
    if not has_free_id:
        arguments.append(f"id={_quoted(node_id)}")
    if node.title:
        arguments.append(f"title={_quoted(node.title)}")
    arguments += [f"{name}={text}" for name, text in inputs.items()]
    if odd:
        arguments.append("**{" + ", ".join(f"{_quoted(name)}: {text}" for name, text in odd.items()) + "}")
    variable = links.variables.get(node_id)
    start = f"{variable} = graph.add(" if variable is not None else "graph.add("
    line = f"{start}{', '.join(arguments)})"
    if len(line) > LONGEST_LINE or "\n" in line:
        line = start + "".join(f"\n    {each}," for each in arguments) + "\n)"
    return [line, *(f"graph.nodes[{_quoted(node_id)}].inputs[{_quoted(name)}] = {text}" for name, text in own.items())]


def _is_argument(name: str) -> bool:
    """Whether Python takes this name as it is; it reads `ﬁ` as `fi`."""
    return name.isidentifier() and not keyword.iskeyword(name) and unicodedata.normalize("NFKC", name) == name


def _written(value: object) -> str:
    """The value as Python; long text line by line."""
    if not isinstance(value, str) or "\n" not in value or len(value) < LONGEST_LINE // 2:
        return _quoted(value)
    return "(\n" + "".join(f"        {_quoted(line)}\n" for line in value.splitlines(keepends=True)) + "    )"


def _quoted(value: object) -> str:
    """As `repr`, but text in double quotes."""
    text = repr(value)
    return f'"{text[1:-1]}"' if isinstance(value, str) and '"' not in value and text[0] == "'" else text
