"""Nodes behind lists run once per element."""

from __future__ import annotations

import pytest

from sdkit.errors import NodeError
from sdkit.graph import Blocked, Graph, Ref
from tests.graph._running import Log, arithmetic


def lists() -> Log:
    log = arithmetic()
    log.add("count", lambda upto: list(range(upto)), "upto", "numbers*")
    log.add("total", lambda values: sum(values, 0), "values", takes_lists=True)
    log.add("seen", lambda a, b: (a, b), "a b", takes_lists=True)
    return log


def test_a_node_runs_once_per_element() -> None:
    log = lists()
    graph = Graph()
    graph.add("add", a=graph.add("count", upto=3)[0], b=10)
    result = log.session().run(graph)
    assert result.value("2") == [10, 11, 12]
    assert log.ran == ["count", "add", "add", "add"]
    assert result.executed == ("1", "2")


def test_the_longest_list_counts_and_others_repeat_their_last_element() -> None:
    log = lists()
    graph = Graph()
    graph.add("add", a=graph.add("count", upto=4)[0], b=graph.add("count", upto=2)[0])
    assert log.session().run(graph).value("3") == [0 + 0, 1 + 1, 2 + 1, 3 + 1]


def test_lists_go_through_chains_and_end_where_a_node_takes_them() -> None:
    log = lists()
    graph = Graph()
    doubled = graph.add("mul", a=graph.add("count", upto=4)[0], b=2)[0]
    total = graph.add("total", values=doubled)[0]
    graph.add("add", a=total, b=1, id="end")
    assert log.session().run(graph).value("end") == 13
    assert log.ran.count("total") == 1


def test_what_takes_lists_gets_everything_as_a_list() -> None:
    log = lists()
    graph = Graph()
    graph.add("seen", a=graph.add("number", value=5)[0], b=7)
    assert log.session().run(graph).value("2") == ([5], [7])


def test_an_empty_list_makes_empty_lists() -> None:
    log = lists()
    graph = Graph()
    empty = graph.add("count", upto=0)[0]
    graph.add("add", a=empty, b=graph.add("count", upto=3)[0], id="sum")
    graph.add("total", values=Ref("sum"), id="total")
    session = log.session()
    result = session.run(graph, outputs=["sum", "total"])
    assert (result.value("sum"), result.value("total")) == ([], 0)
    assert "add" not in log.ran
    assert session.run(graph).executed == ()


def test_lists_of_lists_become_one() -> None:
    log = lists()
    graph = Graph()
    graph.add("count", upto=graph.add("count", upto=4)[0])
    result = log.session().run(graph)
    assert result.value("2") == [0, 0, 1, 0, 1, 2]


def test_a_list_of_one_stays_a_list() -> None:
    log = lists()
    graph = Graph()
    graph.add("add", a=graph.add("count", upto=1)[0], b=1)
    assert log.session().run(graph).value("2") == [1]


def test_several_outputs_are_collected_each() -> None:
    log = lists()
    log.add("split", lambda value: (value, [value, -value]), "value", "one both*")
    graph = Graph()
    graph.add("split", value=graph.add("count", upto=3)[0])
    assert log.session().run(graph).values["2"] == ([0, 1, 2], [0, 0, 1, -1, 2, -2])


def test_one_element_may_be_blocked() -> None:
    log = lists()
    log.add("odd_only", lambda value: value if value % 2 else Blocked(), "value")
    graph = Graph()
    odd = graph.add("odd_only", value=graph.add("count", upto=4)[0])[0]
    graph.add("add", a=odd, b=100, id="sum")
    result = log.session().run(graph)
    values = result.value("sum")
    assert isinstance(values, list)
    assert [each if isinstance(each, int) else "blocked" for each in values] == ["blocked", 101, "blocked", 103]
    assert log.ran.count("add") == 2


@pytest.mark.parametrize(
    ("outputs", "returned", "said"),
    [
        ("a b", 1, r"2 outputs \(a, b\), but returned 1 value: 1"),
        ("a b", (1, 2, 3), "returned 3 values"),
        ("a*", 5, "output 'a' is a list, but it returned 5"),
        ("a* b", (1, 2), "output 'a' is a list"),
    ],
)
def test_results_of_the_wrong_shape_are_the_nodes_error(outputs: str, returned: object, said: str) -> None:
    log = Log()
    log.add("odd", lambda: returned, outputs=outputs)
    graph = Graph()
    graph.add("odd")
    with pytest.raises(NodeError, match=said) as caught:
        log.session().run(graph)
    assert caught.value.node == "1"


def test_the_only_output_may_be_a_tuple() -> None:
    log = Log()
    log.add("pair", lambda: (1, 2))
    graph = Graph()
    graph.add("pair")
    assert log.session().run(graph).value("1") == (1, 2)
