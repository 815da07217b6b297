"""What nodes return beside plain values, and what they are told of the run that they are in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from sdkit.errors import SdkitError
from sdkit.graph.graph import Graph, GraphNode
from sdkit.graph.handles import NodeHandle
from sdkit.graph.schema import Ref

if TYPE_CHECKING:
    from sdkit.types import CancelToken

ServiceT = TypeVar("ServiceT")


@dataclass(frozen=True, eq=False)
class Blocked:
    """In place of an output: whatever reads it does not run, and is blocked, too. `message`: what output nodes that it
    reaches report; None where blocking is nothing to talk about, as behind a switch."""

    message: str | None = None


class Many(tuple[object, ...]):
    """The elements of a list that go one by one into the nodes behind it."""

    __slots__ = ()


@dataclass(frozen=True, eq=False)
class Expansion:
    """In place of a result: a graph to run, whose values become the node's outputs.

    `outputs`: one per output of the node: a `Ref` into `graph`, or a value that is known already. Inputs in `graph` may
    hold any value, and `Ref`s to nodes of the graph that is running; where an id is in both, `graph`'s is meant. Output
    nodes in `graph` run whether or not `outputs` needs them.
    """

    graph: Graph
    outputs: tuple[object, ...]

    def __init__(self, graph: Graph, outputs: Sequence[object] = ()) -> None:
        object.__setattr__(self, "graph", graph)
        object.__setattr__(
            self, "outputs", tuple(each.out if isinstance(each, NodeHandle) else each for each in outputs)
        )


class GraphBuilder(Graph):
    """A graph that a node builds to return it.

    ::

        build = GraphBuilder()
        doubled = build.add("scale", image=image, by=2)
        return build.expansion(doubled)
    """

    __slots__ = ()

    def expansion(self, *outputs: object) -> Expansion:
        """What the node returns: this graph, with one `Ref`, handle or value per output of the node."""
        return Expansion(self, outputs)


@dataclass(frozen=True, eq=False)
class NodeContext:
    """What a node knows of the run that it is in; it gets one where a parameter is annotated `NodeContext`.

    `node`: its id. `root`: the id of the node in the user's graph that it belongs to: its own, but for nodes that came
    with an `Expansion`. `links`: which of its inputs come over links, and from where. `graph`: the user's graph.
    `nodes`: all nodes of the run by id, those of expansions included. `cancel`: the run's token, to hand on.
    """

    node: str
    root: str
    links: Mapping[str, Ref]
    graph: Graph
    nodes: Mapping[str, GraphNode]
    cancel: CancelToken
    services: Mapping[type, object]
    _progress: Callable[[str, float, float, object], None]
    _reported: dict[str, list[object]]

    def service(self, kind: type[ServiceT]) -> ServiceT:
        """What the session offers under this type: the model library, a store of pictures, …"""
        return offered(self.services, kind, self.node)

    def progress(self, done: float, total: float, preview: object = None) -> None:
        """Tell that `done` of `total` are done; `preview`: anything that shows how far it is, such as a small picture,
        or a function that makes it. Raises Cancelled if the run was cancelled."""
        self._progress(self.node, done, total, preview)
        self.cancel.check()

    def check_cancelled(self) -> None:
        """Raise Cancelled if the run was cancelled."""
        self.cancel.check()

    def report(self, key: str, value: object) -> None:
        """Add a value to what the result reports of this node: `result.ui[node][key]` lists all of them.

        Reports of expansions are under the node that was expanded. All are repeated when values come from the cache.
        """
        self._reported.setdefault(key, []).append(value)


def offered(services: Mapping[type, object], kind: type[ServiceT], node: str) -> ServiceT:
    """The service of this type. Raises SdkitError, which names the node that asks and what there is."""
    if kind not in services:
        known = ", ".join(sorted(each.__name__ for each in services)) or "none"
        raise SdkitError(
            f"node {node} asks for the service {kind.__name__}, which this session does not have (it has: {known}). "
            f"Give it to the session: Session(types, services={{{kind.__name__}: …}})"
        )
    return cast("ServiceT", services[kind])
