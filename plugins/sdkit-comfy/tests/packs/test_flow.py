"""What packs do with the run itself: loops, lazy inputs, blocked branches, lists, waiting."""

from __future__ import annotations

from collections.abc import Callable

from sdkit import Workspace
from sdkit.graph import Graph

Maker = Callable[..., Workspace]


def test_a_node_that_becomes_a_graph(workspace: Maker) -> None:
    space = workspace("loops")
    graph = Graph(space.types)
    graph.add("Repeat", id="r", start=graph.add("Add", a=5, b=2), times=4)
    result = space.run(graph)
    assert result.values["r"] == (11, "4 times")
    assert space.run(graph).executed == ()
    assert space.run(graph.changed({"r.times": 0})).values["r"] == (7, "0 times")


def test_a_loop_that_copies_itself(workspace: Maker) -> None:
    space = workspace("loops")
    graph = Graph(space.types)
    opened = graph.add("LoopOpen", left=3, value=graph.add("Add", a=10, b=0))
    left = graph.add("Add", a=opened["left"], b=-1)
    value = graph.add("Add", a=opened["value"], b=graph.add("Add", a=2, b=3))
    graph.add("LoopClose", id="end", flow=opened["flow"], left=left, value=value)
    assert space.run(graph).values["end"] == (25,)
    assert space.run(graph.changed({"2.left": 20})).values["end"] == (110,)


def test_a_branch_that_is_not_chosen_never_runs(workspace: Maker) -> None:
    space = workspace("loops")
    graph = Graph(space.types)
    graph.add("Choose", id="c", a=graph.add("Add", a=1, b=1), b=graph.add("Fail"))
    result = space.run(graph)
    assert result.values["c"] == (2,)
    assert result.executed == ("1", "c")


def test_blocked_branches(workspace: Maker) -> None:
    space = workspace("loops")
    graph = Graph(space.types)
    gate = graph.add("Gate", id="gate", value=graph.add("Add", a=1, b=1), open=False)
    graph.add("Join", id="j", numbers=gate)
    result = space.run(graph)
    assert result.blocked == {"j": "the gate is shut"}
    assert space.run(graph.changed({"gate.open": True})).values["j"] == ("j: 2",)


def test_lists_go_in_and_out(workspace: Maker) -> None:
    space = workspace("loops")
    graph = Graph(space.types)
    numbers = graph.add("Split", text="1,2,3")
    more = graph.add("Add", a=numbers["each"], b=numbers["count"])
    graph.add("Join", id="j", numbers=more, by="+")
    result = space.run(graph)
    assert result.values["j"] == ("j: 4+5+6",)
    assert result.ui["j"] == {"text": ["j: 4+5+6"]}


def test_coroutines_wait_beside_each_other(workspace: Maker) -> None:
    space = workspace("loops")
    graph = Graph(space.types)
    for number in range(4):
        graph.add("Slow", id=str(number), value=number, party="same")
    assert [value for (value,) in space.run(graph).values.values()] == [0, 10, 20, 30]
    graph.add("Split", id="most", text="1")
    import sys

    assert sys.modules["sdkit_comfy_packs.loops"].Slow.most == 4
