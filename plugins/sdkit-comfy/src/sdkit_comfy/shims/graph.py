"""`comfy_execution.graph_utils` and `comfy_execution.graph`: graphs that nodes build, and blocked branches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdkit.graph import Blocked
from sdkit_comfy.packs.calls import current
from sdkit_comfy.packs.hidden import DynamicPrompt, NodeNotFoundError
from sdkit_comfy.packs.results import is_link

__all__ = [
    "DynamicPrompt",
    "ExecutionBlocker",
    "GraphBuilder",
    "Node",
    "NodeNotFoundError",
    "add_graph_prefix",
    "get_executing_context",
    "is_link",
]

ExecutionBlocker = Blocked


class Node:
    """A node of a graph that is being built."""

    def __init__(self, id: str, class_type: str, inputs: Mapping[str, Any]) -> None:  # noqa: A002
        self.id, self.class_type, self.inputs = id, class_type, dict(inputs)
        self.override_display_id: str | None = None

    def out(self, index: int) -> list[Any]:
        """A link to an output."""
        return [self.id, index]

    def set_input(self, key: str, value: Any) -> None:
        """Give an input; None takes it away."""
        if value is None:
            self.inputs.pop(key, None)
        else:
            self.inputs[key] = value

    def get_input(self, key: str) -> Any:
        """What an input is given."""
        return self.inputs.get(key)

    def set_override_display_id(self, override_display_id: str) -> None:
        """The node of the editor that shows its progress; sdkit shows it at the one that was expanded."""
        self.override_display_id = override_display_id

    def set_override_parent_id(self, override_parent_id: str) -> None:
        """As above."""

    def serialize(self) -> dict[str, Any]:
        """The node in API format."""
        return {"class_type": self.class_type, "inputs": dict(self.inputs)}


class GraphBuilder:
    """A graph that a node builds, to return `finalize()` as its `expand`. Ids begin with a prefix, which is the same
    whenever the same node builds its graphs in the same order."""

    def __init__(self, prefix: str | None = None) -> None:
        self.prefix = current().next_prefix() if prefix is None else prefix
        self.nodes: dict[str, Node] = {}

    def node(self, class_type: str, id: str | None = None, **kwargs: Any) -> Node:  # noqa: A002
        """Add a node, or get the one of this id."""
        name = self.prefix + (str(len(self.nodes) + 1) if id is None else id)
        if name not in self.nodes:
            self.nodes[name] = Node(name, class_type, kwargs)
        return self.nodes[name]

    def lookup_node(self, id: str) -> Node | None:  # noqa: A002
        """The node of this id."""
        return self.nodes.get(self.prefix + id)

    def finalize(self) -> dict[str, Any]:
        """The graph in API format."""
        return {name: node.serialize() for name, node in self.nodes.items()}

    def replace_node_output(self, node_id: str, index: int, new_value: Any) -> None:
        """Put a value, or with None nothing, wherever an output is read."""
        old = [self.prefix + node_id, index]
        for node in self.nodes.values():
            for key in [key for key, value in node.inputs.items() if is_link(value) and value == old]:
                node.set_input(key, new_value)

    def remove_node(self, id: str) -> None:  # noqa: A002
        """Take a node away."""
        self.nodes.pop(self.prefix + id, None)


def add_graph_prefix(graph: Mapping[str, Any], outputs: tuple[Any, ...], prefix: str) -> tuple[dict[str, Any], Any]:
    """A graph in API format, and what is read of it, with a prefix before all ids."""

    def moved(value: Any) -> Any:
        return [prefix + value[0], value[1]] if is_link(value) else value

    nodes = {
        prefix + node_id: {
            "class_type": node["class_type"],
            "inputs": {key: moved(value) for key, value in node["inputs"].items()},
        }
        for node_id, node in graph.items()
    }
    return nodes, tuple(map(moved, outputs))


class _Executing:
    def __init__(self, node_id: str) -> None:
        self.prompt_id, self.node_id, self.list_index = "", node_id, None


def get_executing_context() -> _Executing | None:
    """Which node runs; None where none does."""
    context = current().context
    return None if context is None else _Executing(context.node)
