"""Graphs: the executor in this process, and sdkit's own files, also inside pictures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sdkit.graph import from_json
from sdkit.hookspecs import hookimpl
from sdkit.images import GRAPH, read_texts

if TYPE_CHECKING:
    from sdkit.graph import Graph
    from sdkit.hookspecs import RegisterExecutor

_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")


@hookimpl
def register_executors(register: RegisterExecutor) -> None:
    """The one in this process."""
    register("local", "sdkit.graph:LocalExecutor", summary="in this process, one node after another")


@hookimpl
def read_graph(data: bytes, name: str) -> Graph | None:
    """A graph as `Graph.to_json` writes it, or a picture that carries one."""
    if data.startswith(_PICTURES):
        text = read_texts(data, name).get(GRAPH)
        return None if text is None else from_json(text)
    return from_json(data) if _is_ours(data) else None


def _is_ours(data: bytes) -> bool:
    """Whether it is a text that says so, right at its top; one that is broken, too, so that it is said where."""
    if f'"{GRAPH}"'.encode() not in data:
        return False
    try:
        return GRAPH in json.loads(data)
    except (ValueError, RecursionError, TypeError):
        return data.lstrip().startswith(b"{")
