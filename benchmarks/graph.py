"""What a graph costs beside its nodes' own work: microseconds per node of a long chain and of a wide fan.

    python benchmarks/graph.py [--nodes 10000] [--rounds 7] [--sizes 1000,10000,100000] [--wall]

Every node adds two numbers. "cold" is the first run of a session, the check of the graph included; "cached" the second
run, which executes nothing. The bare figure is networkx's topological sort of the same graph, built before, plus a call
of the same function per node. The goals are at most 50 µs a node cold and 10 µs cached, and growth that is linear.
Medians; processor time, unless `--wall` asks for the clock on the wall.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Mapping
from itertools import pairwise

import networkx

from sdkit.graph import Graph, Input, NodeType, Output, Ref, Session

GOAL_COLD, GOAL_CACHED = 50.0, 10.0


def add(a: int, b: int) -> int:
    return a + b


def total(**values: int) -> int:
    return sum(values.values())


NUMBER = (Output("sum", "int"),)
TYPES = {
    "add": NodeType("add", add, (Input("a", "int"), Input("b", "int")), NUMBER),
    "total": NodeType("total", total, (), NUMBER, open_inputs=True),
}


def chain(nodes: int) -> Graph:
    """Each node reads the one before."""
    graph = Graph()
    last = graph.add("add", a=0, b=1)[0]
    for number in range(nodes - 1):
        last = graph.add("add", a=last, b=number)[0]
    return graph


def fan(nodes: int) -> Graph:
    """One source, everybody else reads it, and a last one reads them all."""
    graph = Graph()
    source = graph.add("add", a=0, b=1)[0]
    reader = graph.add("total")
    for number in range(nodes - 2):
        graph.nodes[reader.id].inputs[f"x{number}"] = graph.add("add", a=source, b=number)[0]
    return graph


def bare(graph: Graph) -> Callable[[], None]:
    """networkx's order of the nodes, and a call of each."""
    drawn: networkx.DiGraph[str] = networkx.DiGraph()
    drawn.add_nodes_from(graph.nodes)
    drawn.add_edges_from((ref.node, node_id) for node_id, node in graph.nodes.items() for _, ref in node.links())
    functions = {"add": add, "total": total}

    def run() -> None:
        values: dict[str, int] = {}
        for node_id in networkx.topological_sort(drawn):
            node = graph.nodes[node_id]
            inputs: Mapping[str, int] = {
                name: values[value.node] if isinstance(value, Ref) else value  # pyright: ignore[reportAssignmentType]
                for name, value in node.inputs.items()
            }
            values[node_id] = functions[node.type](**inputs)

    return run


def measure(graph: Graph, rounds: int, clock: Callable[[], float]) -> tuple[float, float, float]:
    """Medians in microseconds per node: cold, cached, bare."""
    took: list[tuple[float, float, float]] = []
    alone = bare(graph)
    for _ in range(rounds):
        session = Session(TYPES)
        times = [clock()]
        first = session.run(graph)
        times.append(clock())
        second = session.run(graph)
        times.append(clock())
        alone()
        times.append(clock())
        if len(first.executed) != len(graph) or second.executed:
            raise SystemExit(f"{len(first.executed)} and {len(second.executed)} nodes ran, not {len(graph)} and 0")
        cold, cached, other = (1e6 * (after - before) / len(graph) for before, after in pairwise(times))
        took.append((cold, cached, other))
    cold, cached, other = (statistics.median(column) for column in zip(*took, strict=True))
    return cold, cached, other


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sizes", default="1000,10000,100000", help="sizes of chains, to see the growth; '' for none")
    parser.add_argument("--wall", action="store_true")
    options = parser.parse_args()
    clock = time.perf_counter if options.wall else time.process_time
    print(f"{'wall' if options.wall else 'processor'} time, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print("graph            nodes   cold   cached   networkx + calls   (µs a node)")
    fine = True
    jobs = [("chain", chain, options.nodes), ("fan", fan, options.nodes)]
    jobs += [("chain", chain, int(size)) for size in options.sizes.split(",") if size]
    for name, make, nodes in jobs:
        cold, cached, other = measure(make(nodes), options.rounds if nodes <= 20_000 else 3, clock)
        print(f"{name:12} {nodes:9} {cold:6.1f} {cached:8.2f} {other:18.2f}")
        if nodes == options.nodes:  # other sizes show how the cost grows
            fine = fine and cold <= GOAL_COLD and cached <= GOAL_CACHED
    goals = f"{GOAL_COLD:.0f} and {GOAL_CACHED:.0f} µs a node"
    print(f"\ngoals for {options.nodes} nodes ({goals}): {'met' if fine else 'missed'}")


if __name__ == "__main__":
    main()
