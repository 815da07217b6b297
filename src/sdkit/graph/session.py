"""Sessions: check graphs, and run them, keeping what was computed for the next run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Final, Protocol

from sdkit.errors import Fault, GraphError, UnknownNameError
from sdkit.graph.caching import Cache, KeepLast
from sdkit.graph.checking import node_faults
from sdkit.graph.events import GraphEvent, GraphFinished, GraphResult
from sdkit.graph.executing import Run, Work
from sdkit.graph.flights import Flights
from sdkit.graph.graph import Graph, GraphNode
from sdkit.graph.handles import NodeHandle
from sdkit.graph.ordering import cycle_faults
from sdkit.graph.planning import Kind, Kinds, Nonces, Plan, Step, arrange, sign
from sdkit.graph.remembering import Remembered, Shape
from sdkit.graph.schema import NodeType, Ref
from sdkit.graph.streaming import streamed
from sdkit.types import CancelToken

Outputs = Iterable[str | Ref | NodeHandle]
Emit = Callable[[GraphEvent], None]

PLANS = 8
"""So many plans a session remembers: running one of them again takes no check and no planning."""


class Executor(Protocol):
    """Where graphs run: in this process, or elsewhere."""

    def execute(self, work: Work, emit: Emit | None) -> GraphResult:
        """Run `work.plan.outputs` of `work.graph`, which is checked, and tell `emit` of it in the calling thread, from
        `Started` on; the last event, `GraphFinished`, is the session's. What a node raises becomes NodeError, with the
        partial result; `work.cancel` used becomes Cancelled. `work.cache` may be left alone."""
        ...


class LocalExecutor:
    """Runs graphs in this process: sync nodes one after the other in the calling thread, async nodes beside them, in a
    thread of the run's own."""

    def execute(self, work: Work, emit: Emit | None) -> GraphResult:
        """Run it."""
        return Run(work, emit).execute()


