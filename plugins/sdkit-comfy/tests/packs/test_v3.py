"""Packs with comfy_entrypoint."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sdkit import Workspace
from sdkit.errors import GraphError
from sdkit.graph import Graph

Maker = Callable[..., Workspace]


def test_schemas(workspace: Maker) -> None:
    types = workspace("v3").types
    pair, apply = types["MakePair"], types["Apply"]
    a, b = pair.inputs
    assert (a.type, a.default, a.ge, a.le, a.doc) == ("int", 1, 0, 10, "The first.")
    assert (b.type, b.required) == ("int,float", True)
    assert [(each.name, each.type) for each in pair.outputs] == [("The pair", "PAIR"), ("FLOAT", "float")]
    assert (pair.title, pair.summary) == ("Make a pair", "Two numbers.")
    assert apply.inputs[1].choices == ("add", "subtract")
    assert apply.inputs[1].default == "add"
    assert apply.inputs[2].multiline
    assert apply.inputs[3].lazy
    assert apply.is_output


def test_run(workspace: Maker) -> None:
    space = workspace("v3")
    graph = Graph(space.types)
    number = graph.add("MakePair", a=1, b=graph.add("Later", value=1))
    pair = graph.add("MakePair", a=7, b=number["FLOAT"])
    graph.add("Apply", id="end", pair=pair[0], method="subtract", unused=graph.add("Later", id="never"))
    result = space.run(graph)
    assert result.values["end"] == ("Apply end is 4", 4.0)
    assert result.ui["end"] == {"text": ["Apply end is 4"]}
    assert "never" not in result.executed


def test_validation_and_fingerprint(workspace: Maker) -> None:
    space = workspace("v3")
    graph = Graph(space.types)
    graph.add("Apply", id="end", pair=graph.add("MakePair", a=1, b=graph.add("Later"))[0], label="rude")
    with pytest.raises(GraphError, match="the label is rude"):
        space.run(graph)
    alone = Graph(space.types)
    alone.add("Later", id="l")
    space.run(alone)
    assert space.run(alone).executed == ("l",), "its fingerprint is never the same"


def test_blocking_and_expanding(workspace: Maker) -> None:
    space = workspace("v3")
    graph = Graph(space.types)
    graph.add("Apply", id="end", pair=graph.add("MakePair", a=1, b=graph.add("Later", stop=True))[0])
    assert space.run(graph).blocked == {"end": "stopped"}
    other = Graph(space.types)
    other.add("Unfolds", id="u", value=21)
    assert space.run(other).values["u"] == (42,)


def test_what_of_the_schema_is_not_provided(workspace: Maker) -> None:
    space = workspace("v3")
    graph = Graph()
    graph.add("Grows")
    assert "pack 'v3' uses comfy_api.latest.io.Autogrow, which sdkit does not provide" in str(space.check(graph)[0])
