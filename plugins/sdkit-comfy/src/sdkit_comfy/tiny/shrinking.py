"""A workflow with stand-ins for everything that it needs from outside, and the workspace to run it in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdkit import Workspace
from sdkit.graph import Choices, Graph, NodeType
from sdkit.settings import Settings
from sdkit_comfy.tiny.families import Family, model_inputs
from sdkit_comfy.tiny.sizes import smaller
from sdkit_comfy.tiny.stand_ins import MODELS, PICTURES, StandIns

if TYPE_CHECKING:
    from sdkit.graph import Cache

    GraphSource = Graph | str | Path | bytes | Mapping[str, object]

_EMBEDDING = re.compile(r"embedding:([^\s,:()<>\[\]{}|]+)")
_LATENTS = frozenset({"LoadLatent"})
_FROM_OUTPUTS = frozenset({"LoadImageOutput"})


@dataclass(frozen=True)
class Change:
    """What was put in the place of what: a stand-in, or a smaller number."""

    node: str
    input: str
    was: object
    now: object

    def __str__(self) -> str:
        now = self.now if not isinstance(self.now, str) else Path(self.now).name
        return f"{self.node}.{self.input}: {self.was!r} → {now!r}"


@dataclass(frozen=True, eq=False)
class Tiny:
    """A workflow that runs in seconds: `tiny.workspace.run(tiny.graph)`. `changes`: what is different in it."""

    workspace: Workspace
    graph: Graph
    changes: tuple[Change, ...]


def tiny_workspace(
    source: GraphSource,
    folder: str | Path,
    *,
    plugins: Iterable[object] = (),
    inputs: str | Path | Iterable[str | Path] | None = None,
    outputs: str | Path | None = None,
    cache: Cache | None = None,
) -> Tiny:
    """A workflow with small stand-ins and sizes, as `shrink` makes it, and a workspace that runs it.

    Stand-ins are written below `folder`, and found there again by further calls; pictures are saved in its `out`,
    unless `outputs` says otherwise. No node is left out: those whose technique sdkit does not have raise
    NotAvailableError, as they do with real models. Raises GraphError as `Workspace.load`.
    """
    folder = Path(folder)
    given = (".", "input") if inputs is None else inputs
    places = (given,) if isinstance(given, str | Path) else tuple(given)
    workspace = Workspace(
        plugins=plugins,
        settings=Settings.load().model_copy(update={"models": folder / MODELS, "cache": folder / "cache"}),
        inputs=(*places, folder / PICTURES),
        outputs=folder / "out" if outputs is None else outputs,
        cache=cache,
        device="cpu",
        dtype="float32",
    )
    graph = workspace.load(source)
    changes = shrink(graph, workspace.types, folder, lambda name: workspace.inputs.get(name) is not None)
    return Tiny(workspace, with_changes(graph, changes), changes)


def shrink(
    graph: Graph, types: Mapping[str, NodeType], folder: Path, has_picture: Callable[[str], bool]
) -> tuple[Change, ...]:
    """What to change so that a graph can be tried out: a small random stand-in for every model file that it names and
    for every picture that is missing, and smaller sizes, steps and batches.

    The stand-ins are written below `folder`: what models are looked for in has to have its `models`, and what pictures
    are looked for in its `pictures`. `has_picture`: whether there is one of a name.
    """
    stand_ins = StandIns(folder)
    values = {**_models(graph, types, stand_ins), **_pictures(graph, types, stand_ins, has_picture)}
    values |= {(node, name): value for node, name, value in smaller(graph, types)}
    return tuple(
        Change(node, name, graph.nodes[node].inputs.get(name), value) for (node, name), value in values.items()
    )


def with_changes(graph: Graph, changes: Iterable[Change]) -> Graph:
    """The graph with the changes; the one that came in stays as it is."""
    changed = graph.copy()
    for change in changes:
        changed.nodes[change.node].inputs[change.input] = change.now
    return changed


def _models(graph: Graph, types: Mapping[str, NodeType], stand_ins: StandIns) -> dict[tuple[str, str], object]:
    named = model_inputs(graph, types)
    families: set[Family] = {each.family for each in named}
    family: Family = "sdxl" if families & {"sdxl", "sdxl_refiner"} else "sd1"
    for name in _embeddings(graph):
        stand_ins.embedding(name, family)
    return {(each.node, each.input): str(stand_ins.model(each)) for each in named}


def _embeddings(graph: Graph) -> Iterator[str]:
    for node in graph.nodes.values():
        for value in node.inputs.values():
            if isinstance(value, str):
                yield from _EMBEDDING.findall(value)


def _pictures(
    graph: Graph, types: Mapping[str, NodeType], stand_ins: StandIns, has_picture: Callable[[str], bool]
) -> dict[tuple[str, str], object]:
    """Stand-ins for the pictures and latents that are not there."""
    found: dict[tuple[str, str], object] = {}
    for node_id, node in graph.nodes.items():
        kind = graph.type_of(node_id, types)
        for declared in kind.inputs if kind is not None else ():
            value = node.inputs.get(declared.name)
            is_picture = isinstance(declared.choices, Choices) and declared.choices.source == "inputs"
            if not isinstance(value, str) or not (is_picture or node.type in _FROM_OUTPUTS):
                continue
            if not has_picture(value.removesuffix("[input]").rstrip()):
                made = stand_ins.latents(value) if node.type in _LATENTS else stand_ins.picture(value)
                found[node_id, declared.name] = f"{made.name} [input]" if node.type in _FROM_OUTPUTS else made.name
    return found
