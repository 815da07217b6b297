"""A graph becomes a Python script, and the script builds the same graph and runs it."""

from __future__ import annotations

from typing import Any

import pytest

import sdkit
from sdkit.errors import GraphError
from sdkit.graph import Graph, GraphNode, Ref, to_python
from tests.graph._kinds import TYPES
from tests.graph.test_json import random_graph

SCRIPT = '''"""Two passes."""

from sdkit import Workspace
from sdkit.graph import Graph

workspace = Workspace()
graph = Graph(workspace.types)

load = graph.add("load", name="embedded")
empty = graph.add("empty", width=512)
first_pass = graph.add("sample", title="First pass!", model=load.model, latents=empty, seed=7)
sample = graph.add("sample", id="second", model=load.model, latents=first_pass, seed=8)
graph.add("save", latents=sample)

if __name__ == "__main__":
    result = workspace.run(graph)
    print(f"{len(result.executed)} nodes ran")
    for node, reported in result.ui.items():
        print(node, reported)
'''


def build(script: str, monkeypatch: pytest.MonkeyPatch, name: str = "built") -> Graph:
    """The graph that a script builds; its workspace is one that only knows the types."""

    class Workspace:
        types = TYPES

        def run(self, graph: Graph) -> Any:
            ran.append(graph)
            return type("Result", (), {"executed": list(graph.nodes), "ui": {"1": "shown"}})

    ran: list[Graph] = []
    monkeypatch.setattr(sdkit, "Workspace", Workspace, raising=False)
    names: dict[str, Any] = {"__name__": name}
    exec(compile(script, "script.py", "exec"), names)
    assert ran == ([names["graph"]] if name == "__main__" else [])
    return names["graph"]


def small() -> Graph:
    graph = Graph(TYPES)
    loaded = graph.add("load", name="embedded")
    first = graph.add("sample", model=loaded.model, latents=graph.add("empty", width=512), seed=7, title="First pass!")
    second = graph.add("sample", id="second", model=loaded.model, latents=first, seed=8)
    graph.add("save", latents=second)
    return graph


def test_the_script_reads_well(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    graph = small()
    script = graph.to_python(TYPES, title="Two passes.")
    assert script == SCRIPT
    assert build(script, monkeypatch, "__main__") == graph
    assert capsys.readouterr().out == "5 nodes ran\n1 shown\n"


def test_without_types_outputs_are_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = small()
    bare = Graph()
    bare.nodes = graph.nodes
    script = to_python(bare)
    assert "model=load[0], latents=empty[0]" in script
    assert build(script, monkeypatch) == graph


def test_any_graph_comes_back_from_its_script(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(300):
        graph = random_graph(seed)
        assert build(to_python(graph, TYPES), monkeypatch) == graph, f"seed {seed}"


def test_odd_names_long_texts_and_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = Graph()
    long = "first line\n\tsecond 'line'\r\nthird \"line\"\\\x00 of quite some length, indeed\n\n"
    graph.nodes["class"] = GraphNode(
        "odd one", {"id": 1, "title": 2, "a b": 3, "class": Ref("9"), "text": long}, "print"
    )
    graph.nodes["x"] = GraphNode("print", {"y": Ref("y"), "z": Ref("class", 1), "w": Ref("class", 9)}, '"""\\')
    graph.nodes["y"] = GraphNode("graph", {"x": Ref("x"), "self": 1, "kind": 2})
    script = to_python(graph, TYPES, title='A """title"""\nof two lines\\')
    assert script.startswith("\"\"\"A '''title''' of two lines\\\\\"\"\"\n")
    assert 'Ref("y", 0)' in script
    assert "print_ = graph.add(" in script or "print_2 = graph.add(" in script
    assert build(script, monkeypatch) == graph


def test_ids_that_would_be_given_anyway_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = Graph()
    for node_id in ("2", "1", "3", "5", "4"):
        graph.add("empty", id=node_id)
    script = to_python(graph)
    assert build(script, monkeypatch) == graph
    assert script.count("id=") == 2


def test_ten_thousand_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = Graph(TYPES)
    handle = graph.add("empty", width=512)
    for number in range(10_000):
        handle = graph.add("sample", latents=handle, seed=number)
    assert build(graph.to_python(TYPES), monkeypatch) == graph


def test_values_that_no_script_holds_are_refused() -> None:
    graph = Graph()
    graph.add("empty", width=float("nan"))
    graph.add("empty", width=object())
    with pytest.raises(GraphError, match="width is or holds nan, which a script cannot hold") as caught:
        to_python(graph)
    assert len(caught.value.faults) == 2
