"""Which family of models each loader of a workflow is for, told by names and by the nodes that use what it loads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from sdkit.graph import Choices, Graph, NodeType, Ref

Family = Literal["sd1", "sd2", "sdxl", "sdxl_refiner"]

_PASSED = frozenset({"MODEL", "CLIP"})
"""What nodes that read it from each other are for the same family."""
_TELLING: Mapping[str, Family] = {
    "CLIPTextEncodeSDXLRefiner": "sdxl_refiner",
    "CLIPTextEncodeSDXL": "sdxl",
    "ModelMergeSDXL": "sdxl",
    "DualCLIPLoader": "sdxl",
    "ModelMergeSD1": "sd1",
    "ModelMergeSD2": "sd2",
}
_NAMES: tuple[tuple[Family, re.Pattern[str]], ...] = (
    ("sdxl_refiner", re.compile(r"refiner", re.IGNORECASE)),
    ("sdxl", re.compile(r"xl|pony|illustrious|noob|animagine|ssd-?1b|clip_g|bigg", re.IGNORECASE)),
    (
        "sd2",
        re.compile(
            r"(^|[/\\_-])(v2-[01]|sd[-_]?2|stable-diffusion-2|512-(base|inpainting|depth)|768-v|wd-?1-?5)|unclip",
            re.IGNORECASE,
        ),
    ),
)
_CERTAIN: tuple[Family, ...] = ("sdxl_refiner", "sdxl", "sd2", "sd1")


@dataclass(frozen=True)
class ModelInput:
    """A model file that a graph names: in which input, of which kind (as in `sdkit.models.KINDS`), for which family."""

    node: str
    input: str
    name: str
    kind: str
    family: Family


def model_inputs(graph: Graph, types: Mapping[str, NodeType]) -> tuple[ModelInput, ...]:
    """Every model file that the graph names, in the order of its nodes.

    Nodes that pass models or text encoders to each other are of one family: the one that a node's type tells, or else a
    name. Where nothing tells, it is SD1; for files that hold parts of a model only, the family of the others.
    """
    groups = _groups(graph, types)
    named = list(_named(graph, types))
    families: dict[str, Family] = {}
    for group in set(groups.values()):
        members = [node for node, other in groups.items() if other == group]
        kinds: list[Family | None] = [_TELLING.get(graph.nodes[node].type) for node in members]
        names = [name for node, _, name, kind in named if node in members and kind != "vae"]
        told = _first([*kinds, *map(by_name, names)])
        if told is None and any(kind == "checkpoints" for node, _, _, kind in named if node in members):
            told = "sd1"
        if told is not None:
            families[group] = told
    others: Family = "sdxl" if "sdxl" in families.values() else "sd1"
    return tuple(
        ModelInput(node, name, value, kind, families.get(groups[node], others)) for node, name, value, kind in named
    )


def by_name(name: str) -> Family | None:
    """The family that a file's name tells; None for most."""
    return next((family for family, pattern in _NAMES if pattern.search(name)), None)


def _first(found: Iterable[Family | None]) -> Family | None:
    families = set(found)
    return next((family for family in _CERTAIN if family in families), None)


def _named(graph: Graph, types: Mapping[str, NodeType]) -> Iterable[tuple[str, str, str, str]]:
    for node_id, node in graph.nodes.items():
        kind = graph.type_of(node_id, types)
        for declared in kind.inputs if kind is not None else ():
            value = node.inputs.get(declared.name)
            if isinstance(declared.choices, Choices) and isinstance(value, str):
                folder, _, of = declared.choices.source.partition(".")
                if folder == "models":
                    yield node_id, declared.name, value, of


def _groups(graph: Graph, types: Mapping[str, NodeType]) -> dict[str, str]:
    """For each node the first one of those that pass models or text encoders to each other."""
    group = {node: node for node in graph.nodes}

    def top(node: str) -> str:
        while group[node] != node:
            group[node] = group[group[node]]
            node = group[node]
        return node

    for node_id, node in graph.nodes.items():
        for _, ref in node.links():
            if ref.node in group and _type_of(graph, ref, types) in _PASSED:
                group[top(node_id)] = top(ref.node)
    return {node: top(node) for node in graph.nodes}


def _type_of(graph: Graph, ref: Ref, types: Mapping[str, NodeType]) -> str:
    kind = graph.type_of(ref.node, types)
    return kind.outputs[ref.output].type if kind is not None and 0 <= ref.output < len(kind.outputs) else ""
