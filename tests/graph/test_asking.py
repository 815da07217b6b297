"""What a node's own `check` and `changes` are told beside the inputs: the node, and the session's services."""

from __future__ import annotations

import functools

import pytest

import sdkit
from sdkit.errors import NodeError
from sdkit.graph import CheckContext, Graph, Session, check, node_type
from sdkit.graph.asking import context_parameter


class Shelf:
    """A service: texts by name."""

    def __init__(self, **texts: str) -> None:
        self.texts = texts


def on_shelf(name: str | None, context: CheckContext) -> str | None:
    shelf = context.service(Shelf)
    return None if name in shelf.texts else f"node {context.node} wants {name}, there is {', '.join(shelf.texts)}"


def text_of(context: CheckContext, name: str | None) -> object:
    return context.service(Shelf).texts.get(name or "")


@sdkit.node(check=on_shelf, changes=text_of)
def read(name: str) -> str:
    return name.upper()


def test_a_check_asks_the_services_of_the_session() -> None:
    graph = Graph()
    graph.add(read, name="salt")
    graph.add(read, name="sugar")
    session = Session({}, services={Shelf: Shelf(salt="white")})
    assert [str(fault) for fault in session.check(graph)] == ["node 2 (read): node 2 wants sugar, there is salt"]
    assert [fault.node for fault in check(graph, {}, services={Shelf: Shelf(sugar="brown")})] == ["1"]


def test_a_missing_service_is_a_fault_that_names_what_there_is() -> None:
    graph = Graph()
    graph.add(read, name="salt")
    (fault,) = check(graph, {})
    assert "node 1 asks for the service Shelf, which this session does not have (it has: none)" in fault.message


def test_changes_asks_the_services_in_every_run() -> None:
    shelf = Shelf(salt="white")
    session = Session({}, services={Shelf: shelf})
    graph = Graph()
    graph.add(read, name="salt")
    assert session.run(graph).executed == ("1",)
    assert session.run(graph).executed == ()
    shelf.texts["salt"] = "grey"
    assert session.run(graph).executed == ("1",), "what `changes` returns is part of the node's signature"


def test_changes_without_its_service_fails_that_node_only() -> None:
    @sdkit.node(changes=text_of)
    def dated(name: str) -> str:
        return name

    graph = Graph()
    graph.add(dated, name="salt")
    graph.add("plain")
    graph.types["plain"] = node_type(plain)
    with pytest.raises(NodeError, match="node 1 asks for the service Shelf") as caught:
        Session({}).run(graph)
    assert caught.value.result.values == {"2": (1,)}  # pyright: ignore[reportAttributeAccessIssue] -- a GraphResult


def plain() -> int:
    return 1


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (on_shelf, "context"),
        (text_of, "context"),
        (plain, None),
        (lambda context: None, None),
        (functools.partial(on_shelf, "salt"), "context"),
        (dict, None),
        (None, None),
    ],
    ids=["last", "first", "none", "not annotated", "partial", "built in", "no function"],
)
def test_the_parameter_is_found_by_its_annotation(function: object, expected: str | None) -> None:
    assert context_parameter(function) == expected  # pyright: ignore[reportArgumentType]
