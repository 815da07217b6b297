"""Runs a plan: every node once, after what it reads, and only if somebody needs its value."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sdkit.graph import events
from sdkit.graph.agenda import Agenda
from sdkit.graph.caching import Cache
from sdkit.graph.calling import Slots
from sdkit.graph.events import GraphEvent, GraphResult
from sdkit.graph.expanding import Nodes
from sdkit.graph.failing import node_error
from sdkit.graph.flights import Claims, Flights
from sdkit.graph.jobs import Jobs, State
from sdkit.graph.keeping import Kept
from sdkit.graph.outcomes import Outcomes
from sdkit.graph.performing import Performer
from sdkit.graph.recording import Record
from sdkit.graph.values import Many

if TYPE_CHECKING:
    from sdkit.graph.graph import Graph
    from sdkit.graph.planning import Kind, Plan
    from sdkit.types import CancelToken

_INSIDE: contextvars.ContextVar[bool] = contextvars.ContextVar("sdkit_inside_node", default=False)


@dataclass(frozen=True, eq=False)
class Work:
    """What an executor is to run: `plan` for `graph`, which is checked. `kind_of`: the node type of a name, prepared;
    expansions need those that the plan does not have."""

    graph: Graph
    plan: Plan
    kind_of: Callable[[str, Graph], Kind]
    services: Mapping[type, object]
    cache: Cache
    cancel: CancelToken
    flights: Flights = field(default_factory=Flights)


class Run:
    """One run of a plan. `emit` gets the events, in the thread that calls `execute`."""

    def __init__(self, work: Work, emit: Callable[[GraphEvent], None] | None) -> None:
        nested = _INSIDE.get()
        context = contextvars.copy_context()
        context.run(_INSIDE.set, True)
        self._work: Final = work
        self._record: Final = Record(emit)
        self._agenda: Final = Agenda(work.cancel)
        self._claims: Final = Claims(work.flights, nested=nested)
        self._kept: Final = Kept(work.cache, self._record)
        self._nodes: Final = Nodes(work.plan, work.graph, work.kind_of, context, work.services)
        self._jobs: Final = Jobs(
            self._nodes.step, self._nodes.signatures, work.cache, self._kept.found, self._agenda.add
        )
        shared = self._record, self._agenda, self._claims, self._kept, self._nodes, self._jobs
        self._outcomes: Final = Outcomes(work.cache, work.cancel, *shared)
        self._performer: Final = Performer(work, context, *shared, self._outcomes)

    def execute(self) -> GraphResult:
        """Run. Raises NodeError if a node failed, once all others are done; Cancelled; what `emit` raises."""
        work, jobs, steps = self._work, self._jobs, self._work.plan.steps
        work.cache.begin(jobs.signatures, frozenset(work.graph.nodes))
        try:
            self._record.tell(events.Started(len(steps)))
            work.cancel.check()
            wanted = [jobs.reach(node_id) for node_id in work.plan.outputs]
            for job in reversed(wanted):
                job.uses += 1
                jobs.demand(job)
            self._kept.find_behind(steps, jobs)
            while (job := self._agenda.next()) is not None:
                self._performer.start(job)
            self._kept.find_equal(steps, jobs)
        finally:
            self._performer.close()
            self._claims.close()
            work.cache.end(frozenset(self._outcomes.expanded), frozenset(self._nodes.added))
        result = self._result()
        jobs.clear()
        self._record.raise_failure(result)
        return result

    def _result(self) -> GraphResult:
        record, own = self._record, self._work.graph.nodes
        values: dict[str, Slots] = {}
        for node_id in self._work.plan.outputs:
            job = self._jobs.by_id[node_id]
            if job.state is State.DONE:
                values[node_id] = tuple([*each] if type(each) is Many else each for each in job.outputs)
            elif job.state is not State.FAILED:
                record.errors[job.step.id] = node_error(
                    job, "waits for itself: what it expanded to contains the same node with the same inputs"
                )
        for node_id, job in self._jobs.by_id.items():
            if node_id in own and job.reports is not None:
                record.reports[node_id] = job.reports
        return record.result(values)
