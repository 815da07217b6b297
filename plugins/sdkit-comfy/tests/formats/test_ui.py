"""UI format: links, and the nodes that only the editor knows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sdkit.errors import GraphError
from sdkit.graph import NodeType, Ref
from sdkit_comfy.formats import read_workflow

Types = dict[str, NodeType]
NodeMaker = Callable[..., dict[str, object]]


def workflow(nodes: list[dict[str, object]], *links: list[object], **more: object) -> dict[str, object]:
    return {"nodes": nodes, "links": list(links), "version": 0.4, **more}


def source_of(data: dict[str, object], types: Types, name: str = "images", node_id: str = "9") -> object:
    """What an input of node 9 got."""
    return read_workflow(data, types).nodes[node_id].inputs.get(name)


@pytest.mark.parametrize("as_objects", [False, True])
def test_reads_values_and_links_of_both_versions(types: Types, node: NodeMaker, as_objects: bool) -> None:
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    link = [1, 4, 1, 6, 0, "CLIP"]
    given = [dict(zip(names, link, strict=True))] if as_objects else [None, link]
    data = {
        "version": 1 if as_objects else 0.4,
        "links": given,
        "nodes": [
            node(6, "Encode", "clip:CLIP=1", "CONDITIONING", ["a ring"], title="Positive"),
            node(4, "Loader", "", "MODEL CLIP VAE", ["m.safetensors"]),
        ],
    }
    graph = read_workflow(data, types)
    assert graph.nodes["6"].inputs == {"text": "a ring", "clip": Ref("4", 1)}
    assert graph.nodes["6"].title == "Positive"
    assert graph.nodes["4"].inputs == {"name": "m.safetensors"}


def test_notes_are_left_out_and_links_to_nowhere_dropped(types: Types, node: NodeMaker) -> None:
    data = workflow(
        [
            node(1, "Note", values=["hello"]),
            node(2, "MarkdownNote", values=["hello"]),
            node(9, "Save", "images:IMAGE=7", "", ["x"]),
            node(10, "Save", "images:IMAGE=8", "", ["x"]),
        ],
        [8, 99, 0, 10, 0, "IMAGE"],
    )
    graph = read_workflow(data, types)
    assert {node_id: node.inputs for node_id, node in graph.nodes.items()} == {
        "9": {"filename_prefix": "x"},
        "10": {"filename_prefix": "x"},
    }


@pytest.mark.parametrize("kind", ["Reroute", "Reroute (rgthree)"])
def test_links_go_through_chains_of_reroutes(types: Types, node: NodeMaker, kind: str) -> None:
    data = workflow(
        [
            node(9, "Save", "images:IMAGE=3", "", ["x"]),
            node(2, kind, ":*=2", "IMAGE"),
            node(3, kind, ":*=1", "IMAGE", mode=2),  # muting one changes nothing
            node(4, "Upload", "", "IMAGE MASK", ["a.png", "alpha", "image"]),
        ],
        [1, 4, 0, 3, 0, "IMAGE"],
        [2, 3, 0, 2, 0, "*"],
        [3, 2, 0, 9, 0, "IMAGE"],
    )
    assert source_of(data, types) == Ref("4", 0)
    assert set(read_workflow(data, types).nodes) == {"4", "9"}


def test_a_circle_of_reroutes_is_a_fault(types: Types, node: NodeMaker) -> None:
    data = workflow(
        [
            node(9, "Save", "images:IMAGE=3", "", ["x"]),
            node(2, "Reroute", ":*=2", "*"),
            node(3, "Reroute", ":*=1", "*"),
        ],
        [1, 2, 0, 3, 0, "*"],
        [2, 3, 0, 2, 0, "*"],
        [3, 2, 0, 9, 0, "IMAGE"],
    )
    with pytest.raises(
        GraphError, match=r"node 9 \(Save\): what is linked to 'images' goes round in a circle, through 2, 3"
    ):
        read_workflow(data, types)


def test_what_is_set_is_got_by_name(types: Types, node: NodeMaker) -> None:
    data = workflow(
        [
            node(9, "Save", "images:IMAGE=2", "", ["x"]),
            node(3, "SetNode", "IMAGE:IMAGE=1", "*", ["mine"]),
            node(5, "SetNode", "IMAGE:IMAGE", "*", ["other"]),
            node(4, "Upload", "", "IMAGE MASK", ["a.png", "alpha"]),
            node(2, "GetNode", "", "IMAGE", ["mine"]),
        ],
        [1, 4, 0, 3, 0, "IMAGE"],
        [2, 2, 0, 9, 0, "IMAGE"],
    )
    assert source_of(data, types) == Ref("4", 0)


def test_a_primitive_gives_its_value_also_through_a_reroute(types: Types, node: NodeMaker) -> None:
    data = workflow(
        [
            node(9, "Sampler", "seed:INT=1~ steps:INT=3~ cfg:FLOAT=9~", "LATENT", [1, "fixed", 2, 3.5, "euler", 0.5]),
            node(2, "PrimitiveNode", "", "INT", [77, "randomize"]),
            node(3, "Reroute", ":*=2", "INT"),
            node(4, "PrimitiveNode", "", "FLOAT"),  # without a value: the field keeps its own
        ],
        [1, 2, 0, 9, 0, "INT"],
        [2, 2, 0, 3, 0, "INT"],
        [3, 3, 0, 9, 1, "INT"],
        [9, 4, 0, 9, 2, "FLOAT"],
    )
    found = read_workflow(data, types).nodes["9"].inputs
    assert found == {"seed": 77, "steps": 77, "cfg": 3.5, "sampler_name": "euler", "denoise": 0.5}


def test_fields_in_the_names_of_files(types: Types, node: NodeMaker) -> None:
    name = "%date:yyyy%/%Sampler.seed%_%Prompt.text%_%Sampler.cfg%_%Gone.x%_%Sampler.gone%_100%"
    data = workflow(
        [
            node(9, "Save", "images:IMAGE", "", [name]),
            node(1, "Sampler", "", "", [7, "fixed", 20, 8.0, "euler", 0.5]),
            node(2, "Sampler", "", "", [8, "fixed"], properties={"Node name for S&R": "Mine"}),
            node(3, "Encode", "", "", ['a/b:"c"'], title="Prompt"),
        ]
    )
    assert source_of(data, types, "filename_prefix") == "%date:yyyy%/7_a_b__c__8_%Gone.x%_%Sampler.gone%_100%"


def test_a_muted_node_is_gone_with_the_links_to_it(types: Types, node: NodeMaker) -> None:
    data = workflow(
        [
            node(9, "Save", "images:IMAGE=1", "", ["x"]),
            node(4, "Scale", "image:IMAGE", "IMAGE", [2.0], mode=2),
        ],
        [1, 4, 0, 9, 0, "IMAGE"],
    )
    graph = read_workflow(data, types)
    assert {node_id: node.inputs for node_id, node in graph.nodes.items()} == {"9": {"filename_prefix": "x"}}


def bypassing(node: NodeMaker, wanted: str, inputs: str, outputs: str, output: int) -> dict[str, object]:
    """Node 9 reads an output of node 5, which is bypassed and reads, over links 1 to 3, outputs 0 to 2 of node 4."""
    return workflow(
        [
            node(9, "Other", f"x:{wanted}=9"),
            node(5, "Passed", inputs, outputs, mode=4),
            node(4, "Source", "", "A B C"),
        ],
        [1, 4, 0, 5, 0, "*"],
        [2, 4, 1, 5, 1, "*"],
        [3, 4, 2, 5, 2, "*"],
        [9, 5, output, 9, 0, "*"],
    )


@pytest.mark.parametrize(
    ("wanted", "inputs", "outputs", "output", "expected"),
    [
        ("IMAGE", "m:MASK=1 i:IMAGE=2 j:IMAGE=3", "IMAGE", 0, Ref("4", 1)),  # the first of its type
        ("IMAGE", "i:IMAGE=1 j:IMAGE=2", "MASK IMAGE", 1, Ref("4", 1)),  # the one with the output's number
        ("MASK", "m:MASK=1 i:IMAGE=2", "IMAGE", 0, Ref("4", 0)),  # what is wanted counts, not what is made
        ("*", "m:MASK=1 i:IMAGE=2", "X Y", 1, Ref("4", 1)),
        ("*", "m:MASK=1", "X Y", 1, Ref("4", 0)),
        ("IMAGE", "a:image,mask=1", "IMAGE", 0, Ref("4", 0)),  # one of several, whatever the case
        ("IMAGE", "m:MASK=1", "IMAGE", 0, None),
        ("IMAGE", "i:IMAGE", "IMAGE", 0, None),  # there is one, but nothing is linked to it
        ("IMAGE", "", "IMAGE", 0, None),
    ],
)
def test_a_bypassed_node_passes_on_its_input_of_the_same_type(
    node: NodeMaker, wanted: str, inputs: str, outputs: str, output: int, expected: Ref | None
) -> None:
    assert source_of(bypassing(node, wanted, inputs, outputs, output), {}, "x") == expected
    assert "5" not in read_workflow(bypassing(node, wanted, inputs, outputs, output)).nodes


def test_ids_given_twice_and_missing_types_are_reported_together(node: NodeMaker) -> None:
    data = workflow([node(1, "A"), node(1, "B"), node(2, ""), {"type": "C"}])
    with pytest.raises(GraphError) as caught:
        read_workflow(data)
    assert "node 1 (B): the id '1' is given to more than one node" in str(caught.value)
    assert "node 2: it has no type" in str(caught.value)
    assert "graph: entry 3 of its nodes has no id" in str(caught.value)


def test_types_lose_the_space_they_end_in(types: Types, node: NodeMaker) -> None:
    graph = read_workflow(workflow([node(1, "Average ", "a:CONDITIONING", "", [0.5])]), types)
    assert (graph.nodes["1"].type, graph.nodes["1"].inputs) == ("Average", {"strength": 0.5})
