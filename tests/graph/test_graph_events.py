"""What a run tells, how it is cancelled, and streams."""

from __future__ import annotations

import contextvars
import threading

import pytest

from sdkit.errors import Cancelled, GraphError, NodeError
from sdkit.graph import (
    Graph,
    GraphFinished,
    NodeCached,
    NodeContext,
    NodeFailed,
    NodeFinished,
    NodeProgress,
    NodeStarted,
    Ref,
    Started,
)
from sdkit.graph.events import GraphEvent
from sdkit.types import CancelToken
from tests.graph._running import Log, arithmetic, chain


def telling() -> Log:
    log = arithmetic()

    def steps(count: int, context: NodeContext) -> int:
        for step in range(count):
            context.progress(step + 1, count)
        return count

    log.add("steps", steps, "count", context="context")
    return log


def summary(events: list[GraphEvent]) -> list[str]:
    return [f"{type(each).__name__} {getattr(each, 'node', '')}".strip() for each in events]


def test_events_in_order() -> None:
    log = telling()
    graph = Graph()
    graph.add("add", a=graph.add("steps", count=2)[0], b=1, id="sum")
    told: list[GraphEvent] = []
    session = log.session()
    result = session.run(graph, on_event=told.append)
    assert summary(told) == [
        "Started",
        "NodeStarted 1",
        "NodeProgress 1",
        "NodeProgress 1",
        "NodeFinished 1",
        "NodeStarted sum",
        "NodeFinished sum",
        "GraphFinished",
    ]
    assert told[0] == Started(2)
    assert told[1] == NodeStarted("1", "steps", "", "1")
    assert told[2] == NodeProgress("1", 1, 2)
    assert isinstance(told[4], NodeFinished)
    assert told[4].seconds == result.timings["1"] > 0
    assert isinstance(told[-1], GraphFinished)
    assert told[-1].result is result
    told.clear()
    session.run(graph, on_event=told.append)
    assert sorted(summary(told[1:-1])) == ["NodeCached 1", "NodeCached sum"]
    assert isinstance(told[1], NodeCached)


def test_a_stream_tells_the_same() -> None:
    log = telling()
    graph = Graph()
    graph.add("add", a=graph.add("steps", count=2)[0], b=1, id="sum")
    told: list[GraphEvent] = []
    log.session().run(graph, on_event=told.append)
    streamed = list(log.session().stream(graph))
    assert summary(streamed) == summary(told)
    last = streamed[-1]
    assert isinstance(last, GraphFinished)
    assert last.result.value("sum") == 3


def test_closing_a_stream_cancels() -> None:
    log = telling()
    session = log.session()
    token = CancelToken()
    stream = session.stream(chain(50), cancel=token)
    for event in stream:
        if event == NodeStarted("3", "add", "", "3"):
            break
    stream.close()
    assert log.since() == ["number", "add"], "the third node had not begun"
    assert not token.cancelled, "the caller's token is the caller's"
    assert session.run(chain(50)).executed[0] == "3", "what was finished is kept"


def test_the_work_stands_still_while_the_caller_looks() -> None:
    log = telling()
    stream = log.session().stream(chain(5))
    next(stream)
    assert log.ran == []
    seen = {type(next(stream)).__name__ for _ in range(2)}
    assert seen == {"NodeStarted", "NodeFinished"}
    assert log.ran == ["number"]
    stream.close()


def test_a_stream_that_nobody_reads_ends() -> None:
    log = telling()
    stream = log.session().stream(chain(5))
    stream.close()
    assert log.ran == []
    assert not [each.name for each in threading.enumerate() if each.name == "sdkit-graph-stream"]


def test_errors_come_out_of_streams() -> None:
    log = telling()
    log.add("fail", lambda: 1 / 0)
    graph = Graph()
    graph.add("fail")
    stream = log.session().stream(graph)
    told: list[GraphEvent] = []
    with pytest.raises(NodeError) as caught:
        told.extend(stream)
    assert isinstance(told[-1], NodeFailed)
    assert told[-1].error is caught.value
    with pytest.raises(GraphError):
        list(log.session().stream(graph, outputs=["x"]))


def test_streams_have_the_callers_context_variables() -> None:
    style: contextvars.ContextVar[str] = contextvars.ContextVar("style")
    log = Log()
    log.add("look", style.get)
    graph = Graph()
    graph.add("look")
    token = style.set("green")
    last = list(log.session().stream(graph))[-1]
    style.reset(token)
    assert isinstance(last, GraphFinished)
    assert last.result.value("1") == "green"


