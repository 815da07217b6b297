"""The plugin: ComfyUI's nodes by their names, and its workflows as graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit import hookimpl
from sdkit_comfy.nodes import NODES
from sdkit_comfy.packs.known import usual_pack
from sdkit_comfy.packs.plugin import Packs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import typer

    from sdkit.graph import Graph, NodeType
    from sdkit.hookspecs import RegisterNode


@hookimpl
def register_nodes(register: RegisterNode) -> None:
    """Every node of ComfyUI's that sdkit knows, and those of the packs that the environment enables by name."""
    for name, place in NODES.items():
        register(name, place)
    Packs.of_environment().register_nodes(register)


@hookimpl
def register_commands(cli: typer.Typer) -> None:
    """`sdkit packs`."""
    from sdkit_comfy.packs.commands import packs

    cli.command()(packs)


@hookimpl
def find_node(name: str) -> str | None:
    """Why a node of an enabled pack is not there, or which public pack usually has one of this name."""
    return Packs.of_environment().find_node(name) or usual_pack(name)


@hookimpl
def read_graph(data: bytes, types: Mapping[str, NodeType]) -> Graph | None:
    """Workflows in API or UI format, also out of pictures."""
    from sdkit_comfy.formats import detect, read_workflow

    return read_workflow(data, types) if detect(data) else None


@hookimpl
def shrink_graph(
    graph: Graph, types: Mapping[str, NodeType], folder: Path, has_picture: Callable[[str], bool]
) -> Graph | None:
    """Small random stand-ins in the layouts of the real files, and smaller sizes, for sdkit's own graphs, too."""
    from sdkit_comfy.tiny import shrink, with_changes

    return with_changes(graph, shrink(graph, types, folder, has_picture))
