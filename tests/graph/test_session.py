"""What runs, in which order, and what runs again."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from sdkit.errors import GraphError, SdkitError
from sdkit.graph import Graph, GraphResult, KeepLast, Ref, Session
from sdkit.graph.events import GraphEvent
from sdkit.graph.executing import Work
from tests.graph._running import Log, arithmetic, chain


def diamond() -> Graph:
    graph = Graph()
    one = graph.add("number", value=1)[0]
    left = graph.add("add", a=one, b=10)[0]
    right = graph.add("mul", a=one, b=20)[0]
    graph.add("add", a=left, b=right, id="sink")
    return graph


def test_nodes_run_after_what_they_read_and_once() -> None:
    log = arithmetic()
    result = log.session().run(diamond())
    assert result.value("sink") == 31
    assert result.executed == ("1", "2", "3", "sink")
    assert log.ran == ["number", "add", "mul", "add"]
    assert set(result.timings) == set(result.executed)
    assert result.values == {"sink": (31,)}, "values are of the nodes that were asked for"


def test_the_order_of_nodes_in_the_graph_does_not_matter() -> None:
    log = arithmetic()
    graph = diamond()
    graph.nodes = dict(reversed(graph.nodes.items()))
    result = log.session().run(graph)
    assert result.value("sink") == 31
    assert result.executed == ("1", "2", "3", "sink")


def test_a_second_run_executes_nothing() -> None:
    log = arithmetic()
    session = log.session()
    session.run(diamond())
    log.since()
    result = session.run(diamond())
    assert log.since() == []
    assert result.executed == ()
    assert set(result.cached) == {"1", "2", "3", "sink"}
    assert result.value("sink") == 31


def test_a_change_executes_what_is_downstream_only() -> None:
    log = arithmetic()
    session = log.session()
    session.run(diamond())
    changed = diamond().changed({"3.b": 30}, log.types)
    result = session.run(changed)
    assert result.executed == ("3", "sink")
    assert set(result.cached) == {"1", "2"}
    assert result.value("sink") == 41


def test_a_change_in_place_is_seen() -> None:
    log = arithmetic()
    session = log.session()
    graph = diamond()
    session.run(graph)
    graph.nodes["1"].inputs["value"] = True
    assert session.run(graph).executed == ("1", "2", "3", "sink"), "True is not the number 1"
    graph.nodes["sink"].inputs["a"] = Ref("3", 0)
    assert session.run(graph).value("sink") == 40
    graph.add("number", value=9, id="more")
    assert session.run(graph).value("more") == 9


def test_a_list_changed_in_place_is_seen() -> None:
    log = Log()
    log.add("join", lambda parts: "-".join(["", *parts]), "parts")
    session = log.session()
    graph = Graph(log.types)
    parts = ["a", "b"]
    graph.add("join", parts=parts)
    assert session.run(graph).value("1") == "-a-b"
    parts.append("c")
    assert session.run(graph).value("1") == "-a-b-c"


def test_equal_nodes_execute_once() -> None:
    log = arithmetic()
    graph = Graph()
    first = graph.add("number", value=3)[0]
    second = graph.add("number", value=3)[0]
    graph.add("add", a=first, b=1)
    graph.add("add", b=1, a=second)
    graph.add("add", a=Ref("3"), b=Ref("4"), id="sum")
    result = log.session().run(graph)
    assert log.ran == ["number", "add", "add"]
    assert result.value("sum") == 8
    assert len(result.executed) + len(result.cached) == 5


def test_an_input_left_out_is_its_default_written() -> None:
    log = Log()
    log.add("power", lambda base, exponent: base**exponent, "base")
    from dataclasses import replace

    from sdkit.graph import Input

    power = log.types["power"]
    log.types["power"] = replace(power, inputs=(*power.inputs, Input("exponent", "int", required=False, default=2)))
    session = log.session()
    graph = Graph()
    graph.add("power", base=3)
    assert session.run(graph).value("1") == 9
    graph.nodes["1"].inputs["exponent"] = 2
    assert session.run(graph).executed == ()


def test_whole_numbers_arrive_as_the_input_has_them() -> None:
    from sdkit.graph import Input, NodeType, Output

    def show(strength: float, count: int) -> str:
        return f"{strength!r} {count!r}"

    types = {
        "show": NodeType("show", show, (Input("strength", "float"), Input("count", "int")), (Output("out", "str"),))
    }
    graph = Graph()
    graph.add("show", strength=1, count=2.0)
    assert Session(types).run(graph).value("1") == "1.0 2"


@pytest.mark.parametrize("length", [10_000])
def test_a_long_chain_needs_no_recursion(length: int) -> None:
    assert sys.getrecursionlimit() <= 1000 + 200, "the default, or hardly more"
    log = arithmetic()
    session = log.session()
    graph = chain(length)
    result = session.run(graph)
    assert result.value(str(length)) == length - 1
    assert result.executed == tuple(map(str, range(1, length + 1)))
    assert session.run(graph).executed == ()
    graph.nodes[str(length - 1)].inputs["b"] = 2
    assert session.run(graph).executed == (str(length - 1), str(length))


def test_chosen_outputs_run_what_they_need_only() -> None:
    log = arithmetic()
    graph = diamond()
    graph.add("add", a=1)  # a fault, but nobody asks for it
    result = log.session().run(graph, outputs=["2"])
    assert result.values == {"2": (11,)}
    assert result.executed == ("1", "2")
    result = log.session().run(graph, outputs=[graph.handle("3"), Ref("2")])
    assert result.values == {"3": (20,), "2": (11,)}


def test_output_nodes_are_the_default() -> None:
    log = arithmetic()
    log.add("save", lambda value: None, "value", "", is_output=True)
    graph = diamond()
    graph.add("save", value=Ref("2"), id="saved")
    result = log.session().run(graph)
    assert result.executed == ("1", "2", "saved"), "without the sink, which is no output node"
    assert result.values == {"saved": ()}


def test_every_fault_is_told_before_anything_runs() -> None:
    log = arithmetic()
    session = log.session()
    graph = diamond()
    graph.add("ad", a=1, b=2, id="misspelt")
    graph.add("add", a=Ref("nowhere"), id="incomplete")
    with pytest.raises(GraphError) as caught:
        session.run(graph)
    assert {fault.node for fault in caught.value.faults} == {"misspelt", "incomplete"}
    assert len(caught.value.faults) == 3, caught.value.faults
    assert session.check(graph) == caught.value.faults
    assert log.ran == []
    assert session.check(graph, outputs=["sink"]) == ()
    with pytest.raises(GraphError, match="no node 'x' to ask for"):
        session.run(graph, outputs=["x"])


def test_a_cycle_is_a_fault() -> None:
    log = arithmetic()
    graph = Graph()
    graph.add("add", a=Ref("2"), b=1)
    graph.add("add", a=Ref("1"), b=1)
    with pytest.raises(GraphError, match="→"):
        log.session().run(graph)
    assert log.ran == []


def test_changes_belong_to_the_signature() -> None:
    log = Log()
    state = {"hash": "a"}
    asked: list[dict[str, object]] = []

    def changes(**written: object) -> object:
        asked.append(written)
        return state["hash"]

    log.add("number", lambda value: value, "value")
    log.add("load", lambda path, scale: f"{path}×{scale}", "path scale", changes=changes)
    session = log.session()
    graph = Graph()
    graph.add("number", value=2)
    graph.add("load", path="x.png", scale=Ref("1"))
    session.run(graph)
    assert asked == [{"path": "x.png", "scale": None}], "what comes over links is not known yet"
    assert session.run(graph).executed == ()
    state["hash"] = "b"
    assert session.run(graph).executed == ("2",)
    state["hash"] = float("nan")  # pyright: ignore[reportArgumentType]
    assert session.run(graph).executed == ("2",)
    assert session.run(graph).executed == ("2",), "NaN is never the same"


def test_an_error_in_changes_is_the_nodes() -> None:
    from sdkit.errors import NodeError

    log = arithmetic()

    def changes(path: str) -> object:
        raise OSError("no such file")

    log.add("load", lambda path: path, "path", changes=changes)
    graph = Graph()
    graph.add("load", path="x.png")
    graph.add("number", value=1)
    with pytest.raises(NodeError, match=r"node 1 \(load\) failed: OSError: no such file") as caught:
        log.session().run(graph)
    assert isinstance(caught.value.__cause__, OSError)
    assert log.ran == ["number"], "what does not depend on it runs"


def test_a_new_version_executes_again() -> None:
    log = Log()
    log.add("f", lambda: 1)
    cache = KeepLast()
    graph = Graph()
    graph.add("f")
    assert log.session(cache=cache).run(graph).executed == ("1",)
    assert log.session(cache=cache).run(graph).executed == ()
    log.add("f", lambda: 2, version=2)
    assert log.session(cache=cache).run(graph).value("1") == 2


def test_a_function_defined_anew_executes_again() -> None:
    log = Log()
    log.add("f", lambda: 1)
    session = log.session()
    graph = Graph()
    graph.add("f")
    assert session.run(graph).value("1") == 1
    log.add("f", lambda: 2)
    assert session.run(graph).value("1") == 2, "same name and version, but another function"


def test_what_is_allowed_is_asked_in_every_run() -> None:
    from sdkit.graph import Choices, Input, NodeType, Output

    files = ["a.png"]
    types = {
        "load": NodeType(
            "load", lambda name: name, (Input("name", "str", choices=Choices("files")),), (Output("out", "str"),)
        )
    }
    session = Session(types, choices=lambda source: files)
    graph = Graph()
    graph.add("load", name="a.png")
    session.run(graph)
    files[:] = ["b.png"]
    with pytest.raises(GraphError, match=r"b\.png"):
        session.run(graph)


def test_values_are_asked_for_by_name() -> None:
    log = arithmetic()
    log.add("both", lambda: (1, 2), outputs="a b")
    graph = Graph(log.types)
    both = graph.add("both")
    result = log.session().run(graph)
    assert (result.value(both["a"]), result.value(Ref("1", 1))) == (1, 2)
    with pytest.raises(SdkitError, match="2 outputs; say which"):
        result.value("1")
    with pytest.raises(SdkitError, match="no output 2"):
        result.value(Ref("1", 2))
    with pytest.raises(SdkitError, match=r"no value of node '7'"):
        result.value("7")


def test_functions_need_no_registration() -> None:
    def half(value: int) -> float:
        return value / 2

    graph = Graph()
    graph.add(half, value=3)
    assert Session({}).run(graph).value("1") == 1.5


def test_another_executor_gets_the_checked_work() -> None:
    seen: list[Any] = []

    class Elsewhere:
        def execute(self, work: Work, emit: object) -> GraphResult:
            seen.append((work.graph, work.plan.outputs, [*work.plan.steps]))
            return GraphResult({"sink": (5,)})

    log = arithmetic()
    graph = diamond()
    session = log.session(executor=Elsewhere())
    told: list[GraphEvent] = []
    assert session.run(graph, on_event=told.append).value("sink") == 5
    assert seen == [(graph, ("sink",), ["1", "2", "3", "sink"])]
    assert [type(each).__name__ for each in told] == ["GraphFinished"]
    with pytest.raises(GraphError):
        session.run(graph.changed({"sink.a": Ref("nowhere")}))
    assert len(seen) == 1, "what has faults never reaches an executor"