def test_cancel_between_nodes() -> None:
    log = telling()
    token = CancelToken()
    session = log.session()

    def on_event(event: GraphEvent) -> None:
        if event == NodeStarted("4", "add", "", "4"):
            token.cancel()

    with pytest.raises(Cancelled):
        session.run(chain(10), on_event=on_event, cancel=token)
    assert len(log.since()) == 4
    assert session.run(chain(10)).executed[0] == "5", "what was finished is kept"
    with pytest.raises(Cancelled):
        session.run(chain(3), cancel=token)


def test_cancel_inside_a_node() -> None:
    log = telling()
    token = CancelToken()
    reached: list[str] = []

    def long(context: NodeContext) -> None:
        assert not context.cancel.cancelled
        token.cancel()
        context.check_cancelled()
        reached.append("end")

    log.add("long", long, context="context")
    graph = Graph()
    graph.add("long")
    with pytest.raises(Cancelled):
        log.session().run(graph, cancel=token)
    assert reached == []


@pytest.mark.parametrize("when", [NodeStarted, NodeProgress, NodeFinished])
def test_an_error_of_the_listener_ends_the_run(when: type) -> None:
    log = telling()

    def listen(event: GraphEvent) -> None:
        if isinstance(event, when):
            raise RuntimeError("the display is gone")

    graph = Graph()
    first = graph.add("steps", count=3)[0]
    graph.add("add", a=first, b=1)
    with pytest.raises(RuntimeError, match="the display is gone"):
        log.session().run(graph, on_event=listen)
    assert "add" not in log.ran


def test_a_node_cannot_swallow_an_error_of_the_listener() -> None:
    log = telling()

    def stubborn(context: NodeContext) -> int:
        try:
            context.progress(1, 2)
        except RuntimeError:
            return 1
        return 2

    log.add("stubborn", stubborn, context="context")
    graph = Graph()
    graph.add("stubborn")

    def listen(event: GraphEvent) -> None:
        if isinstance(event, NodeProgress):
            raise RuntimeError("gone")

    with pytest.raises(RuntimeError, match="gone"):
        log.session().run(graph, on_event=listen)


def test_services_and_reports() -> None:
    class Library:
        name = "models"

    log = Log()

    def report(value: int, context: NodeContext) -> str:
        context.report("values", value)
        context.report("values", value + 1)
        return context.service(Library).name

    log.add("report", report, "value", context="context")
    graph = Graph()
    graph.add("report", value=1, title="A title")
    session = log.session(services={Library: Library()})
    for _ in range(2):
        result = session.run(graph)
        assert result.value("1") == "models"
        assert result.ui == {"1": {"values": [1, 2]}}, "told again when the node is cached"
    with pytest.raises(NodeError, match=r"service Library, which this session does not have \(it has: none\)"):
        log.session().run(graph)


def test_progress_from_other_threads() -> None:
    log = telling()

    def work(context: NodeContext) -> int:
        helper = threading.Thread(target=context.progress, args=(1, 1))
        helper.start()
        helper.join()
        return 1

    log.add("work", work, context="context")
    graph = Graph()
    graph.add("work")
    told: list[GraphEvent] = []
    log.session().run(graph, on_event=told.append)
    assert NodeProgress("1", 1, 1) in told


def test_a_stubborn_node_does_not_hold_up_the_closing_of_a_stream() -> None:
    log = telling()

    def stubborn(context: NodeContext) -> int:
        for step in range(5):
            try:
                context.progress(step, 5)
            except Cancelled:
                log.ran.append("went on")
        return 1

    log.add("stubborn", stubborn, context="context")
    graph = Graph()
    graph.add("stubborn")
    stream = log.session().stream(graph)
    for event in stream:
        if isinstance(event, NodeProgress):
            break
    stream.close()
    assert log.ran == ["stubborn", *["went on"] * 5]


def test_a_run_inside_a_node() -> None:
    log = telling()
    session = log.session()

    def nested(value: int) -> object:
        return session.run(chain(3, value)).value("3")

    log.add("nested", nested, "value")
    graph = Graph()
    graph.add("add", a=graph.add("nested", value=5)[0], b=Ref("1"), id="sum")
    assert session.run(graph).value("sum") == 14
