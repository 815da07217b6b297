"""Dependency order of a graph, and the cycles that prevent one."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from sdkit.errors import Fault
from sdkit.graph.graph import Graph

LONGEST_PATH = 12
"""So many nodes of a cycle a message shows."""


def dependency_order(graph: Graph) -> tuple[list[str], list[list[str]]]:
    """All nodes, each after those it reads from, and the cycles: each once, as a path that ends where it began.

    Cycles have no node in common: of two that have one, the second shows up once the first is mended. What stands
    behind a cycle comes after it. Linear in nodes and links.
    """
    nodes = graph.nodes
    readers = graph.readers()
    missing = {
        node_id: len({ref.node for _, ref in node.links() if ref.node in nodes}) for node_id, node in nodes.items()
    }
    ready = deque(node_id for node_id, count in missing.items() if count == 0)
    order: list[str] = []
    cycles: list[list[str]] = []
    done: set[str] = set()
    names = list(nodes)
    place = 0
    while True:
        while ready:
            node_id = ready.popleft()
            if node_id in done:
                continue
            done.add(node_id)
            order.append(node_id)
            for reader in readers[node_id]:
                missing[reader] -= 1
                if missing[reader] == 0:
                    ready.append(reader)
        while place < len(names) and names[place] in done:
            place += 1
        if place == len(names):
            return order, cycles
        cycle = _cycle_above(graph, names[place], done)
        cycles.append([*cycle, cycle[0]])
        ready.extend(cycle)


def _cycle_above(graph: Graph, start: str, done: set[str]) -> list[str]:
    """The cycle that one gets into upstream of a node; every node that is not done reads from one that is not."""
    path: list[str] = []
    places: dict[str, int] = {}
    node_id = start
    while node_id not in places:
        places[node_id] = len(path)
        path.append(node_id)
        links = graph.nodes[node_id].links()
        node_id = next(ref.node for _, ref in links if ref.node in graph.nodes and ref.node not in done)
    return [path[places[node_id]], *path[: places[node_id] : -1]]


def cycle_faults(graph: Graph) -> tuple[Fault, ...]:
    """The cycles, each with the link that closes it."""
    return tuple(_cycle(graph, cycle) for cycle in dependency_order(graph)[1])


def _cycle(graph: Graph, cycle: Sequence[str]) -> Fault:
    path = cycle if len(cycle) <= LONGEST_PATH else [*cycle[: LONGEST_PATH - 1], "…", cycle[-1]]
    reader, source = cycle[1], cycle[0]
    name = next(name for name, ref in graph.nodes[reader].links() if ref.node == source)
    hint = "take out one of these links"
    message = f"it depends on itself: {' → '.join(path)}; {hint}"
    return Fault(cycle[0], "", message, graph.nodes[cycle[0]].type, "", f"{reader}.{name}", hint)
