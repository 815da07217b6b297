"""What packs get in hidden inputs: the node's id, the graph as ComfyUI's API has it, and ways to look into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdkit.errors import SdkitError
from sdkit.graph import GraphNode, NodeContext, Ref
from sdkit_comfy.formats.writing import to_api


class DynamicPrompt:
    """The nodes of a run, those of expansions included, as ComfyUI's API has them."""

    def __init__(self, context: NodeContext) -> None:
        self._context = context

    def get_node(self, node_id: str) -> dict[str, Any]:
        """`{"class_type": …, "inputs": {…}}`; links are [id, number]."""
        if node_id not in self._context.nodes:
            raise NodeNotFoundError(f"there is no node {node_id!r} in this run")
        return _api(self._context.nodes[node_id])

    def has_node(self, node_id: str) -> bool:
        """Whether there is such a node."""
        return node_id in self._context.nodes

    def get_original_prompt(self) -> dict[str, Any]:
        """The user's graph."""
        return to_api(self._context.graph)

    def all_node_ids(self) -> set[str]:
        """The ids of all nodes."""
        return set(self._context.nodes)

    def get_display_node_id(self, node_id: str) -> str:
        """The user's node that it belongs to."""
        return node_id if node_id in self._context.graph.nodes else node_id.partition("/")[0]

    get_real_node_id = get_display_node_id

    def get_parent_node_id(self, node_id: str) -> str | None:
        """The same where it came with an expansion; None for the user's own nodes."""
        return None if node_id in self._context.graph.nodes else self.get_display_node_id(node_id)


class NodeNotFoundError(SdkitError):
    """A pack asks for a node that is not in the run.

    Caught by: packs.

    What to do: the id in the message is the pack's; tell its author.
    """


def hidden_values(wanted: Mapping[str, str], context: NodeContext | None) -> dict[str, object]:
    """A value per hidden input; None where there is nothing to tell, as of the editor's workflow and of accounts."""
    return {name: _hidden(what, context) for name, what in wanted.items()}


def _hidden(what: str, context: NodeContext | None) -> object:
    if context is None:
        return None
    if what == "UNIQUE_ID":
        return context.node
    if what == "PROMPT":
        return to_api(context.graph)
    if what == "DYNPROMPT":
        return DynamicPrompt(context)
    return None


def _api(node: GraphNode) -> dict[str, Any]:
    inputs = {name: [*each] if isinstance(each, Ref) else each for name, each in node.inputs.items()}
    return {"class_type": node.type, "inputs": inputs}
