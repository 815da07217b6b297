"""Graphs of nodes: typed functions, the graphs that link them, and what can be said about a graph before it runs.

Everything here is imported when first used; nothing needs torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdkit.errors import Fault
    from sdkit.graph.asking import CheckContext
    from sdkit.graph.caching import LRU, Cache, Entry, KeepLast, NoCache
    from sdkit.graph.checking import check
    from sdkit.graph.declaring import is_node, node, node_type
    from sdkit.graph.drawing import to_mermaid, to_svg
    from sdkit.graph.events import (
        GraphEvent,
        GraphFinished,
        GraphResult,
        NodeBlocked,
        NodeCached,
        NodeFailed,
        NodeFinished,
        NodeProgress,
        NodeStarted,
        Started,
    )
    from sdkit.graph.executing import Work
    from sdkit.graph.graph import Graph, GraphNode
    from sdkit.graph.handles import NodeHandle
    from sdkit.graph.json import from_json, to_json
    from sdkit.graph.ordering import dependency_order
    from sdkit.graph.schema import (
        ANY,
        UNSET,
        WIDGETS,
        Choices,
        Input,
        Lazy,
        LinkOnly,
        Multiline,
        NodeType,
        Output,
        Ref,
        Socket,
        fits,
    )
    from sdkit.graph.scripting import to_python
    from sdkit.graph.session import Executor, LocalExecutor, Session
    from sdkit.graph.stubs import Nodes, stub_text
    from sdkit.graph.values import Blocked, Expansion, GraphBuilder, NodeContext
    from sdkit.graph.written import arriving, written_inputs

__all__ = [
    "ANY",
    "LRU",
    "UNSET",
    "WIDGETS",
    "Blocked",
    "Cache",
    "CheckContext",
    "Choices",
    "Entry",
    "Executor",
    "Expansion",
    "Fault",
    "Graph",
    "GraphBuilder",
    "GraphEvent",
    "GraphFinished",
    "GraphNode",
    "GraphResult",
    "Input",
    "KeepLast",
    "Lazy",
    "LinkOnly",
    "LocalExecutor",
    "Multiline",
    "NoCache",
    "NodeBlocked",
    "NodeCached",
    "NodeContext",
    "NodeFailed",
    "NodeFinished",
    "NodeHandle",
    "NodeProgress",
    "NodeStarted",
    "NodeType",
    "Nodes",
    "Output",
    "Ref",
    "Session",
    "Socket",
    "Started",
    "Work",
    "arriving",
    "check",
    "dependency_order",
    "fits",
    "from_json",
    "is_node",
    "node",
    "node_type",
    "stub_text",
    "to_json",
    "to_mermaid",
    "to_python",
    "to_svg",
    "written_inputs",
]

_HOMES = {
    "ANY": "sdkit.graph.schema",
    "LRU": "sdkit.graph.caching",
    "UNSET": "sdkit.graph.schema",
    "WIDGETS": "sdkit.graph.schema",
    "Blocked": "sdkit.graph.values",
    "Cache": "sdkit.graph.caching",
    "CheckContext": "sdkit.graph.asking",
    "Choices": "sdkit.graph.schema",
    "Entry": "sdkit.graph.caching",
    "Executor": "sdkit.graph.session",
    "Expansion": "sdkit.graph.values",
    "Fault": "sdkit.errors",
    "Graph": "sdkit.graph.graph",
    "GraphBuilder": "sdkit.graph.values",
    "GraphEvent": "sdkit.graph.events",
    "GraphFinished": "sdkit.graph.events",
    "GraphNode": "sdkit.graph.graph",
    "GraphResult": "sdkit.graph.events",
    "Input": "sdkit.graph.schema",
    "KeepLast": "sdkit.graph.caching",
    "Lazy": "sdkit.graph.schema",
    "LinkOnly": "sdkit.graph.schema",
    "LocalExecutor": "sdkit.graph.session",
    "Multiline": "sdkit.graph.schema",
    "NoCache": "sdkit.graph.caching",
    "NodeBlocked": "sdkit.graph.events",
    "NodeCached": "sdkit.graph.events",
    "NodeContext": "sdkit.graph.values",
    "NodeFailed": "sdkit.graph.events",
    "NodeFinished": "sdkit.graph.events",
    "NodeHandle": "sdkit.graph.handles",
    "NodeProgress": "sdkit.graph.events",
    "NodeStarted": "sdkit.graph.events",
    "NodeType": "sdkit.graph.schema",
    "Nodes": "sdkit.graph.stubs",
    "Output": "sdkit.graph.schema",
    "Ref": "sdkit.graph.schema",
    "Session": "sdkit.graph.session",
    "Socket": "sdkit.graph.schema",
    "Started": "sdkit.graph.events",
    "Work": "sdkit.graph.executing",
    "arriving": "sdkit.graph.written",
    "check": "sdkit.graph.checking",
    "dependency_order": "sdkit.graph.ordering",
    "fits": "sdkit.graph.schema",
    "from_json": "sdkit.graph.json",
    "is_node": "sdkit.graph.declaring",
    "node": "sdkit.graph.declaring",
    "node_type": "sdkit.graph.declaring",
    "stub_text": "sdkit.graph.stubs",
    "to_json": "sdkit.graph.json",
    "to_mermaid": "sdkit.graph.drawing",
    "to_python": "sdkit.graph.scripting",
    "to_svg": "sdkit.graph.drawing",
    "written_inputs": "sdkit.graph.written",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'sdkit.graph' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
