"""Blocked values keep nodes from running."""

from __future__ import annotations

from sdkit.graph import Blocked, Graph, NoCache, Ref
from sdkit.graph.events import GraphEvent, NodeBlocked
from tests.graph._running import Log, arithmetic


def gates() -> Log:
    log = arithmetic()
    log.add("gate", lambda value, ajar: value if ajar else Blocked("the gate is shut"), "value ajar")
    log.add("either", lambda value: (value, Blocked()) if value > 0 else (Blocked(), value), "value", "plus minus")
    log.add("save", lambda value: None, "value", "", is_output=True)
    return log


def shut() -> Graph:
    graph = Graph()
    gate = graph.add("gate", value=1, ajar=False, id="gate")[0]
    behind = graph.add("add", a=gate, b=1, id="behind")[0]
    graph.add("save", value=behind, id="save")
    graph.add("save", value=graph.add("number", value=4)[0], id="other")
    return graph


def test_what_reads_a_blocked_value_does_not_run() -> None:
    log = gates()
    told: list[GraphEvent] = []
    result = log.session().run(shut(), on_event=told.append)
    assert log.ran == ["gate", "number", "save"]
    assert result.executed == ("gate", "1", "other")
    assert result.blocked == {"save": "the gate is shut"}, "output nodes tell, others do not"
    assert [each for each in told if isinstance(each, NodeBlocked)] == [
        NodeBlocked("behind", "the gate is shut"),
        NodeBlocked("save", "the gate is shut"),
    ]
    assert result.errors == {}


def test_a_second_run_tells_it_again() -> None:
    log = gates()
    session = log.session()
    session.run(shut())
    result = session.run(shut())
    assert result.executed == ()
    assert result.blocked == {"save": "the gate is shut"}


def test_opening_runs_what_was_blocked() -> None:
    log = gates()
    session = log.session()
    session.run(shut())
    result = session.run(shut().changed({"gate.ajar": True}))
    assert result.executed == ("gate", "behind", "save")
    assert result.blocked == {}


def test_outputs_are_blocked_one_by_one() -> None:
    log = gates()
    graph = Graph()
    either = graph.add("either", value=3, id="either")
    graph.add("save", value=graph.add("add", a=either[0], b=1, id="plus")[0], id="saved")
    graph.add("save", value=graph.add("mul", a=either[1], b=2, id="minus")[0], id="not saved")
    result = log.session(cache=NoCache()).run(graph)
    assert result.executed == ("either", "plus", "saved")
    assert result.blocked == {}, "without a message there is nothing to tell"


def test_a_blocked_output_is_a_value_of_the_result() -> None:
    log = gates()
    graph = shut()
    result = log.session().run(graph, outputs=["behind"])
    value = result.value("behind")
    assert isinstance(value, Blocked)
    assert value.message == "the gate is shut"


def test_a_message_wins_over_none() -> None:
    log = gates()
    log.add("stop", Blocked)
    log.add("both", lambda a, b: None, "a b", "", is_output=True)
    graph = Graph()
    graph.add("gate", value=1, ajar=False, id="gate")
    graph.add("both", a=graph.add("stop")[0], b=Ref("gate"), id="both")
    assert log.session().run(graph).blocked == {"both": "the gate is shut"}


def test_lazy_inputs_of_a_blocked_node_are_not_computed() -> None:
    log = gates()
    log.add("pick", lambda which, value: value, "which value!", needs=lambda which, value: ["value"])
    graph = Graph()
    gate = graph.add("gate", value=1, ajar=False)[0]
    graph.add("pick", which=gate, value=graph.add("number", value=1)[0], id="pick")
    log.session().run(graph)
    assert log.ran == ["gate"]
