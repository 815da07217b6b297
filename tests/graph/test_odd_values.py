"""What users, and the functions they write, do against all expectations."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch

from sdkit.errors import NodeError
from sdkit.graph import LRU, Graph, GraphBuilder, Input, NodeType, Output, Ref, Session
from sdkit.graph.signatures import NoSignatureError, canonical
from tests.graph._running import Log, arithmetic


class Unwilling:
    """Nothing can be learnt of it."""

    def _refuse(self) -> object:
        raise RuntimeError("no")

    def __repr__(self) -> str:
        raise RuntimeError("no")

    shape = nbytes = _version = property(_refuse)


def len_of(v: list[object]) -> int:
    return len(v)


def failing(error: Exception) -> Callable[..., str | None]:
    def fail(**_: object) -> str | None:
        raise error

    return fail


def test_an_error_without_a_text_of_its_own_is_told_all_the_same() -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    log = Log()
    log.add("fail", failing(Silent()))
    log.add("picky", lambda: 1, check=failing(Silent()))
    graph = Graph()
    graph.add("fail")
    with pytest.raises(NodeError, match=r"node 1 \(fail\) failed: Silent: \(its text cannot be had: RuntimeError\)"):
        log.session().run(graph)
    graph = Graph()
    graph.add("picky")
    [fault] = log.session().check(graph)
    assert fault.message == "its own check of the inputs failed: Silent: (its text cannot be had: RuntimeError)"


@pytest.mark.parametrize("cache", [None, LRU(bytes=1 << 20)])
def test_values_that_refuse_every_question_are_values_like_others(cache: LRU | None) -> None:
    log = Log()
    log.add("make", Unwilling)
    log.add("fail", failing(ValueError("boom")), "a")
    graph = Graph()
    made = graph.add("make")
    graph.add("fail", a=made[0])
    with pytest.raises(NodeError, match="its inputs: a=a Unwilling from 1"):
        log.session(cache=cache).run(graph)


def test_a_number_too_long_to_print_is_a_fault_with_a_message() -> None:
    types = {"take": NodeType("take", lambda v: v, (Input("v", "int"),), (Output("out", "int"),))}
    graph = Graph()
    graph.add("take", v=10**5000)
    [fault] = Session(types).check(graph)
    assert fault.message == "v is a number of 5001 digits, must be a finite number"


def test_numbers_too_long_to_print_have_signatures() -> None:
    assert canonical(10**5000) != canonical(10**5000 + 1)
    assert canonical(-255) != canonical(255)


def test_lists_that_hold_themselves_or_are_very_deep_go_in_but_have_no_signature() -> None:
    around: list[object] = []
    around.append(around)
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    log = Log()
    log.add("take", lambda v: type(v).__name__, "v")
    for value in (around, deep):
        with pytest.raises(NoSignatureError, match="nested too deeply"):
            canonical(value)
        graph = Graph()
        taken = graph.add("take", v=value)
        assert log.session().run(graph).value(taken) == "list"


def test_a_list_of_what_cannot_be_copied_is_planned_anew_each_time() -> None:
    log = Log()
    log.add("take", len_of, "v")
    graph = Graph()
    taken = graph.add("take", v=[iter(()), (each for each in ())])
    session = log.session()
    assert [session.run(graph).value(taken) for _ in range(2)] == [2, 2]
    assert log.since() == ["take", "take"]


@pytest.mark.parametrize("kind", ["generator", "async_generator"])
def test_a_generator_is_not_a_value(kind: str) -> None:
    def plain() -> object:
        yield 1

    async def waiting() -> object:
        yield 1

    log = Log()
    log.add("make", plain if kind == "generator" else waiting)
    graph = Graph()
    graph.add("make")
    with pytest.raises(NodeError, match="its output 'out' is a generator, which can be read only once; return a list"):
        log.session().run(graph)


def test_a_node_that_changes_its_containers_changes_nothing_of_others() -> None:
    log = Log()
    log.add("make", lambda: {"samples": torch.zeros(2), "areas": [{"strength": 1.0}]})

    def spoil(latents: dict[str, object]) -> int:
        latents["areas"][0]["strength"] = 0.0  # pyright: ignore[reportIndexIssue]
        latents["areas"].append(2)  # pyright: ignore[reportAttributeAccessIssue]
        latents["samples"] = torch.ones(2)
        return 1

    log.add("spoil", spoil, "latents")
    log.add("read", lambda latents, after: (latents["samples"].sum().item(), latents["areas"]), "latents after")
    graph = Graph()
    made = graph.add("make")
    spoilt = graph.add("spoil", latents=made[0])
    read = graph.add("read", latents=made[0], after=spoilt[0])
    assert log.session().run(graph).value(read) == (0.0, [{"strength": 1.0}])


def test_a_node_that_changes_a_list_that_is_written_in_the_graph_leaves_the_graph_as_it_is() -> None:
    log = Log()
    log.add("grow", lambda v: v.append(2) or list(v), "v")
    graph = Graph()
    grown = graph.add("grow", v=[1])
    session = log.session()
    assert [session.run(graph).value(grown) for _ in range(2)] == [[1, 2], [1, 2]]
    assert graph.nodes["1"].inputs["v"] == [1]
    assert log.since() == ["grow"]


def test_the_elements_of_lists_are_lent_too() -> None:
    log = Log()
    log.add("many", lambda: [{"n": 1}, {"n": 2}], outputs="out*")
    log.add("raise_one", lambda each: each.update(n=each["n"] + 1) or each["n"], "each")
    log.add("read", lambda each, after: each["n"], "each after")
    graph = Graph()
    many = graph.add("many")
    raised = graph.add("raise_one", each=many[0])
    read = graph.add("read", each=many[0], after=raised[0])
    assert log.session().run(graph).value(read) == [1, 2]


def test_a_loop_knows_the_containers_that_it_hands_on_by_their_links() -> None:
    """Else every turn's values would belong to the number of turns, and one more turn would repeat them all."""
    log = arithmetic()
    log.add("start", lambda: {"t": torch.zeros(1)})
    log.add("turn", lambda state: {"t": state["t"] + 1}, "state")

    def loop(turns: int, state: object) -> object:
        if turns == 0:
            return state
        build = GraphBuilder()
        return build.expansion(build.add("loop", turns=turns - 1, state=build.add("turn", state=state)))

    log.add("loop", loop, "turns state")
    graph = Graph()
    looped = graph.add("loop", turns=20, state=graph.add("start")[0])
    session = log.session()
    session.run(graph)
    log.since()
    result = session.run(graph.changed({f"{looped.id}.turns": 21}))
    assert result.value(looped)["t"].item() == 21  # pyright: ignore[reportIndexIssue]
    assert log.since().count("turn") == 1


