"""What the commands for graphs share: the graph that is named on the command line, and what is changed in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sdkit.builtin.commands.fields import parse_options
from sdkit.errors import RequestError, nearest

if TYPE_CHECKING:
    from sdkit import Workspace
    from sdkit.graph import Graph

DEFAULT = "default"
"""Names the graph that ships with sdkit, where there is no file of that name."""


def load_graph(workspace: Workspace, source: str) -> Graph:
    """The graph in a file, or the one in the box. Raises GraphError."""
    from pathlib import Path

    if source == DEFAULT and not Path(source).exists():
        return workspace.default()
    return workspace.load(source)


def changed(graph: Graph, workspace: Workspace, settings: Sequence[str], renamed: Mapping[str, str]) -> Graph:
    """The graph with `--set node.input=value` and `--map old=new` done to it. Raises RequestError and GraphError."""
    values: dict[str, object] = dict(with_names(graph, renamed))
    values.update(parse_options(settings, "--set"))
    return graph.changed(values, workspace.types) if values else graph


def parse_names(texts: Sequence[str], flag: str) -> dict[str, str]:
    """`["old.safetensors=new.safetensors"]` → new names by old ones. Raises RequestError."""
    names: dict[str, str] = {}
    for text in texts:
        old, equals, new = text.partition("=")
        if not old or not equals or not new:
            raise RequestError(f"{flag} takes old=new, not {text!r}")
        names[old] = new
    return names


def with_names(graph: Graph, renamed: Mapping[str, str]) -> dict[str, str]:
    """New values by `node.input`, wherever a written text is one of the old names: the whole of it, its last part, or
    either without suffix. Raises RequestError for an old name that is nowhere."""
    found: dict[str, str] = {}
    written = {
        f"{node_id}.{name}": value
        for node_id, node in graph.nodes.items()
        for name, value in node.inputs.items()
        if isinstance(value, str)
    }
    for old, new in renamed.items():
        same = {place: new for place, text in written.items() if _means(old, text)}
        if not same:
            near = nearest(old, {text for text in written.values() if "." in text and "\n" not in text})
            advice = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise RequestError(f"nothing in the graph is called {old!r}{advice}")
        found.update(same)
    return found


def _means(old: str, text: str) -> bool:
    wanted, written = (PurePosixPath(each.replace("\\", "/")) for each in (old, text))
    shapes = (written, PurePosixPath(written.name), written.with_suffix("")) if written.name else (written,)
    return wanted in shapes or (bool(written.name) and str(wanted) == written.stem)
