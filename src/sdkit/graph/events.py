"""What a run of a graph tells while it runs, and what it returns in the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from sdkit.errors import NodeError, SdkitError
from sdkit.graph.handles import NodeHandle
from sdkit.graph.schema import Ref

Kind = TypeVar("Kind")


@dataclass(frozen=True, eq=False)
class GraphResult:
    """What a run made.

    `values`: the outputs of the nodes that were asked for, by id; a list where the node ran once per element of a list.
    `executed`: the ids of the nodes that ran, in the order in which they finished, those of expansions included.
    `cached`: those whose values were there already, or are those of an equal node. `timings`: seconds by id of what
    ran; of async nodes with the time that they waited. `blocked`: the messages of `Blocked` values that reached output
    nodes, by id. `errors`: what failed, by id. `ui`: what nodes reported, by id and key.
    """

    values: Mapping[str, tuple[object, ...]]
    executed: tuple[str, ...] = ()
    cached: tuple[str, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict[str, float])
    blocked: Mapping[str, str] = field(default_factory=dict[str, str])
    errors: Mapping[str, NodeError] = field(default_factory=dict[str, NodeError])
    ui: Mapping[str, Mapping[str, list[object]]] = field(default_factory=dict[str, dict[str, list[object]]])

    def reported(self, kind: type[Kind]) -> list[Kind]:
        """Everything of this type that nodes reported: `result.reported(Path)` are the files that were saved,
        `result.reported(Image)` the pictures that were shown."""
        values = (value for reports in self.ui.values() for told in reports.values() for value in told)
        return [value for value in values if isinstance(value, kind)]

    def value(self, output: Ref | NodeHandle | str) -> object:
        """One output's value; a handle or an id means the node's only output."""
        if isinstance(output, Ref):
            node, number = output
        else:
            node, number = (output if isinstance(output, str) else output.id), None
        if node not in self.values:
            raise SdkitError(
                f"the run has no value of node {node!r}; it was not asked for, or failed. Ask for it: run(graph, "
                f"outputs=[{node!r}]). There are: {', '.join(self.values) or 'none'}"
            )
        values = self.values[node]
        if number is None and len(values) != 1:
            raise SdkitError(f"node {node!r} has {len(values)} outputs; say which one: value(Ref({node!r}, 0))")
        if number is not None and number >= len(values):
            raise SdkitError(f"node {node!r} has {len(values)} outputs, counted from 0; there is no output {number}")
        return values[number or 0]


@dataclass(frozen=True, slots=True)
class Started:
    """The graph is checked, and the run begins. `total`: how many nodes it takes, as far as is known: lazy inputs and
    expansions may add to it."""

    total: int


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """A node begins to run. `node`: its id; `type`, `title`: of the node; `root`: the node of the user's graph that it
    belongs to, another one only where it came with an expansion."""

    node: str
    type: str
    title: str
    root: str


@dataclass(frozen=True, slots=True)
class NodeProgress:
    """A node tells how far it is: `done` of `total`, and perhaps something to show."""

    node: str
    done: float
    total: float
    preview: object = None


@dataclass(frozen=True, slots=True)
class NodeCached:
    """A node does not run, because its values are there already."""

    node: str


@dataclass(frozen=True, slots=True)
class NodeBlocked:
    """A node does not run, because it reads a `Blocked` value."""

    node: str
    message: str | None


@dataclass(frozen=True, slots=True)
class NodeFinished:
    """A node has run; `seconds` is how long that took, the nodes that it expanded to included."""

    node: str
    seconds: float


@dataclass(frozen=True, slots=True)
class NodeFailed:
    """A node raised an error; nodes that depend on it will not run, all others will."""

    node: str
    error: NodeError


@dataclass(frozen=True, slots=True)
class GraphFinished:
    """Everything is done; the last event of a run in which nothing failed."""

    result: GraphResult


GraphEvent = Started | NodeStarted | NodeProgress | NodeCached | NodeBlocked | NodeFinished | NodeFailed | GraphFinished