class Session:
    """Runs graphs of these node types, each node once as long as nothing upstream of it changes.

    ::

        session = Session(types)
        result = session.run(graph)
        result.value("9")

    `types`: the node types by name; it may grow later. A graph's own types go first. `choices`: the choices of a name
    such as "samplers", asked in every run. `services`: what nodes get from their context, by type. `cache`: which
    values are kept, `KeepLast()` if nobody says; each session needs its own. `executor`: where the nodes run. `origin`:
    asked for a hint where to get a node type that is not there; "" if it does not know.

    Several threads may run graphs at the same time. What two of them need is computed once: the second waits for it.
    """

    def __init__(
        self,
        types: Mapping[str, NodeType],
        *,
        choices: Callable[[str], Sequence[object]] | None = None,
        services: Mapping[type, object] | None = None,
        cache: Cache | None = None,
        executor: Executor | None = None,
        origin: Callable[[str], str] | None = None,
    ) -> None:
        self.types: Final = types
        self.cache: Final[Cache] = KeepLast() if cache is None else cache
        self.services: Final[Mapping[type, object]] = {} if services is None else services
        self._choices: Final = choices
        self._origin: Final = origin
        self._executor: Final[Executor] = LocalExecutor() if executor is None else executor
        self._kinds: Final = Kinds()
        self._flights: Final = Flights()
        self._lock: Final = threading.Lock()
        self._plans: Final[list[Remembered]] = []

    def check(self, graph: Graph, *, outputs: Outputs | None = None) -> tuple[Fault, ...]:
        """Everything that is wrong with the graph, as far as these outputs need it; empty if it can run."""
        part, faults = self._part(graph, self._chosen(graph, outputs))
        return (*faults, *self._faults(part), *cycle_faults(part))

    def run(
        self,
        graph: Graph,
        *,
        outputs: Outputs | None = None,
        on_event: Emit | None = None,
        cancel: CancelToken | None = None,
    ) -> GraphResult:
        """Compute these outputs and what they need; by default, those of all output nodes; where there are none, of all
        nodes that nobody reads.

        Sync nodes run in the calling thread, and `on_event` is called there; an error that it raises ends the run and
        is raised here. GraphError, before anything runs, says all that is wrong with the graph, as far as these outputs
        need it: a fault above one output keeps the others from running, too; ask for those alone. NodeError says which
        node failed, once everything that does not depend on it is done; its `result` has that, and the cache, so that
        the next run repeats only what failed. Cancelled: `cancel` was used.
        """
        work = self._work(graph, outputs, CancelToken() if cancel is None else cancel)
        result = self._executor.execute(work, on_event)
        if on_event is not None:
            on_event(GraphFinished(result))
        return result

    def stream(
        self, graph: Graph, *, outputs: Outputs | None = None, cancel: CancelToken | None = None
    ) -> Generator[GraphEvent]:
        """Like `run`, but yields what happens while it happens; the last event is `GraphFinished`.

        The nodes run in a thread of the stream's own, with the caller's context variables, and sync nodes wait while
        the caller looks at an event. `close()` cancels the run.
        """
        token = CancelToken(cancel)  # of its own: closing this stream stops nothing else that holds the caller's

        def execute(emit: Emit) -> None:
            work = self._work(graph, outputs, token)
            emit(GraphFinished(self._executor.execute(work, emit)))

        return streamed(execute, token)

    # ── before anything runs ─────────────────────────────────────────────────────────────────────────────────────────

    def _work(self, graph: Graph, outputs: Outputs | None, cancel: CancelToken) -> Work:
        plan = self._plan(graph, None if outputs is None else tuple(outputs))
        return Work(graph, plan, self._kind_of, self.services, self.cache, cancel, self._flights)

    def _plan(self, graph: Graph, outputs: tuple[str | Ref | NodeHandle, ...] | None) -> Plan:
        asked = None if outputs is None else tuple(map(_id, outputs))
        shape = Shape.of(graph)
        with self._lock:
            known = next((each for each in self._plans if each.fits(asked, shape, graph, self.types)), None)
        if known is not None:
            if known.varies and (faults := self._faults(self._part(graph, known.plan.outputs)[0])):
                raise GraphError.of(faults)
            return known.plan
        chosen = self._chosen(graph, asked)
        part, found = self._part(graph, chosen)
        if faults := (*found, *self._faults(part)):
            raise GraphError.of((*faults, *cycle_faults(part)))
        kinds: dict[str, Kind] = {}

        def make(node_id: str, node: GraphNode) -> Step:
            kind = kinds.get(node.type)
            if kind is None:
                kind = kinds[node.type] = self._kind_of(node.type, graph)
            return Step(node_id, node, kind, node_id)

        try:
            steps = arrange(graph.nodes, chosen, make, {})
        except GraphError:  # it has a cycle: all of them are told
            raise GraphError.of(cycle_faults(part)) from None
        signatures: dict[str, bytes] | None = None
        if not any(kind.type.changes is not None for kind in kinds.values()):
            signatures = {}
            sign(steps.values(), signatures, None, Nonces())
        plan = Plan(chosen, steps, signatures)
        varies = any(kind.varies for kind in kinds.values())
        try:
            remembered = Remembered(asked, shape, shape.mutable(), kinds, varies, plan)
        except Exception:  # noqa: BLE001 -- something written cannot be copied, so that nobody could see it change
            return plan
        with self._lock:
            self._plans.insert(0, remembered)
            del self._plans[PLANS:]
        return plan

    def _kind_of(self, name: str, graph: Graph) -> Kind:
        node_type = graph.types.get(name) or self.types.get(name)
        if node_type is None:
            raise UnknownNameError("node type", name, {*graph.types, *self.types})
        with self._lock:
            return self._kinds.of(node_type)

    def _faults(self, graph: Graph) -> Sequence[Fault]:
        """All but cycles, which planning finds on its way."""
        return node_faults(graph, self.types, self._choices, origin=self._origin, services=self.services)

    def _part(self, graph: Graph, outputs: Sequence[str]) -> tuple[Graph, list[Fault]]:
        """The graph that these outputs need, and the faults of those that it does not have."""
        nodes = graph.nodes
        waiting = [each for each in outputs if each in nodes]
        faults = [Fault(each, "", f"there is no node {each!r} to ask for") for each in outputs if each not in nodes]
        needed = set(waiting)
        while waiting:
            for value in nodes[waiting.pop()].inputs.values():
                if type(value) is Ref and value.node not in needed and value.node in nodes:
                    needed.add(value.node)
                    waiting.append(value.node)
        return (graph if len(needed) == len(nodes) else graph.subgraph(needed)), faults

    def _chosen(self, graph: Graph, outputs: Outputs | None) -> tuple[str, ...]:
        """The ids of the nodes to compute."""
        if outputs is not None:
            return tuple(dict.fromkeys(map(_id, outputs)))
        read = {value.node for node in graph.nodes.values() for value in node.inputs.values() if type(value) is Ref}
        kinds = {
            node_id: graph.types.get(node.type) or self.types.get(node.type) for node_id, node in graph.nodes.items()
        }
        unread = tuple(each for each in kinds if each not in read)
        if not any(kind is not None and kind.is_output for kind in kinds.values()):
            return unread or tuple(graph.nodes)
        # a node of unknown type may well be an output node: the check will name it
        return tuple(each for each, kind in kinds.items() if (each not in read if kind is None else kind.is_output))


def _id(output: str | Ref | NodeHandle) -> str:
    return output if isinstance(output, str) else output.node if isinstance(output, Ref) else output.id
