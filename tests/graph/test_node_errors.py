"""Nodes that fail: what is told, what still runs, what is kept."""

from __future__ import annotations

import pickle

import pytest

from sdkit.errors import NodeError
from sdkit.graph import Graph, GraphResult
from sdkit.graph.describing import describe
from tests.graph._running import Log, arithmetic


def failing() -> tuple[Log, list[bool]]:
    log = arithmetic()
    broken = [True]

    def divide(a: object, b: int) -> object:
        if broken[0]:
            raise ZeroDivisionError("division by zero")
        return a

    log.add("divide", divide, "a b")
    return log, broken


def failing_graph() -> Graph:
    graph = Graph()
    one = graph.add("number", value=1)[0]
    bad = graph.add("divide", a=one, b=0, id="bad", title="The division")[0]
    graph.add("add", a=bad, b=1, id="behind")
    good = graph.add("add", a=one, b=5, id="good")[0]
    graph.add("mul", a=good, b=2, id="end")
    return graph


def test_everything_independent_completes_and_is_kept() -> None:
    log, broken = failing()
    session = log.session()
    with pytest.raises(NodeError) as caught:
        session.run(failing_graph())
    error = caught.value
    assert log.since() == ["number", "divide", "add", "mul"]
    assert (error.node, error.node_type) == ("bad", "divide")
    assert str(error) == (
        "node bad (divide, 'The division') failed: ZeroDivisionError: division by zero\n  its inputs: b=0, a=1 from 1"
    )
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert isinstance(error.result, GraphResult)
    assert error.result.values == {"end": (12,)}
    assert error.result.errors == {"bad": error}
    broken[0] = False
    result = session.run(failing_graph())
    assert result.executed == ("bad", "behind"), "only what failed, and what depends on it"
    assert result.value("behind") == 2


def test_several_failures_are_all_in_the_result() -> None:
    log, _ = failing()
    graph = Graph()
    graph.add("divide", a=1, b=0)
    graph.add("divide", a=2, b=0)
    with pytest.raises(NodeError, match="node 1 ") as caught:
        log.session().run(graph)
    assert isinstance(caught.value.result, GraphResult)
    assert list(caught.value.result.errors) == ["1", "2"]
    assert caught.value.__notes__ == ["other nodes failed, too: 2 (error.result.errors)"]


def test_errors_are_pickled() -> None:
    log, _ = failing()
    with pytest.raises(NodeError) as caught:
        log.session().run(failing_graph())
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.node, str(again)) == ("bad", str(caught.value))


def test_interrupts_are_not_node_errors() -> None:
    log = arithmetic()

    def interrupt() -> None:
        raise KeyboardInterrupt

    log.add("interrupt", interrupt)
    graph = Graph()
    graph.add("interrupt")
    with pytest.raises(KeyboardInterrupt):
        log.session().run(graph)


class Array:
    shape = (1, 4, 8, 8)
    dtype = "torch.float16"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Array(), "Array[1×4×8×8] float16"),
        ("x" * 100, "'" + "x" * 59 + "…"),
        ([1, 2, 3, 4, 5], "[1, 2, 3, 4, …]"),
        ({"samples": Array()}, "{samples: Array[1×4×8×8] float16}"),
        ((1.5, None), "(1.5, None)"),
        (object(), "a object"),
    ],
)
def test_values_in_a_few_words(value: object, shown: str) -> None:
    assert describe(value) == shown
