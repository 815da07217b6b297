"""Async nodes wait beside each other, and beside sync nodes."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
import time

import pytest

from sdkit.errors import Cancelled, NodeError
from sdkit.graph import Graph, NodeContext, NodeProgress, Ref, Session
from sdkit.graph.events import GraphEvent
from sdkit.types import CancelToken
from tests.graph._running import Log, arithmetic


class Meeting:
    """Async nodes that come back when so many have come; alone, they would wait for ever."""

    def __init__(self, parties: int) -> None:
        self.parties = parties
        self.here = 0

    async def __call__(self, value: object) -> object:
        self.here += 1
        while self.here < self.parties:
            await asyncio.sleep(0.001)
        return value


def meeting(parties: int) -> Log:
    log = arithmetic()
    meet = Meeting(parties)

    async def function(value: object) -> object:
        return await asyncio.wait_for(meet(value), 20)

    log.add_async("meet", function, "value")
    return log


def test_async_nodes_overlap() -> None:
    log = meeting(5)
    log.add("total", lambda **values: sum(values.values()), open_inputs=True)
    graph = Graph()
    graph.add("total", id="total")
    for number in range(5):
        graph.nodes["total"].inputs[f"x{number}"] = graph.add("meet", value=number)[0]
    session = log.session()
    result = session.run(graph)
    assert result.value("total") == 10
    assert session.run(graph).executed == ()


def test_a_sync_node_runs_while_async_ones_wait_in_the_calling_thread() -> None:
    log = arithmetic()
    release: list[bool] = []
    threads: list[int] = []

    async def wait(value: object) -> object:
        while not release:
            await asyncio.sleep(0.001)
        return value

    def work(value: int) -> int:
        threads.append(threading.get_ident())
        release.append(True)
        return value

    log.add_async("wait", wait, "value")
    log.add("work", work, "value")
    graph = Graph()
    graph.add("add", a=graph.add("wait", value=1)[0], b=graph.add("work", value=2)[0], id="sum")
    assert log.session().run(graph).value("sum") == 3
    assert threads == [threading.get_ident()]


def test_a_list_of_calls_overlaps() -> None:
    log = meeting(4)
    log.add("count", lambda upto: list(range(upto)), "upto", "numbers*")
    graph = Graph()
    graph.add("meet", value=graph.add("count", upto=4)[0])
    assert log.session().run(graph).value("2") == [0, 1, 2, 3]


def test_it_works_inside_a_running_event_loop() -> None:
    log = meeting(2)
    graph = Graph()
    graph.add("add", a=graph.add("meet", value=1)[0], b=graph.add("meet", value=2)[0], id="sum")

    async def main() -> object:
        return log.session().run(graph).value("sum")

    assert asyncio.run(main()) == 3


def test_wrapped_coroutine_functions() -> None:
    async def wait(by: int, value: int) -> int:
        await asyncio.sleep(0)
        return value * by

    log = arithmetic()
    log.add("lambda", lambda value: wait(2, value), "value")
    log.add_async("partial", functools.partial(wait, 3), "value")
    graph = Graph()
    graph.add("partial", value=graph.add("lambda", value=1)[0])
    assert log.session().run(graph).value("2") == 6


def test_errors_of_async_nodes() -> None:
    log = arithmetic()

    async def fail(value: int) -> int:
        await asyncio.sleep(0)
        raise KeyError("gone")

    log.add_async("fail", fail, "value")
    graph = Graph()
    graph.add("fail", value=1)
    with pytest.raises(NodeError, match=r"node 1 \(fail\) failed: KeyError: 'gone'") as caught:
        log.session().run(graph)
    assert isinstance(caught.value.__cause__, KeyError)


def test_cancel_reaches_nodes_that_wait() -> None:
    log = arithmetic()
    ended: list[str] = []

    async def forever(value: int) -> int:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cleaned up")
        return value

    log.add_async("forever", forever, "value")
    graph = Graph()
    graph.add("forever", value=1)
    token = CancelToken()
    threading.Timer(0.05, token.cancel).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        log.session().run(graph, cancel=token)
    assert ended == ["cleaned up"]
    assert time.monotonic() - began < 30


def test_no_thread_is_left() -> None:
    log = meeting(1)
    graph = Graph()
    graph.add("meet", value=1)
    log.session().run(graph)
    assert not [each.name for each in threading.enumerate() if each.name == "sdkit-graph-async"]


def test_progress_of_async_nodes_is_told_in_the_calling_thread() -> None:
    log = arithmetic()

    async def wait(context: NodeContext) -> int:
        context.progress(1, 2)
        await asyncio.sleep(0)
        context.progress(2, 2, "preview")
        return 1

    log.add_async("wait", wait)
    from dataclasses import replace

    log.types["wait"] = replace(log.types["wait"], context="context")
    graph = Graph()
    graph.add("wait")
    told: list[GraphEvent] = []
    threads: set[int] = set()

    def on_event(event: GraphEvent) -> None:
        told.append(event)
        threads.add(threading.get_ident())

    log.session().run(graph, on_event=on_event)
    assert [each for each in told if isinstance(each, NodeProgress)] == [
        NodeProgress("1", 1, 2),
        NodeProgress("1", 2, 2, "preview"),
    ]
    assert threads == {threading.get_ident()}


def test_nodes_see_the_callers_context_variables() -> None:
    style: contextvars.ContextVar[str] = contextvars.ContextVar("style")

    async def wait() -> str:
        await asyncio.sleep(0)
        return style.get()

    log = Log()
    log.add_async("wait", wait)
    log.add("look", style.get)
    graph = Graph()
    graph.add("wait")
    graph.add("look")
    token = style.set("blue")
    result = log.session().run(graph)
    assert (result.value("1"), result.value("2")) == ("blue", "blue")
    list(Session(log.types).stream(graph))
    style.reset(token)


def test_an_error_in_one_call_ends_the_others() -> None:
    log = arithmetic()
    log.add("count", lambda upto: list(range(upto)), "upto", "numbers*")
    ended: list[int] = []

    async def wait(value: int) -> int:
        if value == 1:
            raise ValueError("one")
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(value)
        return value

    log.add_async("wait", wait, "value")
    graph = Graph()
    graph.add("wait", value=graph.add("count", upto=3)[0])
    with pytest.raises(NodeError, match="ValueError: one"):
        log.session().run(graph)
    assert ended in ([0], [0, 2])


def test_an_async_node_may_expand() -> None:
    from sdkit.graph import Expansion, GraphBuilder

    log = arithmetic()

    async def expand(value: int) -> Expansion:
        await asyncio.sleep(0)
        build = GraphBuilder()
        return build.expansion(build.add("add", a=value, b=1))

    log.add_async("expand", expand, "value")
    graph = Graph()
    graph.add("mul", a=graph.add("expand", value=4, id="e")[0], b=Ref("e"), id="square")
    assert log.session().run(graph).value("square") == 25
