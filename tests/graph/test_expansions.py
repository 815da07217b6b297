"""Nodes that return graphs."""

from __future__ import annotations

import sys

import pytest

from sdkit.errors import NodeError
from sdkit.graph import Expansion, Graph, GraphBuilder, KeepLast, NoCache, NodeContext, NodeStarted, Ref
from sdkit.graph.events import GraphEvent
from tests.graph._running import Log, arithmetic


def looping() -> Log:
    """loop(n, total): n + (n - 1) + … + 1 + total, by expansions one within the other."""
    log = arithmetic()

    def loop(n: int, total: int) -> object:
        if n == 0:
            return total
        build = GraphBuilder()
        more = build.add("add", a=total, b=n)
        return build.expansion(build.add("loop", n=n - 1, total=more)[0])

    log.add("loop", loop, "n total")
    return log


def test_a_node_becomes_a_graph() -> None:
    log = arithmetic()

    def square_and_more(value: int) -> Expansion:
        build = GraphBuilder()
        square = build.add("mul", a=value, b=value, id="square")
        return build.expansion(square[0], value)

    log.add("both", square_and_more, "value", "square same")
    graph = Graph()
    both = graph.add("both", value=graph.add("number", value=4)[0], id="both")
    graph.add("add", a=both[0], b=both[1], id="sum")
    told: list[GraphEvent] = []
    session = log.session()
    result = session.run(graph, on_event=told.append)
    assert result.value("sum") == 20
    assert result.executed == ("1", "both/1.square", "both", "sum")
    started = [each for each in told if isinstance(each, NodeStarted)]
    assert [(each.node, each.root) for each in started][2] == ("both/1.square", "both")
    assert session.run(graph).executed == ()
    assert session.run(graph.changed({"1.value": 5})).value("sum") == 30


@pytest.mark.parametrize("cache", [KeepLast, NoCache])
def test_a_loop_of_a_thousand(cache: type) -> None:
    log = looping()
    graph = Graph()
    graph.add("loop", n=1000, total=0)
    result = log.session(cache=cache()).run(graph)
    assert result.value("1") == 500_500
    assert log.ran.count("loop") == 1001
    assert log.ran.count("add") == 1000
    assert max(map(len, result.executed)) < 12, "ids do not grow with the depth"


def test_loops_grow_linearly() -> None:
    def calls(n: int) -> int:
        graph = Graph()
        graph.add("loop", n=n, total=0)
        session = looping().session()
        count = 0

        def profile(frame: object, event: str, argument: object) -> None:
            nonlocal count
            count += 1

        sys.setprofile(profile)
        try:
            session.run(graph)
        finally:
            sys.setprofile(None)
        return count

    first, second, third = calls(100), calls(200), calls(300)
    assert third - second == pytest.approx(second - first, rel=0.02), "calls of functions, ours and Python's"


def test_what_an_expansion_computed_is_kept() -> None:
    log = looping()
    session = log.session()
    graph = Graph()
    graph.add("loop", n=3, total=0)
    session.run(graph)
    log.since()
    result = session.run(graph.changed({"1.n": 4, "1.total": -4}))
    assert result.value("1") == 6
    assert "add" in log.since()
    assert session.run(graph.changed({"1.n": 4, "1.total": -4})).executed == ()


def test_inner_nodes_are_found_again_when_the_outer_one_changes() -> None:
    log = arithmetic()

    def expand(value: object, note: str) -> Expansion:
        build = GraphBuilder()
        return build.expansion(build.add("slow", value=value))

    log.add("thing", lambda: Thing(7))
    log.add("slow", lambda value: value.number, "value")
    log.add("expand", expand, "value note")
    session = log.session()
    graph = Graph()
    graph.add("expand", value=graph.add("thing")[0], note="a", id="expand")
    assert session.run(graph).value("expand") == 7
    log.since()
    session.run(graph.changed({"expand.note": "b"}))
    assert log.since() == ["expand"], "the thing is known by where it comes from, though it has no signature itself"


class Thing:
    def __init__(self, number: int) -> None:
        self.number = number


def test_values_made_by_the_node_belong_to_its_signature() -> None:
    log = arithmetic()

    def expand(number: int) -> Expansion:
        build = GraphBuilder()
        return build.expansion(build.add("slow", value=Thing(number)))

    log.add("slow", lambda value: value.number, "value")
    log.add("expand", expand, "number")
    session = log.session()
    graph = Graph()
    graph.add("expand", number=1)
    assert session.run(graph).value("1") == 1
    assert session.run(graph.changed({"1.number": 2})).value("1") == 2
    assert session.run(graph.changed({"1.number": 2})).executed == ()


def test_links_to_the_outer_graph() -> None:
    log = arithmetic()
    log.add("outer", lambda: Expansion(Graph(), [Ref("far", 0)]))

    def inner() -> Expansion:
        build = GraphBuilder()
        return build.expansion(build.add("add", a=Ref("far"), b=1))

    log.add("inner", inner)
    graph = Graph()
    graph.add("number", value=30, id="far")
    graph.add("outer", id="outer")
    graph.add("inner", id="inner")
    result = log.session().run(graph, outputs=["outer", "inner"])
    assert (result.value("outer"), result.value("inner")) == (30, 31)
    assert log.ran.count("number") == 1


