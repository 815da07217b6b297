"""Lazy inputs: what leads to them runs only if a node's `needs` asks."""

from __future__ import annotations

import pytest

from sdkit.errors import NodeError
from sdkit.graph import Graph, NoCache, Ref
from tests.graph._running import Log, arithmetic


def switching() -> Log:
    log = arithmetic()
    log.add(
        "switch",
        lambda which, yes, no: yes if which else no,
        "which yes! no!",
        needs=lambda which, yes, no: ["yes"] if which else ["no"],
    )
    return log


def switch_graph(which: bool) -> Graph:
    graph = Graph()
    yes = graph.add("add", a=1, b=1, id="yes")[0]
    no = graph.add("mul", a=graph.add("number", value=5)[0], b=2, id="no")[0]
    graph.add("switch", which=which, yes=yes, no=no, id="switch")
    return graph


def test_an_unused_lazy_branch_never_runs() -> None:
    log = switching()
    session = log.session()
    result = session.run(switch_graph(True))
    assert result.value("switch") == 2
    assert result.executed == ("yes", "switch")
    assert session.run(switch_graph(False)).executed == ("1", "no", "switch"), "5 · 2"
    assert session.run(switch_graph(True)).executed == ("switch",), "what is in the graph is kept"


def test_needs_asks_in_several_rounds() -> None:
    log = arithmetic()
    rounds: list[tuple[object, object, object]] = []

    def needs(first: object, second: object, third: object) -> list[str]:
        rounds.append((first, second, third))
        return ["first"] if first is None else ["second"] if second is None and first == 1 else []

    log.add("chain", lambda first, second, third: (first, second, third), "first! second! third!", needs=needs)
    graph = Graph()
    for number, name in enumerate(("first", "second", "third"), start=1):
        graph.add("number", value=number, id=name)
    graph.add("chain", first=Ref("first"), second=Ref("second"), third=Ref("third"), id="chain")
    result = log.session().run(graph)
    assert rounds == [(None, None, None), (1, None, None), (1, 2, None)]
    assert result.value("chain") == (1, 2, None), "what was not asked for is None"
    assert result.executed == ("first", "second", "chain")


@pytest.mark.parametrize("cached", [True, False])
def test_laziness_in_laziness(cached: bool) -> None:
    log = switching()
    graph = Graph()
    low = graph.add("number", value=1, id="low")[0]
    high = graph.add("add", a=low, b=1, id="high")[0]
    inner = graph.add("switch", which=True, yes=low, no=high, id="inner")[0]
    graph.add("switch", which=True, yes=inner, no=graph.add("mul", a=high, b=high, id="square")[0], id="outer")
    session = log.session() if cached else log.session(cache=NoCache())
    result = session.run(graph)
    assert result.value("outer") == 1
    assert result.executed == ("low", "inner", "outer")


def test_a_value_outlives_readers_until_a_lazy_one_is_out_of_the_question() -> None:
    log = switching()
    graph = Graph()
    source = graph.add("number", value=3, id="source")[0]
    first = graph.add("add", a=source, b=1, id="first")[0]
    later = graph.add("mul", a=source, b=10, id="later")[0]
    graph.add("switch", which=first, yes=later, no=0, id="switch")
    result = log.session(cache=NoCache()).run(graph)
    assert result.value("switch") == 30
    assert log.ran.count("number") == 1, "its value waited for the lazy branch"


def test_a_written_lazy_input_is_there_at_once() -> None:
    log = switching()
    graph = Graph()
    graph.add("switch", which=True, yes=7, no=8)
    assert log.session().run(graph).value("1") == 7


def test_a_lazy_branch_that_fails_is_nobodys_trouble_unless_asked() -> None:
    log = switching()
    log.add("fail", lambda: 1 / 0)
    graph = Graph()
    graph.add("switch", which=True, yes=1, no=graph.add("fail")[0], id="switch")
    session = log.session()
    assert session.run(graph).value("switch") == 1
    graph.nodes["switch"].inputs["which"] = False
    with pytest.raises(NodeError, match=r"\(fail\) failed: ZeroDivisionError"):
        session.run(graph)


def test_needs_must_name_inputs() -> None:
    log = arithmetic()
    log.add("odd", lambda a: a, "a!", needs=lambda a: ["b"])
    graph = Graph()
    graph.add("odd", a=graph.add("number", value=1)[0])
    with pytest.raises(NodeError, match="needs 'b', which is not one of its inputs"):
        log.session().run(graph)


def test_needs_is_asked_for_every_element_of_a_list() -> None:
    log = switching()
    log.add("many", lambda: [True, True], outputs="out*")
    log.add("mixed", lambda: [True, False], outputs="out*")
    for name, ran in (("many", False), ("mixed", True)):
        graph = Graph()
        which = graph.add(name)[0]
        yes = graph.add("number", value=1, id="yes")[0]
        no = graph.add("number", value=0, id="no")[0]
        graph.add("switch", which=which, yes=yes, no=no, id="switch")
        result = log.session().run(graph)
        assert ("no" in result.executed) is ran
        assert result.value("switch") == ([1, 0] if ran else [1, 1])
