"""All faults of a graph are found at once, in words that say what to do."""

from __future__ import annotations

import time
from typing import Any

import pytest

from sdkit.errors import Fault, GraphError
from sdkit.graph import (
    Choices,
    Graph,
    GraphNode,
    Input,
    NodeType,
    Output,
    Ref,
    arriving,
    check,
    dependency_order,
    fits,
    written_inputs,
)
from tests.graph._kinds import TYPES, samplers


def sampling(**inputs: Any) -> Graph:
    graph = Graph(TYPES)
    graph.add("sample", **({"model": graph.add("load").model, "latents": graph.add("empty")} | inputs))
    return graph


def messages(graph: Graph, **options: Any) -> list[str]:
    return [str(fault) for fault in check(graph, TYPES, samplers, **options)]


def test_a_graph_without_faults() -> None:
    assert messages(sampling(steps=20, denoise=1, mode="exact", preview=True, sampler="heun")) == []
    assert messages(Graph()) == []


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"steps": 0}, "steps is 0, must be at least 1"),
        ({"steps": 1001}, "steps is 1001, must be at most 1000"),
        ({"steps": 2.5}, "steps is 2.5, must be a whole number"),
        ({"steps": "20"}, "steps is the text '20', must be a whole number"),
        ({"steps": True}, "steps is True, must be a whole number"),
        ({"steps": None}, "steps is null; leave it out, or link it"),
        ({"steps": float("nan")}, "steps is nan, must be a finite number"),
        ({"steps": [1, 2]}, "steps is the list [1, 2], must be a whole number"),
        ({"denoise": 0}, "denoise is 0, must be more than 0"),
        ({"denoise": 1.01}, "denoise is 1.01, must be at most 1"),
        ({"denoise": float("inf")}, "denoise is inf, must be a finite number"),
        ({"denoise": 10**400}, "denoise is 1" + "0" * 58 + "…, must be a finite number"),
        ({"mode": "exat"}, "mode is 'exat', which is not one of the choices; did you mean 'exact'?"),
        ({"mode": 1}, "mode is 1, which is not one of the choices; there are fast, exact"),
        ({"sampler": "eular"}, "sampler is 'eular', which is not among the samplers; did you mean 'euler'?"),
        ({"preview": 1}, "preview is 1, must be true or false"),
        ({"stpes": 3}, "there is no input 'stpes'; did you mean 'steps'?"),
        ({"latents": 3}, "latents is written, 3, but comes over a link only; link it"),
        ({"latents": Ref("1", 0)}, "latents takes Latents, but output 0 of node 1 (load) is Model"),
        (
            {"latents": Ref("2", 5)},
            "latents comes from output 5 of node 2 (empty), which does not exist; it has 0: latents",
        ),
        (
            {"latents": Ref("2", -1)},
            "latents comes from output -1 of node 2 (empty), which does not exist; it has 0: latents",
        ),
        (
            {"model": Ref("1", 1)},
            "model takes Model, but output 1 of node 1 (load) is Clip; its output 'model' would fit",
        ),
        ({"model": Ref("nope")}, "model comes from node nope, which does not exist"),
    ],
)  # fmt: skip
def test_every_kind_of_fault(inputs: dict[str, Any], message: str) -> None:
    assert messages(sampling(**inputs)) == [f"node 3 (sample): {message}"]


def test_missing_inputs_say_who_has_them() -> None:
    graph = Graph()
    graph.add("load")
    graph.add("sample")
    assert messages(graph) == [
        "node 2 (sample): model is missing, it takes Model; node 1 (load) makes one",
        "node 2 (sample): latents is missing, it takes Latents",
    ]


def test_multiples_and_whole_floats() -> None:
    graph = Graph()
    graph.add("empty", width=513)
    graph.add("empty", width=512.0)
    assert messages(graph) == ["node 1 (empty): width is 513, must be a multiple of 8"]
    (width,) = TYPES["empty"].inputs
    assert (arriving(width, 512.0), type(arriving(width, 512.0))) == (512, int)
    denoise = TYPES["sample"].input("denoise")
    assert denoise is not None
    assert type(arriving(denoise, 1)) is float
    step = NodeType("step", print, (Input("by", "float", multiple_of=0.1),))
    for value, fine in ((0.3, True), (0.7, True), (0.35, False)):
        graph = Graph()
        graph.add(step, by=value)
        assert (check(graph, {}) == ()) is fine


def test_all_faults_come_at_once_in_the_order_of_the_graph() -> None:
    graph = sampling(steps=0, denoise=2.0, foo=1)
    graph.add("sampel", latents=Ref("9"))
    graph.add("save", id="a", latents=Ref("b"))
    graph.add("join", id="c", x=Ref("d"))
    graph.add("join", id="d", x=Ref("c"), y=Ref("gone"))
    assert messages(graph, origin=lambda name: f"install {name}s") == [
        "node 3 (sample): steps is 0, must be at least 1",
        "node 3 (sample): denoise is 2.0, must be at most 1",
        "node 3 (sample): there is no input 'foo'; it has model, latents, seed, steps, denoise, sampler, mode, preview",
        "node 4: there is no node type 'sampel'; install sampels",
        "node 4 (sampel): latents comes from node 9, which does not exist",
        "node a (save): latents comes from node b, which does not exist",
        "node d (join): y comes from node gone, which does not exist",
        "node c (join): it depends on itself: c → d → c; take out one of these links",
    ]
    assert messages(graph)[3] == "node 4: there is no node type 'sampel'; did you mean 'sample' or 'save'?"


