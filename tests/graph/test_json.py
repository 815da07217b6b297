"""Graphs go through JSON unchanged; whatever else is in a file is refused in words."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from sdkit.errors import GraphError
from sdkit.graph import Graph, GraphNode, Ref, from_json, to_json


def test_the_format() -> None:
    graph = Graph()
    loaded = graph.add("load", name="embedded")
    graph.add("sample", title="First", model=loaded[1], seed=7, link={"link": ["1", 0]}, value={"value": None})
    assert json.loads(graph.to_json()) == {
        "sdkit_graph": 1,
        "nodes": {
            "1": {"type": "load", "inputs": {"name": "embedded"}},
            "2": {
                "type": "sample",
                "title": "First",
                "inputs": {
                    "model": {"link": ["1", 1]},
                    "seed": 7,
                    "link": {"value": {"link": ["1", 0]}},
                    "value": {"value": {"value": None}},
                },
            },
        },
    }
    assert Graph.from_json(graph.to_json()) == graph


def random_value(random: random.Random, depth: int = 0) -> Any:
    simple: list[Any] = [
        None, True, False, 0, -1, 2**70, 0.1, 1e300, -0.0, "", "画像", 'quo"te\n', "\x00", "link", ["1", 0],
        {"link": 3}, {"value": 1}, {"link": ["1", 0], "value": 2}, [], {},
    ]  # fmt: skip
    if depth < 3 and random.random() < 0.3:
        return [random_value(random, depth + 1) for _ in range(random.randrange(4))]
    if depth < 3 and random.random() < 0.3:
        keys = random.sample(["link", "value", "a", ""], random.randrange(4))
        return {key: random_value(random, depth + 1) for key in keys}
    return random.choice(simple)


def random_graph(seed: int) -> Graph:
    chance = random.Random(seed)
    graph = Graph()
    for number in range(chance.randrange(12)):
        node_id = chance.choice([str(number), f"a.{number}", f"{number}:2", f"节点{number}", f' "{number}" '])
        node = GraphNode(
            chance.choice(["sample", "KSampler (Efficient)", "x"]), title=chance.choice(["", "Titel", "<b>"])
        )
        for name in chance.sample(["seed", "a b", "", "id", "title", "class", "link", "ﬁ"], chance.randrange(6)):
            linked = chance.random() < 0.3
            node.inputs[name] = Ref(chance.choice("abc12"), chance.randrange(5)) if linked else random_value(chance)
        graph.nodes[node_id] = node
    return graph


@pytest.mark.parametrize("indent", [None, 2])
def test_any_graph_comes_back_as_it_was(indent: int | None) -> None:
    for seed in range(300):
        graph = random_graph(seed)
        text = to_json(graph, indent=indent)
        back = from_json(text.encode())
        assert back == graph, f"seed {seed}"
        assert list(back.nodes) == list(graph.nodes), "the order is kept"
        assert to_json(back, indent=indent) == text


def test_ten_thousand_nodes() -> None:
    graph = Graph()
    handle = graph.add("empty", width=512)
    for number in range(10_000):
        handle = graph.add("sample", latents=handle, seed=number)
    began = time.perf_counter()
    assert from_json(to_json(graph)) == graph
    assert time.perf_counter() - began < 10


def test_files(tmp_path: Path) -> None:
    graph = random_graph(5)
    graph.save(tmp_path / "graph.json")
    assert Graph.from_json((tmp_path / "graph.json").read_bytes()) == graph
    assert from_json(b"\xef\xbb\xbf" + to_json(graph).encode()) == graph, "some editors put a mark first"


def nodes(text: str) -> str:
    return f'{{"sdkit_graph": 1, "nodes": {text}}}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "this is no JSON: line 1, column 1: Expecting value"),
        ("{\n  nodes: 1}", "this is no JSON: line 2, column 3"),
        (b"\xff\xfe", "a graph is a text in UTF-8; byte 0 is not"),
        ("[1]", "this is a list without the key 'sdkit_graph', not a graph as sdkit writes it"),
        ("3", "this is a number without the key"),
        ('{"nodes": {}}', "this is an object without the key 'sdkit_graph'"),
        ('{"sdkit_graph": 2, "nodes": {}}', "the graph is of format 2; this sdkit reads format 1, update it"),
        ('{"sdkit_graph": true, "nodes": {}}', "the graph is of format True"),
        ('{"sdkit_graph": 1, "nodes": {}, "extra": 1}', "has the keys 'sdkit_graph' and 'nodes', not 'extra'"),
        ('{"sdkit_graph": 1}', "'nodes' must be an object of nodes by id, not null"),
        (nodes('{"1": {"type": "a"}, "1": {"type": "b"}}'), "'1' is there twice: ids of nodes and names of inputs"),
        (nodes('{"1": {"type": "a", "inputs": {"x": 1, "x": 2}}}'), "'x' is there twice"),
        (nodes('{"1": {"type": "a", "inputs": {"x": NaN}}}'), "NaN is no number that a graph can hold"),
        (nodes('{"1": {"type": "a", "inputs": {"x": -Infinity}}}'), "-Infinity is no number"),
        (nodes('{"1": {"type": "a", "inputs": {"x": 1e999}}}'), "1e999 is no number"),
        ("[" * 100_000, "values are nested too deeply for a graph"),
        (nodes(f'{{"1": {{"type": "a", "inputs": {{"x": {"[" * 100_000}}}}}}}'), "nested too deeply"),
        (nodes(f'{{"1": {{"type": "a", "inputs": {{"x": {"1" * 10_000}}}}}}}'), "this is no graph: "),
        (nodes('{"1": 3}'), "node 1: it must be an object with 'type' and 'inputs', not a number"),
        (nodes('{"1": {}}'), "node 1: 'type' must be the name of a node type, not null"),
        (nodes('{"1": {"type": "a", "inputs": []}}'), r"node 1 \(a\): 'inputs' must be an object of values by name"),
        (nodes('{"1": {"type": "a", "title": 3}}'), r"node 1 \(a\): 'title' must be text, not a number"),
        (nodes('{"1": {"type": "a", "imputs": 3}}'), "a node has 'type', 'title' and 'inputs', not 'imputs'"),
        (nodes('{"1": {"type": "a", "inputs": {"x": {"link": ["2"]}}}}'), "x must be linked as"),
        (nodes('{"1": {"type": "a", "inputs": {"x": {"link": ["2", -1]}}}}'), "x must be linked as"),
        (nodes('{"1": {"type": "a", "inputs": {"x": {"link": [2, 1]}}}}'), "x must be linked as"),
        (nodes('{"1": {"type": "a", "inputs": {"x": {"link": ["2", true]}}}}'), "x must be linked as"),
    ],
)  # fmt: skip
def test_what_is_no_graph(text: str | bytes, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        from_json(text)


def test_all_misshapen_nodes_are_named() -> None:
    with pytest.raises(GraphError) as caught:
        from_json(
            nodes('{"1": 3, "2": {"type": "a", "inputs": {"x": {"link": 1}, "y": {"link": 2}}}, "3": {"type": 4}}')
        )
    assert [(fault.node, fault.input) for fault in caught.value.faults] == [
        ("1", ""),
        ("2", "x"),
        ("2", "y"),
        ("3", ""),
    ]


def test_a_huge_file_is_not_parsed() -> None:
    began = time.perf_counter()
    with pytest.raises(GraphError, match=r"the text has 67,108,865 bytes, a graph may have 67,108,864; is it one\?"):
        from_json(b"[" * (64 * 2**20 + 1))
    assert time.perf_counter() - began < 5
    assert len(from_json('{"sdkit_graph": 1, "nodes": {}}', most_bytes=40)) == 0


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "x is or holds nan"),
        ([{"a": float("inf")}], "x is or holds inf"),
        ((1, 2), "x is or holds a tuple"),
        ({1: 2}, "x holds a dict whose keys are not all text"),
        (b"1", "x is or holds a bytes"),
    ],
)
def test_what_a_file_cannot_hold(value: Any, message: str) -> None:
    graph = Graph()
    graph.add("thing", x=value)
    with pytest.raises(GraphError, match=message):
        to_json(graph)
