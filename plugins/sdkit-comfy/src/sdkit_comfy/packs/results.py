"""What packs' functions return as what nodes of sdkit return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from sdkit.graph import Blocked, Expansion, Graph, GraphNode, NodeContext, Ref

if TYPE_CHECKING:
    from sdkit_comfy.packs.declarations import Declaration


def outputs_of(declaration: Declaration, returned: Any, context: NodeContext) -> object:
    """One value, a tuple of all, or an Expansion; what is to be shown is reported. TypeError for what is neither."""
    expand: object = None
    if isinstance(returned, dict):
        told = cast("dict[str, Any]", returned)
        _report(told.get("ui"), context)
        expand, returned = told.get("expand"), told.get("result", ())
    elif hasattr(returned, "sdkit_result"):  # V3's NodeOutput
        shown, expand, returned = returned.sdkit_result()
        _report(shown, context)
    slots = _slots(declaration, returned)
    if expand is not None:
        return _expansion(cast("Mapping[str, Mapping[str, Any]]", expand), slots, context)
    return slots[0] if len(slots) == 1 else slots


def is_link(value: object) -> bool:
    """Whether a value in API format is a link: [id, number]."""
    if not isinstance(value, list):
        return False
    both = cast("list[object]", value)
    return len(both) == 2 and isinstance(both[0], str) and type(both[1]) in {int, float}


def _slots(declaration: Declaration, returned: Any) -> tuple[object, ...]:
    """As many values as there are outputs. Packs may return more, which nobody can read, or fewer, which block what
    reads them."""
    width = len(declaration.results)
    if isinstance(returned, Blocked):
        return (returned,) * width
    if width == 0:
        return ()
    if returned is None:
        raise TypeError(f"its function returned nothing, but it has {width} outputs")
    values = tuple(cast("Sequence[object]", returned)) if isinstance(returned, tuple | list) else (returned,)
    missing = tuple(
        Blocked(f"{declaration.name} did not return its output {each.name!r}")
        for each in declaration.results[len(values) :]
    )
    return (*values[:width], *missing)


def _report(shown: Any, context: NodeContext) -> None:
    if hasattr(shown, "as_dict"):
        shown = shown.as_dict()
    if not isinstance(shown, dict):
        return
    for key, values in cast("dict[str, object]", shown).items():
        for value in cast("Sequence[object]", values) if isinstance(values, list | tuple) else (values,):
            context.report(key, value)


def _expansion(nodes: Mapping[str, Mapping[str, Any]], slots: tuple[object, ...], context: NodeContext) -> Expansion:
    graph = Graph()

    def linked(value: object) -> object:
        if not is_link(value):
            return value
        node, output = cast("tuple[str, float]", value)
        return Ref(node, int(output)) if node in nodes or node in context.nodes else value

    for node_id, node in nodes.items():
        inputs = {name: linked(value) for name, value in cast("Mapping[str, object]", node["inputs"]).items()}
        graph.insert(GraphNode(node["class_type"], inputs), node_id)
    return Expansion(graph, [linked(each) for each in slots])