def test_faults_have_parts_and_make_an_error() -> None:
    (fault,) = check(sampling(steps=0), TYPES)
    assert fault == Fault(
        "3", "steps", "steps is 0, must be at least 1", "sample", "a whole number, at least 1, at most 1000", "0"
    )
    error = GraphError.of([fault])
    assert error.faults == (fault,)
    assert str(error) == ("the graph cannot run, it has one fault:\n  node 3 (sample): steps is 0, must be at least 1")
    many = GraphError.of([fault] * 60)
    assert str(many).splitlines()[0] == "the graph cannot run, it has 60 faults:"
    assert str(many).splitlines()[-1] == "  … and 10 more"
    assert len(many.faults) == 60


def test_choices_are_asked_for_once_and_may_be_open() -> None:
    asked: list[str] = []

    def choices(source: str) -> list[object]:
        asked.append(source)
        return ["a", "b"]

    kind = NodeType(
        "pick",
        print,
        (Input("closed", "str", choices=Choices("x")), Input("open", "str", choices=Choices("y", open=True))),
    )
    graph = Graph()
    for _ in range(3):
        graph.add(kind, closed="c", open="anything")
    assert len(check(graph, {}, choices)) == 3
    assert sorted(asked) == ["x", "y"]
    assert check(graph, {}) == (), "without anybody to ask, anything may be right"
    graph.nodes["1"].inputs["open"] = 3
    assert [str(each) for each in check(graph, {})] == ["node 1 (pick): open is 3, must be text"]


def test_true_is_not_one() -> None:
    kind = NodeType("pick", print, (Input("x", "int", choices=(0, 1)),))
    graph = Graph()
    graph.add(kind, x=True)
    graph.add(kind, x=1)
    assert [fault.node for fault in check(graph, {})] == ["1"]


@pytest.mark.parametrize(
    ("output", "wanted", "expected"),
    [
        ("IMAGE", "IMAGE", True), ("IMAGE", "MASK", False), ("*", "MASK", True), ("IMAGE", "*", True),
        ("IMAGE", "MASK,IMAGE", True), ("IMAGE, MASK", "MASK", True), ("int", "float", True), ("float", "int", False),
        ("bool", "int", False), ("A,B", "C,D", False), ("A", "C,*", True),
    ],
)  # fmt: skip
def test_which_sockets_fit(output: str, wanted: str, expected: bool) -> None:
    assert fits(output, wanted) is expected


def test_a_node_type_may_know_better_what_fits() -> None:
    reader = NodeType("reader", print, (Input("x", "ANYTHING"),), fits=lambda output, wanted: wanted == "ANYTHING")
    graph = Graph()
    graph.add(reader, x=graph.add(NodeType("source", print, (), (Output("y", "Y"),))))
    assert check(graph, {}) == ()


def test_nodes_check_their_own_inputs() -> None:
    seen: list[dict[str, object]] = []

    def own(**inputs: object) -> str | None:
        seen.append(inputs)
        if inputs["path"] == "boom":
            raise KeyError("boom")
        return None if inputs["path"] == "good" else f"no file {inputs['path']}"

    kind = NodeType(
        "read", print, (Input("path", "str"), Input("other", "str", False), Input("n", "float", False, 2)), check=own
    )
    graph = Graph()
    graph.add(kind, path="good", n=1)
    graph.add(kind, path="bad", other=Ref("5"))
    graph.add(kind, path="boom")
    graph.add(kind, path=3)
    graph.add(NodeType("text", print, (), (Output("text", "str"),)))
    assert [str(each) for each in check(graph, {})] == [
        "node 2 (read): no file bad",
        "node 3 (read): its own check of the inputs failed: KeyError: 'boom'",
        "node 4 (read): path is 3, must be text",
    ]
    assert seen[:2] == [{"path": "good", "n": 1.0}, {"path": "bad", "other": None, "n": 2}]
    assert written_inputs(GraphNode("read", {}), kind) == {"n": 2}


def test_every_cycle_is_shown_once() -> None:
    graph = Graph()
    for node_id, sources in {"a": "c", "b": "a", "c": "b", "behind": "c", "e": "e", "x": "y", "y": "xe"}.items():
        graph.insert(GraphNode("join", {source: Ref(source) for source in sources}), node_id)
    assert [str(each).partition("itself: ")[2] for each in check(graph, TYPES)] == [
        "a → b → c → a; take out one of these links",
        "e → e; take out one of these links",
        "x → y → x; take out one of these links",
    ]


def chain(length: int) -> Graph:
    graph = Graph(TYPES)
    model, handle = graph.add("load").model, graph.add("empty")
    for _ in range(length):
        handle = graph.add("sample", model=model, latents=handle, steps=3, sampler="euler")
    return graph


def test_ten_thousand_nodes_are_checked_without_recursion() -> None:
    graph = chain(10_000)
    began = time.perf_counter()
    assert check(graph, TYPES, samplers) == ()
    assert time.perf_counter() - began < 5  # some 0.2 s; quadratic growth would take minutes
    order, cycles = dependency_order(graph)
    assert (order, cycles) == (list(graph.nodes), [])


def test_a_long_cycle_is_cut() -> None:
    graph = chain(10_000)
    graph.nodes["3"].inputs["latents"] = Ref("10002")
    (fault,) = check(graph, TYPES)
    assert "it depends on itself: 3 → 4 → 5 → 6 → 7 → 8 → 9 → 10 → 11 → 12 → 13 → … → 3; " in str(fault)
    many = Graph(TYPES)
    for number in range(0, 10_000, 2):
        many.add("join", id=str(number), x=Ref(str(number + 1)))
        many.add("join", id=str(number + 1), x=Ref(str(number)))
    assert len(check(many, TYPES)) == 5_000