def test_expansions_over_lists() -> None:
    log = arithmetic()
    log.add("count", lambda upto: list(range(upto)), "upto", "numbers*")

    def square(value: int) -> object:
        if value == 0:
            return 0
        build = GraphBuilder()
        return build.expansion(build.add("mul", a=value, b=value))

    log.add("square", square, "value")
    graph = Graph()
    graph.add("square", value=graph.add("count", upto=4)[0])
    result = log.session().run(graph)
    assert result.value("2") == [0, 1, 4, 9]
    assert log.ran.count("mul") == 3


def test_output_nodes_of_an_expansion_run_and_report_under_the_users_node() -> None:
    log = arithmetic()

    def save(value: int, context: NodeContext) -> None:
        context.report("saved", value)

    log.add("save", save, "value", "", is_output=True, context="context")

    def expand(value: int) -> Expansion:
        build = GraphBuilder()
        build.add("save", value=value)
        build.add("save", value=value + 1)
        build.add("mul", a=1, b=1)
        return build.expansion(value)

    log.add("expand", expand, "value")
    session = log.session()
    graph = Graph()
    graph.add("expand", value=3)
    for _ in range(2):
        result = session.run(graph)
        assert result.ui == {"1": {"saved": [3, 4]}}
    assert "mul" not in log.ran, "nobody needs it"
    assert log.ran.count("save") == 2


def test_an_inner_failure_names_both_nodes_and_is_repeated_alone() -> None:
    log = arithmetic()
    broken = [True]

    def divide(a: int, b: int) -> float:
        if broken[0]:
            raise ValueError("not today")
        return a / b

    log.add("divide", divide, "a b")

    def expand(value: int) -> Expansion:
        build = GraphBuilder()
        return build.expansion(build.add("divide", a=build.add("mul", a=value, b=value), b=2))

    log.add("expand", expand, "value")
    graph = Graph()
    graph.add("expand", value=4)
    session = log.session()
    with pytest.raises(
        NodeError, match=r"node 1/1\.2 \(divide\), to which node 1 was expanded, failed: ValueError: not"
    ):
        session.run(graph)
    broken[0] = False
    log.since()
    assert session.run(graph).value("1") == 8.0
    assert log.since() == ["expand", "divide"]


@pytest.mark.parametrize(
    ("expansion", "said"),
    [
        (lambda: Expansion(Graph(), []), "1 outputs?, but the expansion that it returned names 0"),
        (lambda: Expansion(Graph(), [Ref("x")]), "no node 'x'"),
        (lambda: GraphBuilder().expansion(Ref("1", 3)), r"has 1 outputs?; there is no output 3"),
    ],
)
def test_a_bad_expansion_is_the_nodes_error(expansion: object, said: str) -> None:
    log = arithmetic()
    log.add("odd", expansion)  # pyright: ignore[reportArgumentType]
    graph = Graph()
    graph.add("number", value=1)
    graph.add("odd", id="odd")
    with pytest.raises(NodeError, match=said) as caught:
        log.session().run(graph)
    assert caught.value.node == "odd"


def test_an_expansion_of_unknown_types_or_with_a_cycle() -> None:
    log = arithmetic()

    def unknown() -> Expansion:
        build = GraphBuilder()
        return build.expansion(build.add("ad", a=1, b=2)[0])

    def cycle() -> Expansion:
        build = GraphBuilder()
        build.add("add", a=Ref("2"), b=1)
        return build.expansion(build.add("add", a=Ref("1"), b=1))

    log.add("unknown", unknown)
    log.add("cycle", cycle)
    for name, said in (("unknown", "Did you mean 'add'"), ("cycle", "cycle: .*→")):
        graph = Graph()
        graph.add(name)
        with pytest.raises(NodeError, match=said):
            log.session().run(graph)


def test_a_node_that_expands_to_itself_is_an_error() -> None:
    log = arithmetic()

    def again(value: int) -> Expansion:
        build = GraphBuilder()
        return build.expansion(build.add("again", value=value)[0])

    log.add("again", again, "value")
    graph = Graph()
    graph.add("again", value=1)
    with pytest.raises(NodeError, match="waits for itself"):
        log.session().run(graph)


def test_a_node_sees_all_nodes_of_the_run() -> None:
    log = arithmetic()
    seen: list[object] = []

    def look(context: NodeContext, value: int) -> int:
        seen.append((context.node, context.root, dict(context.links), sorted(context.nodes)))
        return value

    log.add("look", look, "value", context="context")

    def expand(value: int) -> Expansion:
        build = GraphBuilder()
        return build.expansion(build.add("look", value=build.add("number", value=value)))

    log.add("expand", expand, "value")
    graph = Graph()
    graph.add("expand", value=4, id="e")
    log.session().run(graph)
    assert seen == [("e/1.2", "e", {"value": Ref("e/1.1", 0)}, ["e", "e/1.1", "e/1.2"])]
