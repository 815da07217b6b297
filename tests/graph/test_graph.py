"""Graphs are built, copied, changed and cut; handles know what outputs are called."""

from __future__ import annotations

import time

import pytest

from sdkit.errors import GraphError
from sdkit.graph import Graph, GraphNode, NodeType, Output, Ref
from tests.graph._kinds import TYPES, empty, load, sample


def small() -> Graph:
    graph = Graph(TYPES)
    loaded = graph.add("load", name="embedded")
    latents = graph.add("empty", width=512)
    sampled = graph.add("sample", model=loaded.model, latents=latents, seed=7, title="First pass")
    graph.add("save", latents=sampled)
    return graph


def test_nodes_get_numbers_and_handles_become_links() -> None:
    graph = small()
    assert list(graph.nodes) == ["1", "2", "3", "4"]
    assert graph.nodes["3"] == GraphNode(
        "sample", {"model": Ref("1", 0), "latents": Ref("2", 0), "seed": 7}, "First pass"
    )
    assert list(graph.nodes["3"].links()) == [("model", Ref("1", 0)), ("latents", Ref("2", 0))]
    assert graph.readers() == {"1": ["3"], "2": ["3"], "3": ["4"], "4": []}
    assert repr(graph) == "<Graph of 4 nodes: load, empty, sample, save>"
    assert len(graph) == 4


def test_ids_are_given_once() -> None:
    graph = Graph()
    graph.add("empty", id="2")
    assert graph.add("empty").id == "1"
    assert graph.add("empty").id == "3"
    with pytest.raises(GraphError, match=r"there is already a node '2' \(empty\)"):
        graph.add("sample", id="2")


def test_outputs_by_number_and_by_name() -> None:
    graph = Graph(TYPES)
    loaded = graph.add("load")
    assert (loaded[1], loaded.clip, loaded["clip"]) == (Ref("1", 1), Ref("1", 1), Ref("1", 1))
    assert list(loaded) == [Ref("1", 0), Ref("1", 1)]
    assert graph.add("empty").out == Ref("2", 0)
    odd = graph.add("odd one")
    assert (odd.out_2, odd.out_3, odd["out"], odd.index) == (Ref("3", 0), Ref("3", 1), Ref("3", 0), Ref("3", 2))
    with pytest.raises(
        GraphError, match=r"node 1 \(load\) has 2 outputs: model, clip; say which one, as in handle\[0\]"
    ):
        _ = loaded.out
    with pytest.raises(GraphError, match="has 2 outputs"):
        graph.add("save", latents=loaded)
    with pytest.raises(AttributeError, match=r"node 1 \(load\) has no output 'modle'; did you mean 'model'\?"):
        _ = loaded.modle
    with pytest.raises(IndexError, match=r"node 1 \(load\) has 2 outputs; there is no output 2"):
        _ = loaded[2]
    with pytest.raises(GraphError, match=r"node 4 \(save\) has no output"):
        _ = graph.add("save").out


def test_without_types_outputs_are_numbers() -> None:
    handle = Graph().add("load")
    assert (handle.out, handle[3]) == (Ref("1", 0), Ref("1", 3))
    with pytest.raises(AttributeError, match=r"make it with Graph\(types\), or use handle\[0\] instead of 'model'"):
        _ = handle.model
    with pytest.raises(GraphError, match=r"make it with Graph\(types\)"):
        list(handle)


def test_functions_bring_their_types_along() -> None:
    graph = Graph()
    loaded = graph.add(load)
    graph.add(sample, model=loaded.model, latents=graph.add(empty))
    assert graph.nodes["3"].inputs["latents"] == Ref("2", 0)
    assert set(graph.types) == {"load", "empty", "sample"}
    assert graph.type_of("1", {}) is TYPES["load"]
    assert graph.copy().types == graph.types

    def load_another() -> None: ...

    load_another.__name__ = "load"
    with pytest.raises(GraphError, match=r"already knows another node type named 'load'; .* @node\(name=…\)"):
        graph.add(load_another)
    other = Graph()
    other.add("odd one")
    with pytest.raises(GraphError, match=r"NodeHandle\('3', sample\) belongs to another graph: here is no node '3'"):
        other.add("save", latents=graph.handle("3"))


def test_a_changed_graph_is_a_copy() -> None:
    graph = small()
    changed = graph.changed({"3.seed": 8, "3.steps": 5, "4.latents": graph.handle("2")})
    assert changed.nodes["3"].inputs == {"model": Ref("1", 0), "latents": Ref("2", 0), "seed": 8, "steps": 5}
    assert changed.nodes["4"].inputs == {"latents": Ref("2", 0)}
    assert graph == small(), "the graph itself stays as it was"
    assert changed != graph


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("3.sed", r"node 3 \(sample\) has no input 'sed'; did you mean 'seed'\?"),
        ("33.seed", r"there is no node '33'; did you mean '3'"),
        ("x.seed", r"there is no node 'x'; there are 1, 2, 3, 4"),
        ("seed", r"'seed' names no input; write node.input, as in '3.seed'"),
    ],
)
def test_changing_what_is_not_there(key: str, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        small().changed({key: 1})


def test_ids_and_inputs_may_have_dots() -> None:
    graph = Graph()
    graph.insert(GraphNode("thing", {"x.y": 1}), "a.b")
    assert graph.changed({"a.b.x.y": 2}).nodes["a.b"].inputs == {"x.y": 2}


def test_of_unknown_types_only_given_inputs_change() -> None:
    graph = Graph()
    graph.add("thing", seed=1)
    with pytest.raises(GraphError, match=r"node 1 \(thing\) has no input 'steps'; there are seed"):
        graph.changed({"1.steps": 2})
    known = {"thing": NodeType("thing", print, TYPES["sample"].inputs, (Output("x", "X"),))}
    assert graph.changed({"1.steps": 2}, known).nodes["1"].inputs == {"seed": 1, "steps": 2}


def test_subgraphs_have_everything_upstream() -> None:
    graph = small()
    assert list(graph.subgraph(["3"]).nodes) == ["1", "2", "3"]
    assert list(graph.subgraph([Ref("2", 0), graph.handle("1")]).nodes) == ["1", "2"]
    with pytest.raises(GraphError, match="there is no node '9'"):
        graph.subgraph(["9"])


def test_equality_is_of_nodes_not_of_order() -> None:
    one, other = Graph(), Graph()
    for graph, order in ((one, "ab"), (other, "ba")):
        for node_id in order:
            graph.add("empty", id=node_id, width=8)
    assert one == other
    other.nodes["a"].inputs["width"] = 16
    assert one != other
    assert one != "a graph"
    with pytest.raises(TypeError):
        hash(one)


def test_ten_thousand_nodes_are_added_quickly() -> None:
    graph = Graph()
    began = time.perf_counter()
    handle = graph.add("empty")
    for _ in range(10_000):
        handle = graph.add("sample", latents=handle, steps=3)
    assert time.perf_counter() - began < 2  # some 0.05 s; quadratic growth would take minutes
    assert len(graph.subgraph([handle])) == 10_001
