"""`sdkit graph`: look at a graph, check it, and write it in other forms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdkit.builtin.commands.graphs import changed, load_graph, parse_names
from sdkit.builtin.commands.loading import find_plugins
from sdkit.builtin.commands.tables import show_table
from sdkit.errors import GraphError, ImageExistsError, RequestError
from sdkit.graph import Ref

if TYPE_CHECKING:
    from sdkit import Workspace
    from sdkit.graph import Graph, GraphNode

LONGEST = 40
"""So many characters of an input's value the list shows."""


def graph(
    workflow: Annotated[
        str,
        typer.Argument(
            help="File with the graph: JSON, or a picture that carries one; or default, the one in the box."
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="Write it: .svg a picture, .mmd a Mermaid chart, .json sdkit's own format, .py a script.",
        ),
    ] = None,
    python: Annotated[
        bool, typer.Option("--python", help="Print it as a Python script that builds and runs it.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Say all that is wrong with it; the exit code is 2 then.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Another value for an input, JSON or text. Repeatable.", metavar="NODE.INPUT=VALUE"),
    ] = None,
    names: Annotated[
        list[str] | None,
        typer.Option("--map", help="Another file wherever the graph names this one. Repeatable.", metavar="OLD=NEW"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Overwrite a file that is there already.")] = False,
    plugin: Annotated[
        list[str] | None, typer.Option(help="Load this plugin, too: dotted.name or file.py. Repeatable.")
    ] = None,
) -> None:
    """List the nodes of a graph, check it, draw it, or write it as a script. Nothing runs."""
    from sdkit import Workspace

    workspace = Workspace(plugins=find_plugins(plugin or ()))
    loaded = changed(load_graph(workspace, workflow), workspace, settings or (), parse_names(names or (), "--map"))
    if output is not None:
        _write(Path(output), loaded, workspace, title=Path(workflow).name, overwrite=overwrite)
    if python:
        typer.echo(loaded.to_python(workspace.types, title=Path(workflow).name), nl=False)
    if check:
        if faults := workspace.check(loaded):
            raise GraphError.of(faults)
        typer.echo(f"nothing is wrong with it: {len(loaded)} nodes", err=True)
    if output is None and not python and not check:
        rows = [(node_id, node.type, node.title, _inputs(node)) for node_id, node in loaded.nodes.items()]
        show_table(f"{len(loaded)} nodes", ("id", "type", "title", "inputs"), rows)


def _write(path: Path, graph: Graph, workspace: Workspace, *, title: str, overwrite: bool) -> None:
    match path.suffix.lower():
        case ".svg":
            text = graph.to_svg(workspace.types)
        case ".mmd":
            text = graph.to_mermaid(workspace.types)
        case ".json":
            text = graph.to_json()
        case ".py":
            text = graph.to_python(workspace.types, title=title)
        case other:
            raise RequestError(
                f"graphs are written as .svg, .mmd, .json or .py, not as {other or 'a file without suffix'!r}"
            )
    if path.exists() and not overwrite:
        raise ImageExistsError(
            f"{str(path)!r} exists already; choose another name, or overwrite it with overwrite=True"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
    typer.echo(typer.format_filename(path))


def _inputs(node: GraphNode) -> str:
    return ", ".join(f"{name}={_shown(value)}" for name, value in node.inputs.items())


def _shown(value: object) -> str:
    if isinstance(value, Ref):
        return f"{value.node}[{value.output}]"
    text = repr(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
