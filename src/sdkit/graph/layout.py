"""Where the nodes of a drawn graph stand: columns by depth, links from left to right, no box over another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sdkit.graph.graph import Graph
from sdkit.graph.ordering import dependency_order
from sdkit.graph.schema import Ref

GAP_X = 80
GAP_Y = 24
LANE = 14
"""The height of a lane."""


@dataclass
class Box:
    """Where a node stands; x and y are its upper left corner."""

    x: float
    y: float
    width: float
    height: float


class Layout(NamedTuple):
    """The boxes by node, and the columns they are in. `lanes`: the height at which links from an output pass through a
    column, between its boxes."""

    boxes: dict[str, Box]
    columns: dict[str, int]
    lanes: dict[tuple[Ref, int], float]


def layout(graph: Graph, heights: Mapping[str, float], width: float, *, lanes: bool = True) -> Layout:
    """Where everything stands; `heights` are the nodes'. Linear in nodes and links, but for sorting and for lanes."""
    order, _ = dependency_order(graph)
    depths = _depths(graph, order)
    columns: dict[int, list[str | Ref]] = {depth: [] for depth in sorted(set(depths.values()))}
    for node_id in order:
        columns[depths[node_id]].append(node_id)
    for ref, last in _furthest_readers(graph, depths).items() if lanes else ():
        for depth in range(depths[ref.node] + 1, last):
            columns[depth].append(ref)
    made = Layout({}, depths, {})
    for depth, things in columns.items():
        wanted = {each: _level(graph, each, depth, made) for each in things}
        bottom = 0.0
        for each in sorted(things, key=wanted.__getitem__):
            if isinstance(each, Ref):
                made.lanes[each, depth] = y = max(bottom, wanted[each])
                bottom = y + LANE
            else:
                y = max(bottom, wanted[each] - heights[each] / 2)
                made.boxes[each] = Box(depth * (width + GAP_X), y, width, heights[each])
                bottom = y + heights[each] + GAP_Y
    return made


def _furthest_readers(graph: Graph, depths: Mapping[str, int]) -> dict[Ref, int]:
    """For every output that is read, the last column in which it is."""
    found: dict[Ref, int] = {}
    for node_id, node in graph.nodes.items():
        for _, ref in node.links():
            if ref.node in depths:
                found[ref] = max(found.get(ref, 0), depths[node_id])
    return found


def _depths(graph: Graph, order: list[str]) -> dict[str, int]:
    """The column of each node: right of all that it reads from, and, where it reads from none, just left of the first
    that reads it."""
    depths: dict[str, int] = {}
    for node_id in order:
        sources = [depths[ref.node] for _, ref in graph.nodes[node_id].links() if ref.node in depths]
        depths[node_id] = max(sources, default=-1) + 1
    for node_id, readers in graph.readers().items():
        if readers and not any(True for _ in graph.nodes[node_id].links()):
            depths[node_id] = max(0, min(depths[reader] for reader in readers) - 1)
    return depths


def _level(graph: Graph, each: str | Ref, depth: int, made: Layout) -> float:
    """The height at which a node stands level with what it reads from, on average; a lane, with where it comes from."""
    if isinstance(each, Ref):
        return made.lanes.get((each, depth - 1)) or _middle(made.boxes[each.node])
    sources = [
        made.lanes.get((ref, depth - 1)) or _middle(made.boxes[ref.node])
        for _, ref in graph.nodes[each].links()
        if ref.node in made.boxes
    ]
    return sum(sources) / len(sources) if sources else 0.0


def _middle(box: Box) -> float:
    return box.y + box.height / 2
