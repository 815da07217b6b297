"""`sdkit run`: run a graph, and list what it made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdkit.builtin.commands.graphs import changed, load_graph, parse_names
from sdkit.builtin.commands.loading import find_plugins
from sdkit.builtin.commands.tables import show_json
from sdkit.builtin.commands.trying_graphs import differences, stand_ins
from sdkit.builtin.commands.watching import Bar, cancelling_on_interrupt, progress_bar
from sdkit.errors import Cancelled, NodeError
from sdkit.graph import GraphFinished, GraphResult, NodeCached, NodeFinished, NodeProgress, NodeStarted, Started
from sdkit.types import CancelToken

if TYPE_CHECKING:
    from sdkit import Workspace
    from sdkit.graph import Graph, GraphEvent


def run(
    workflow: Annotated[
        str,
        typer.Argument(
            help="File with the graph: JSON, or a picture that carries one; or default, the one in the box."
        ),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Another value for an input, JSON or text. Repeatable.", metavar="NODE.INPUT=VALUE"),
    ] = None,
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--map", help="Use another file wherever the graph names this one. Repeatable.", metavar="OLD=NEW"
        ),
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            help="A picture, or a folder of them, that the graph may name; NAME=FILE also puts it in the place of the "
            "picture of this name. Repeatable.",
            metavar="[NAME=]FILE",
        ),
    ] = None,
    output_dir: Annotated[str, typer.Option("--output-dir", "-o", help="Folder to save into.")] = "out",
    only: Annotated[
        list[str] | None,
        typer.Option(help="Compute only this node and what it needs. Repeatable.", metavar="NODE"),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps …")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, float16 or bfloat16.")] = "auto",
    plugin: Annotated[
        list[str] | None,
        typer.Option(help="Load this plugin, too: dotted.name or file.py. Repeatable."),
    ] = None,
    tiny: Annotated[
        bool,
        typer.Option(
            "--tiny",
            help="Try the wiring in seconds: small random stand-ins for all models and for missing pictures, and "
            "smaller sizes. Every node runs. Needs the package sdkit-comfy.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Files, texts, timings and what ran as JSON on standard output.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors; no progress bar.")] = False,
) -> None:
    """Run a graph, and print the names of the files that it saved.

    All that is wrong with it is said before anything runs. Where a node fails, all others that can still run do.
    """
    from sdkit import Workspace

    pictures = [text.partition("=") for text in inputs or ()]
    files = [new or old for old, _, new in pictures]
    renamed = {old: Path(new).name for old, _, new in pictures if new}
    with progress_bar(quiet=quiet, label="reading the graph") as bar, stand_ins(wanted=tiny) as trial:
        workspace = Workspace(
            plugins=find_plugins(plugin or ()),
            settings=None if trial is None else trial.settings,
            device=device,
            dtype=dtype,
            inputs=(*files, ".", "input", *(() if trial is None else (trial.pictures,))),
            outputs=output_dir,
        )
        graph = load_graph(workspace, workflow)
        graph = changed(graph, workspace, settings or (), renamed | parse_names(names or (), "--map"))
        if trial is not None:
            smaller = changed(trial.shrunk(graph, workspace), workspace, settings or (), {})
            for line in () if quiet or as_json else differences(graph, smaller):
                bar.note(line)
            graph = smaller
        report = _Report(bar, graph, as_json=as_json, quiet=quiet)
        report.show(_result(workspace, graph, only, report))


class _Report:
    """What is shown of a run: a bar meanwhile, and what it made in the end."""

    def __init__(self, bar: Bar, graph: Graph, *, as_json: bool, quiet: bool) -> None:
        self.bar, self.graph = bar, graph
        self.as_json, self.quiet = as_json, quiet
        self.total, self.done, self.label = 1, 0, ""

    def watch(self, event: GraphEvent) -> None:
        """Show how far an event brings the run."""
        step, part = "", 0.0
        match event:
            case Started():
                self.total = max(event.total, 1)
            case NodeStarted():
                self.label = event.title or event.type
            case NodeProgress() if event.total > 0:
                part = min(event.done / event.total, 1.0)
                step = f"step {event.done:g}/{event.total:g}"
            case NodeFinished() | NodeCached():
                self.done += 1
                self.total = max(self.total, self.done)
            case _:
                pass
        self.bar.show(self.label, self.done + part, self.total, step)

    def show(self, result: GraphResult) -> None:
        """The files that were saved, the texts that were shown, and how much ran."""
        self.bar.stop()
        if self.as_json:
            show_json(_as_json(result))
            return
        if self.quiet:
            return
        for path in result.reported(Path):
            self.bar.line(typer.format_filename(path))
        for node, texts in _texts(result).items():
            for text in texts:
                self.bar.line(f"{node}: {text}")
        for node, message in result.blocked.items():
            self.bar.note(f"node {node} did not run: {message}")
        kept = f", {len(result.cached)} were there already" if result.cached else ""
        self.bar.note(f"{len(result.executed)} nodes ran in {sum(result.timings.values()):.1f} s{kept}")


def _result(workspace: Workspace, graph: Graph, only: Sequence[str] | None, report: _Report) -> GraphResult:
    token = CancelToken()
    try:
        with cancelling_on_interrupt(token):
            for event in workspace.stream(graph, outputs=only or None, cancel=token):
                if isinstance(event, GraphFinished):
                    return event.result
                report.watch(event)
    except NodeError as error:
        if isinstance(error.result, GraphResult):
            report.show(error.result)
        raise
    except Cancelled as error:
        error.args = (f"cancelled; what was saved is kept in {workspace.outputs.folder}",)
        raise
    raise AssertionError("a run ends with GraphFinished")


def _texts(result: GraphResult) -> dict[str, list[str]]:
    """The texts that nodes show, and plain values that were asked for."""
    shown = {
        node: [value for reported in reports.values() for value in reported if isinstance(value, str)]
        for node, reports in result.ui.items()
    }
    for node, values in result.values.items():
        shown.setdefault(node, []).extend(str(value) for value in values if isinstance(value, str | int | float))
    return {node: texts for node, texts in shown.items() if texts}


def _as_json(result: GraphResult) -> dict[str, object]:
    return {
        "finished": not result.errors,
        "files": [str(path) for path in result.reported(Path)],
        "texts": _texts(result),
        "executed": list(result.executed),
        "cached": list(result.cached),
        "blocked": dict(result.blocked),
        "errors": {node: str(error) for node, error in result.errors.items()},
        "timings": json.loads(json.dumps(dict(result.timings))),
    }
