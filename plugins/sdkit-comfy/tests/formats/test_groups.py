"""Group nodes: which input, output and field of the node belongs to which node inside."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sdkit.errors import GraphError
from sdkit.graph import NodeType, Ref
from sdkit_comfy.formats import read_workflow

Types = dict[str, NodeType]
NodeMaker = Callable[..., dict[str, object]]
Data = dict[str, object]


def inside(node: NodeMaker) -> Data:
    """Two prompts and a sampler; the first prompt goes to the sampler and, as the file says, outside too. A primitive
    sets the steps; the sampler's cfg was turned into an input."""
    nodes = [
        node(0, "Encode", "clip:CLIP", "CONDITIONING", ["stored one"], title="First"),
        node(0, "Encode", "clip:CLIP", "CONDITIONING", ["stored two"], title="Second"),
        node(0, "PrimitiveNode", "", "INT", [15, "fixed"], title="Steps"),
        node(
            0,
            "Sampler",
            "model:MODEL positive:CONDITIONING latent_image:LATENT steps:INT~ cfg:FLOAT~",
            "LATENT",
            [1, "fixed", 2, 3.0, "euler", 1.0],
        ),
    ]
    links: list[object] = [[0, 0, 3, 1, 11, "CONDITIONING"], [2, 0, 3, 3, 13, "INT"], [None, 0, 3, 0, 1, "MODEL"]]
    return {"nodes": nodes, "links": links, "external": [[0, 0, "CONDITIONING"]]}


def workflow(node: NodeMaker, group: Data, kind: str = "workflow>Mine", **more: object) -> Data:
    nodes = [
        node(1, "Loader", "", "MODEL CLIP VAE", ["m.safetensors"]),
        node(2, "Latent", "", "LATENT", [512, 512, 1]),
        node(5, kind, "clip:CLIP=1 a:CLIP=2 model:MODEL=3 latent_image:LATENT=4 cfg:FLOAT=9~", "A B C") | more,
        node(8, "Average", "a:CONDITIONING=6", "", [0.5]),
        node(9, "Decode", "samples:LATENT=5 vae:VAE=7"),
        node(7, "Forced", "strength:FLOAT", "FLOAT", [True]),
    ]
    links: list[object] = [
        [1, 1, 1, 5, 0, "CLIP"],
        [2, 1, 1, 5, 1, "CLIP"],
        [3, 1, 0, 5, 2, "MODEL"],
        [4, 2, 0, 5, 3, "LATENT"],
        [9, 7, 0, 5, 4, "FLOAT"],
        [5, 5, 2, 9, 0, "LATENT"],
        [6, 5, 0, 8, 0, "CONDITIONING"],
        [7, 1, 2, 9, 1, "VAE"],
    ]
    return {"nodes": nodes, "links": links, "extra": {"groupNodes": {"Mine": group}}, "version": 0.4}


VALUES = ["one", "two", 33, "randomize", 7, "fixed", "dpmpp_2m", 0.25]
"""Of both prompts, the primitive and what becomes of it, then of the sampler: steps and cfg are inputs."""


@pytest.mark.parametrize("kind", ["workflow>Mine", "workflow/Mine"])
def test_inputs_outputs_and_fields_go_inside(types: Types, node: NodeMaker, kind: str) -> None:
    graph = read_workflow(workflow(node, inside(node), kind, widgets_values=VALUES), types)
    assert set(graph.nodes) == {"1", "2", "7", "8", "9", "5:0", "5:1", "5:3"}
    assert graph.nodes["5:0"].inputs == {"text": "one", "clip": Ref("1", 1)}
    assert graph.nodes["5:1"].inputs == {"text": "two", "clip": Ref("1", 1)}
    assert graph.nodes["5:3"].inputs == {
        "model": Ref("1", 0),
        "seed": 7,
        "steps": 33,
        "cfg": Ref("7", 0),
        "sampler_name": "dpmpp_2m",
        "positive": Ref("5:0", 0),
        "latent_image": Ref("2", 0),
        "denoise": 0.25,
    }
    assert graph.nodes["8"].inputs["a"] == Ref("5:0", 0)
    assert graph.nodes["9"].inputs["samples"] == Ref("5:3", 0)


def test_inputs_are_found_by_the_names_that_the_group_gives_them(types: Types, node: NodeMaker) -> None:
    """The second of two that are called the same begins with the inner node's title."""
    data = workflow(node, inside(node))
    slots = data["nodes"][2]["inputs"]  # pyright: ignore[reportIndexIssue]
    slots[1]["name"] = "Second clip"
    slots[1]["link"] = None
    slots.reverse()
    graph = read_workflow(data, types)
    assert graph.nodes["5:0"].inputs["clip"] == Ref("1", 1)
    assert "clip" not in graph.nodes["5:1"].inputs
    assert graph.nodes["5:3"].inputs["model"] == Ref("1", 0)
    assert graph.nodes["5:3"].inputs["latent_image"] == Ref("2", 0)


def test_without_values_of_its_own_those_inside_count(types: Types, node: NodeMaker) -> None:
    found = read_workflow(workflow(node, inside(node)), types).nodes["5:3"].inputs
    assert (found["seed"], found["steps"], found["sampler_name"]) == (1, 15, "euler")


def test_outputs_and_inputs_that_were_hidden(types: Types, node: NodeMaker) -> None:
    """The first output and the first prompt's clip are hidden: what comes after them moves up."""
    hidden: Data = {"0": {"output": {"0": {"visible": False}}, "input": {"clip": {"visible": False}}}}
    data = workflow(node, inside(node) | {"config": hidden})
    data["nodes"][2]["inputs"].pop(0)  # pyright: ignore[reportIndexIssue]
    graph = read_workflow(data, types)
    assert "clip" not in graph.nodes["5:0"].inputs
    assert graph.nodes["5:1"].inputs["clip"] == Ref("1", 1)
    assert graph.nodes["8"].inputs["a"] == Ref("5:1", 0)


def test_a_bypassed_group_node(types: Types, node: NodeMaker) -> None:
    graph = read_workflow(workflow(node, inside(node), mode=4), types)
    assert set(graph.nodes) == {"1", "2", "7", "8", "9"}
    assert graph.nodes["9"].inputs["samples"] == Ref("2", 0)  # its only input of that type
    assert "a" not in graph.nodes["8"].inputs


def test_an_empty_group_node_is_a_fault(node: NodeMaker) -> None:
    with pytest.raises(GraphError, match=r"node 5 \(workflow>Mine\): there is nothing in the group node"):
        read_workflow(workflow(node, {"nodes": []}))
