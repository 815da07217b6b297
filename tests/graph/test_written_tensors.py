"""Tensors that belong to the cache are not written into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from sdkit.errors import NodeError
from sdkit.graph import LRU, Graph, GraphResult, Ref
from sdkit.graph.watching import unchanged, watch
from tests.graph._running import Log


@dataclass
class Latents:
    samples: torch.Tensor


def tensors() -> Log:
    log = Log()
    log.add("zeros", lambda size: torch.zeros(size) * 1, "size")
    log.add("wrap", lambda value: [[value, {"pooled": value * 1}]], "value")
    log.add("latents", lambda value: Latents(samples=value), "value")
    log.add("add", lambda value: value + 1, "value")
    log.add("add_", lambda value: value.add_(1), "value")
    log.add("add_deep_", lambda value: value[0][1]["pooled"].add_(1), "value")
    log.add("add_latents_", lambda value: value.samples.add_(1), "value")
    log.add("same", lambda value: value, "value")
    return log


@pytest.mark.parametrize(("wrapper", "writer"), [("same", "add_"), ("wrap", "add_deep_"), ("latents", "add_latents_")])
def test_a_node_that_writes_into_its_input_is_named(wrapper: str, writer: str) -> None:
    log = tensors()
    session = log.session()
    graph = Graph()
    value = graph.add(wrapper, value=graph.add("zeros", size=2)[0], id="wrapped")[0]
    graph.add(writer, value=value, id="writer")
    with pytest.raises(
        NodeError, match=r"it wrote into its input 'value', which is output 0 of node wrapped"
    ) as caught:
        session.run(graph)
    assert caught.value.node == "writer"
    log.since()
    graph.nodes["writer"].type = "same"
    result = session.run(graph)
    assert wrapper in log.since(), "the value that was written into is computed again"
    value = result.value("writer")
    found: Any = value
    if wrapper == "wrap":
        found = found[0][1]["pooled"]
    elif wrapper == "latents":
        found = found.samples
    assert torch.equal(found, torch.zeros(2)), found


def test_a_node_that_copies_may_do_what_it_likes() -> None:
    log = tensors()
    graph = Graph()
    zeros = graph.add("zeros", size=2)[0]
    more = graph.add("add", value=zeros)[0]
    graph.add("same", value=zeros, id="zeros")
    result = log.session().run(graph, outputs=["zeros", more])
    assert torch.equal(torch.as_tensor(result.value("zeros")), torch.zeros(2))
    assert torch.equal(torch.as_tensor(result.value("2")), torch.ones(2))


def test_values_written_into_after_the_run_are_not_used_again() -> None:
    log = tensors()
    session = log.session(cache=LRU(10))
    graph = Graph()
    graph.add("zeros", size=2)
    first = session.run(graph).value("1")
    assert isinstance(first, torch.Tensor)
    first.add_(5)
    second = session.run(graph)
    assert second.executed == ("1",)
    assert torch.equal(torch.as_tensor(second.value("1")), torch.zeros(2))


def test_nodes_that_share_its_memory_are_not_misled() -> None:
    log = tensors()
    graph = Graph()
    zeros = graph.add("zeros", size=2, id="zeros")[0]
    passed = graph.add("same", value=zeros, id="passed")[0]
    graph.add("add_", value=passed, id="writer")
    graph.add("add", value=zeros, id="victim")
    with pytest.raises(NodeError) as caught:
        log.session().run(graph, outputs=["writer", "victim"])
    assert caught.value.node == "writer"
    assert isinstance(caught.value.result, GraphResult)
    errors = caught.value.result.errors
    assert list(errors) == ["writer", "victim"]
    assert "was written into after it was made" in str(errors["victim"])
    assert str(errors["victim"]).count("of node zeros") == 1


def test_counters_are_looked_for_in_containers() -> None:
    tensor = torch.zeros(2)
    for value in (tensor, [tensor], ([tensor, {"pooled": tensor}],), {"samples": tensor}, Latents(tensor)):
        watched = watch(value)
        assert len(watched) == 1
        assert unchanged(watched)
        tensor.add_(1)
        assert not unchanged(watched)
    assert watch(7) == watch("text") == watch([1, "a", None]) == ()


def test_inference_tensors_have_no_counters() -> None:
    with torch.inference_mode():
        tensor = torch.zeros(2)
    assert watch(tensor) == ()
    log = tensors()
    graph = Graph()
    graph.add("add", value=graph.add("zeros", size=2)[0])
    with torch.inference_mode():
        assert torch.equal(torch.as_tensor(log.session().run(graph).value(Ref("2"))), torch.ones(2))
