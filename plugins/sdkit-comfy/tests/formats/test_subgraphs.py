"""Subgraphs: their insides by path, links in and out, and values that are held outside."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sdkit.errors import GraphError
from sdkit.graph import Graph, NodeType, Ref
from sdkit_comfy.formats import flattening, read_workflow

Types = dict[str, NodeType]
NodeMaker = Callable[..., dict[str, object]]
Data = dict[str, object]

INNER = "11111111-2222-3333-4444-555555555555"
OUTER = "99999999-2222-3333-4444-555555555555"


def link(node_id: int, origin: int, slot: int, target: int, target_slot: int, kind: str = "*") -> Data:
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    return dict(zip(names, (node_id, origin, slot, target, target_slot, kind), strict=True))


def definition(node_id: str, inputs: str, outputs: str, nodes: list[Data], links: list[Data], **more: object) -> Data:
    def slots(text: str) -> list[Data]:
        return [dict(zip(("name", "type"), each.split(":"), strict=True)) for each in text.split()]

    ends = {"inputNode": {"id": -10}, "outputNode": {"id": -20}, "inputs": slots(inputs), "outputs": slots(outputs)}
    return {"id": node_id, "name": "Mine", "nodes": nodes, "links": links, "version": 1} | ends | more


def workflow(nodes: list[Data], links: list[list[object]], *definitions: Data) -> Data:
    return {"nodes": nodes, "links": links, "definitions": {"subgraphs": list(definitions)}, "version": 0.4}


def scaling(node: NodeMaker) -> Data:
    """A subgraph that scales a picture twice; how much, the first time, can be told from outside."""
    return definition(
        INNER,
        "by:FLOAT image:IMAGE",
        "IMAGE:IMAGE small:IMAGE",
        [
            node(1, "Scale", "image:IMAGE=1 by:FLOAT=2~", "IMAGE", [2.0]),
            node(2, "Scale", "image:IMAGE=3 by:FLOAT~", "IMAGE", [3.0], title="Again"),
        ],
        [
            link(1, -10, 1, 1, 0),
            link(2, -10, 0, 1, 1),
            link(3, 1, 0, 2, 0),
            link(4, 2, 0, -20, 0),
            link(5, 1, 0, -20, 1),
        ],
    )


def used(node: NodeMaker, instance: Data, *links: list[object], inner: Data | None = None) -> Data:
    """The subgraph between a picture (node 4) and two that save (8 and 9)."""
    nodes = [
        node(9, "Save", "images:IMAGE=21", "", ["x"]),
        node(8, "Save", "images:IMAGE=22", "", ["x"]),
        node(4, "Upload", "", "IMAGE MASK", ["a.png", "alpha"]),
        node(6, "Number", "", "INT", [5, "free"]),
        instance,
    ]
    given = [[20, 4, 0, 5, 0, "IMAGE"], [21, 5, 0, 9, 0, "IMAGE"], [22, 5, 1, 8, 0, "IMAGE"], *links]
    return workflow(nodes, given, inner or scaling(node))


def test_the_inside_is_linked_to_the_outside(types: Types, node: NodeMaker) -> None:
    """The instance lists fewer inputs than the subgraph declares, and in another order."""
    graph = read_workflow(used(node, node(5, INNER, "image:IMAGE=20", "IMAGE IMAGE")), types)
    assert set(graph.nodes) == {"4", "6", "8", "9", "5:1", "5:2"}
    assert graph.nodes["5:1"].inputs == {"image": Ref("4", 0), "by": 2.0}
    assert graph.nodes["5:2"].inputs == {"image": Ref("5:1", 0), "by": 3.0}
    assert graph.nodes["5:2"].title == "Again"
    assert graph.nodes["9"].inputs["images"] == Ref("5:2", 0)
    assert graph.nodes["8"].inputs["images"] == Ref("5:1", 0)


def test_an_input_is_found_by_its_name_alone(types: Types, node: NodeMaker) -> None:
    graph = read_workflow(used(node, node(5, INNER, "image:*=20", "IMAGE IMAGE")), types)
    assert graph.nodes["5:1"].inputs["image"] == Ref("4", 0)


def test_what_was_set_outside_is_got_inside(types: Types, node: NodeMaker) -> None:
    inner = definition(
        INNER,
        "",
        "IMAGE:IMAGE small:IMAGE",
        [node(1, "Scale", "image:IMAGE=1", "IMAGE", [2.0]), node(2, "GetNode", "", "IMAGE", ["mine"])],
        [link(1, 2, 0, 1, 0), link(2, 1, 0, -20, 0)],
    )
    data = used(node, node(5, INNER, "", "IMAGE IMAGE"), [30, 4, 0, 3, 0, "IMAGE"], inner=inner)
    nodes = [node(3, "SetNode", "IMAGE:IMAGE=30", "*", ["mine"]), *data["nodes"]]  # pyright: ignore[reportGeneralTypeIssues]
    assert read_workflow(data | {"nodes": nodes}, types).nodes["5:1"].inputs["image"] == Ref("4", 0)


def by_of(graph: Graph) -> list[object]:
    return [graph.nodes[node_id].inputs["by"] for node_id in ("5:1", "5:2")]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"widgets_values": [7.5]}, [7.5, 3.0]),
        ({"widgets_values": [None]}, [2.0, 3.0]),
        ({"widgets_values": {"by": 7.5}}, [7.5, 3.0]),
        ({"widgets_values": [1.0], "widgets_values_named": {"by": 7.5}}, [7.5, 3.0]),
        ({"widgets_values": [], "properties": {"proxyWidgets": [["2", "by"]]}}, [2.0, 3.0]),
        ({"widgets_values": [6.5, 7.5], "properties": {"proxyWidgets": [["2", "by"], ["-1", "by"]]}}, [7.5, 6.5]),
        ({"widgets_values": [6.5], "properties": {"proxyWidgets": '[["2", "by"]]'}}, [2.0, 6.5]),
        (
            {"widgets_values": [6.5], "properties": {"proxyWidgets": [["1", "control_after_generate"], [2, "by"]]}},
            [2.0, 6.5],
        ),
        (
            {"properties": {"proxyWidgetErrorQuarantine": [{"originalEntry": ["-1", "by"], "hostValue": 7.5}]}},
            [7.5, 3.0],
        ),
    ],
    ids=["position", "null", "names", "both", "no values", "proxies", "as text", "without control", "set aside"],
)
def test_values_from_outside(types: Types, node: NodeMaker, more: Data, expected: list[object]) -> None:
    instance = node(5, INNER, "by:FLOAT~ image:IMAGE=20", "IMAGE IMAGE") | more
    assert by_of(read_workflow(used(node, instance), types)) == expected


def test_a_link_from_outside_goes_before_values(types: Types, node: NodeMaker) -> None:
    instance = node(5, INNER, "by:FLOAT=23~ image:IMAGE=20", "IMAGE IMAGE", [7.5])
    graph = read_workflow(used(node, instance, [23, 6, 0, 5, 0, "FLOAT"]), types)
    assert by_of(graph) == [Ref("6", 0), 3.0]


def test_what_stands_behind_a_seed_is_the_editors_own(types: Types, node: NodeMaker) -> None:
    inner = definition(
        INNER,
        "seed:INT steps:INT",
        "LATENT:LATENT",
        [node(1, "Sampler", "seed:INT=1~ steps:INT=2~", "LATENT", [1, "fixed", 2, 3.0, "euler", 1.0])],
        [link(1, -10, 0, 1, 0), link(2, -10, 1, 1, 1), link(3, 1, 0, -20, 0)],
    )
    for values in ([70, "randomize", 30], [70, 30]):
        graph = read_workflow(workflow([node(5, INNER, "seed:INT~ steps:INT~", "LATENT", values)], [], inner), types)
        assert (graph.nodes["5:1"].inputs["seed"], graph.nodes["5:1"].inputs["steps"]) == (70, 30)


def nested(node: NodeMaker, instance: Data) -> Data:
    """The scaling subgraph inside of another."""
    around = definition(
        OUTER,
        "how:FLOAT picture:IMAGE",
        "IMAGE:IMAGE small:IMAGE",
        [node(7, INNER, "by:FLOAT=2~ image:IMAGE=1", "IMAGE IMAGE", [4.0])],
        [link(1, -10, 1, 7, 1), link(2, -10, 0, 7, 0), link(3, 7, 0, -20, 0), link(4, 7, 1, -20, 1)],
        definitions={"subgraphs": [scaling(node)]},
    )
    return used(node, instance, inner=around)


@pytest.mark.parametrize(("values", "expected"), [(None, 2.0), ([9.0], 9.0)])
def test_subgraphs_inside_of_subgraphs(types: Types, node: NodeMaker, values: object, expected: float) -> None:
    """Without a value outermost, the innermost counts, not what the instance between them holds."""
    graph = read_workflow(nested(node, node(5, OUTER, "how:FLOAT~ picture:IMAGE=20", "IMAGE IMAGE", values)), types)
    assert graph.nodes["5:7:1"].inputs == {"image": Ref("4", 0), "by": expected}
    assert graph.nodes["9"].inputs["images"] == Ref("5:7:2", 0)
    assert graph.nodes["8"].inputs["images"] == Ref("5:7:1", 0)


def test_an_inner_instances_input_is_held_outside(types: Types, node: NodeMaker) -> None:
    """The outer instance shows a field of the inner one, which nothing inside is linked to."""
    around = definition(
        OUTER,
        "image:IMAGE",
        "IMAGE:IMAGE",
        [node(7, INNER, "by:FLOAT~ image:IMAGE=1", "IMAGE IMAGE", [4.0])],
        [link(1, -10, 0, 7, 1), link(2, 7, 0, -20, 0)],
    )
    for proxies, expected in (([["7", "by"]], 9.0), ([], 4.0)):
        instance = node(5, OUTER, "image:IMAGE=20", "IMAGE", [9.0], properties={"proxyWidgets": proxies})
        data = used(node, instance, inner=around)
        data["definitions"] = {"subgraphs": [around, scaling(node)]}
        assert read_workflow(data, types).nodes["5:7:1"].inputs["by"] == expected


def test_a_field_two_levels_down_is_held_outside(types: Types, node: NodeMaker) -> None:
    """The inner instance shows the field of node 2, and the outer one shows what the inner one shows."""
    data = nested(node, node(5, OUTER, "picture:IMAGE=20", "IMAGE IMAGE", [8.0]))
    inner_proxies = {"proxyWidgets": [["2", "by"]]}
    outer_proxies = {"proxyWidgets": [["7", "by", "2"]]}
    around = data["definitions"]["subgraphs"][0]  # pyright: ignore[reportIndexIssue]
    around["nodes"][0] |= {
        "properties": inner_proxies,
        "widgets_values": [6.0],
        "inputs": around["nodes"][0]["inputs"][1:],
    }
    inner = around["definitions"]["subgraphs"][0]
    inner["inputs"], inner["links"] = (
        inner["inputs"][1:],
        [each | {"origin_slot": 0} for each in inner["links"][:1]] + inner["links"][2:],
    )
    data["nodes"][-1] |= {"properties": outer_proxies}  # pyright: ignore[reportIndexIssue]
    graph = read_workflow(data, types)
    assert [graph.nodes[node_id].inputs["by"] for node_id in ("5:7:1", "5:7:2")] == [2.0, 8.0]


@pytest.mark.parametrize(("mode", "images"), [(2, None), (4, Ref("4", 0))])
def test_muted_and_bypassed_subgraphs(types: Types, node: NodeMaker, mode: int, images: Ref | None) -> None:
    graph = read_workflow(used(node, node(5, INNER, "image:IMAGE=20", "IMAGE IMAGE", mode=mode)), types)
    assert set(graph.nodes) == {"4", "6", "8", "9"}
    assert graph.nodes["9"].inputs.get("images") == images


def test_a_subgraph_inside_of_itself_is_a_fault(node: NodeMaker) -> None:
    inner = definition(INNER, "", "", [node(1, INNER)], [])
    with pytest.raises(GraphError, match=r"node 5:1 \(Mine\): the subgraph 'Mine' contains itself"):
        read_workflow(workflow([node(5, INNER)], [], inner))


def test_subgraphs_that_double_with_every_level_are_refused(node: NodeMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flattening, "MAX_NODES", 1000)
    levels = [
        definition(f"id{level}", "", "", [node(1, f"id{level + 1}"), node(2, f"id{level + 1}")], [])
        for level in range(40)
    ]
    with pytest.raises(GraphError, match="unfolded, the workflow has more than 1,000 nodes"):
        read_workflow(workflow([node(5, "id0")], [], *levels))
