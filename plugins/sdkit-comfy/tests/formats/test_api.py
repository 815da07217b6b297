"""API format: links, values that look like links, and what files carry besides."""

from __future__ import annotations

import json
import math

import pytest

from sdkit.errors import GraphError
from sdkit.graph import NodeType, Ref
from sdkit_comfy.formats import read_workflow

DEFAULT = {
    "4": {"class_type": "Loader", "inputs": {"name": "sub\\model.safetensors"}},
    "6": {"class_type": "Encode", "inputs": {"text": "a ring", "clip": ["4", 1]}, "_meta": {"title": "Positive"}},
}


def inputs(given: dict[str, object], types: dict[str, NodeType] | None = None) -> dict[str, object]:
    """What is read of a node's inputs, beside two nodes 4 and 512."""
    data: dict[str, object] = {
        "4": {"class_type": "Loader", "inputs": {}},
        "512": {"class_type": "Loader", "inputs": {}},
    }
    return read_workflow(data | {"9": {"class_type": "Sampler", "inputs": given}}, types or {}).nodes["9"].inputs


def test_reads_nodes_links_and_titles() -> None:
    graph = read_workflow(DEFAULT)
    assert list(graph.nodes) == ["4", "6"]
    assert graph.nodes["4"].type == "Loader"
    assert graph.nodes["4"].inputs == {"name": "sub\\model.safetensors"}
    assert graph.nodes["6"].inputs == {"text": "a ring", "clip": Ref("4", 1)}
    assert graph.nodes["6"].title == "Positive"


@pytest.mark.parametrize(
    "wrapped",
    [
        {
            "prompt": DEFAULT,
            "client_id": "x",
            "extra_data": {"extra_pnginfo": {"workflow": {"nodes": [], "links": []}}},
        },
        {"output": DEFAULT, "workflow": {"nodes": [], "links": []}},
        {"input": {"workflow": DEFAULT, "images": []}},
        {"prompt": json.dumps(DEFAULT)},
        {"data": {"input": {"prompt": DEFAULT}}},
    ],
    ids=["server", "editor", "service", "text", "deep"],
)
def test_finds_the_workflow_in_its_wrapping(wrapped: dict[str, object]) -> None:
    assert read_workflow(wrapped) == read_workflow(DEFAULT)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (["4", 1], Ref("4", 1)),
        ([4, 0], Ref("4", 0)),
        (["4", 1.0], Ref("4", 1)),
        (["gone", 0], Ref("gone", 0)),  # dangling: the check's to report
        ([7, 0], [7, 0]),
        ([512, 768], Ref("512", 768)),  # there is such a node
        ([513, 768], [513, 768]),
        (["4", "1"], ["4", "1"]),
        (["4", True], ["4", True]),
        (["4", -1], ["4", -1]),
        (["4"], ["4"]),
        (["4", 0, 1], ["4", 0, 1]),
        ([], []),
        ({"__value__": ["4", 0]}, ["4", 0]),
        ({"x": 1}, {"x": 1}),
        (None, None),
    ],
)
def test_tells_links_from_values(value: object, read: object) -> None:
    found = inputs({"x": value})["x"]
    assert found == read
    assert isinstance(found, Ref) is isinstance(read, Ref)


def test_nan_is_a_value_for_the_check_to_report() -> None:
    text = '{"a b": {"class_type": "Sampler", "inputs": {"cfg": NaN}, "is_changed": [NaN]}}'
    (node,) = read_workflow(text).nodes.values()
    value = node.inputs["cfg"]
    assert isinstance(value, float)
    assert math.isnan(value)


def test_a_type_loses_the_space_it_ends_in_unless_it_is_known_with_it(types: dict[str, NodeType]) -> None:
    data = {"1": {"class_type": "Average ", "inputs": {}}}
    assert read_workflow(data, types).nodes["1"].type == "Average"
    assert read_workflow(data, {"Average ": types["Average"]}).nodes["1"].type == "Average "


def test_values_are_taken_as_the_type_says(types: dict[str, NodeType]) -> None:
    given = {"seed": "7", "steps": 20.0, "cfg": 7, "denoise": "{{denoise}}", "sampler_name": "euler", "upload": "image"}
    found = inputs(given, types)
    assert found == {"seed": 7, "steps": 20, "cfg": 7.0, "denoise": "{{denoise}}", "sampler_name": "euler"}
    assert [type(found[name]) for name in ("seed", "steps", "cfg")] == [int, int, float]


def test_unknown_types_keep_every_input() -> None:
    assert inputs({"upload": "image", "seed": "7"}) == {"upload": "image", "seed": "7"}


def test_entries_that_are_no_nodes_are_passed_over() -> None:
    assert read_workflow(DEFAULT | {"_comment": "mine", "version": 3, "extra": {"a": 1}}) == read_workflow(DEFAULT)


def test_every_fault_of_the_file_is_reported_at_once() -> None:
    text = """{"3": {"class_type": "Sampler", "inputs": {"seed": 1, "seed": 2}},
               "4": {"inputs": {}}, "5": {"class_type": "Loader", "inputs": [1]},
               "3": {"class_type": "Loader", "inputs": {}}, "6": {"class_type": "Loader", "inputs": {"a": 1, "a": 1}}
    }"""
    with pytest.raises(GraphError) as caught:
        read_workflow(text)
    assert [(fault.node, fault.input) for fault in caught.value.faults] == [("3", ""), ("4", ""), ("5", ""), ("6", "a")]
    message = str(caught.value)
    assert "node 3: the id '3' is given to more than one node" in message
    assert "node 4: it has no class_type" in message
    assert "node 5 (Loader): its inputs are to be an object, not list" in message
    assert "the input 'a' is given more than once" in message