@pytest.mark.parametrize("asked", ["ab", None])
def test_what_needs_returns(asked: str | None) -> None:
    log = arithmetic()
    log.add("choose", lambda a: "none" if a is None else a, "a!", needs=lambda a: asked)  # pyright: ignore[reportArgumentType]
    graph = Graph()
    chosen = graph.add("choose", a=graph.add("number", value=1)[0])
    if asked is None:
        assert log.session().run(graph).value(chosen) == "none"
        assert log.since() == ["choose"]
    else:
        with pytest.raises(NodeError, match="its `needs` returned the text 'ab', not a list of inputs' names"):
            log.session().run(graph)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_ends_the_run_also_out_of_an_async_node(error: type[BaseException]) -> None:
    async def interrupted() -> object:
        raise error

    log = arithmetic()
    log.add_async("stop", interrupted)
    log.add_async("other", interrupted)
    graph = Graph()
    graph.add("stop")
    session = log.session()
    for _ in range(2):
        with pytest.raises(error):
            session.run(graph)


def test_faults_of_a_broken_graph_of_thousands_of_nodes_are_found_in_seconds() -> None:
    graph = Graph()
    for number in range(3_000):
        graph.add("add", a=Ref(f"no-{number}"), b=1)
        graph.add(f"ad{number % 2}")
    began = time.process_time()
    faults = arithmetic().session().check(graph)
    assert len(faults) == 6_000
    assert faults[1].hint == "did you mean 'add'?"
    assert time.process_time() - began < 10  # with a search for near names in each it takes minutes


def test_the_name_of_a_type_may_be_endless_its_message_is_not() -> None:
    graph = Graph()
    graph.add("x" * 1_000_000)
    [fault] = arithmetic().session().check(graph)
    assert len(fault.message) < 300
