"""Runs single nodes: reads their inputs, and calls their functions."""

from __future__ import annotations

import contextvars
import threading
import time
from types import CoroutineType
from typing import TYPE_CHECKING, Final, cast

from sdkit.graph import events
from sdkit.graph.awaiting import Waiting, close_unstarted
from sdkit.graph.calling import blocking, slices, to_compute
from sdkit.graph.failing import changed_meanwhile
from sdkit.graph.jobs import Job, Jobs, State
from sdkit.graph.lending import CONTAINERS, lent
from sdkit.graph.values import Blocked, Many, NodeContext
from sdkit.graph.watching import unchanged

if TYPE_CHECKING:
    from sdkit.graph.agenda import Agenda
    from sdkit.graph.caching import Entry
    from sdkit.graph.executing import Work
    from sdkit.graph.expanding import Nodes
    from sdkit.graph.flights import Claims
    from sdkit.graph.keeping import Kept
    from sdkit.graph.outcomes import Outcomes
    from sdkit.graph.planning import Link
    from sdkit.graph.recording import Record


class Performer:
    """Runs the nodes of one run, in the thread that made it; async nodes wait beside it."""

    def __init__(
        self,
        work: Work,
        context: contextvars.Context,
        record: Record,
        agenda: Agenda,
        claims: Claims,
        kept: Kept,
        nodes: Nodes,
        jobs: Jobs,
        outcomes: Outcomes,
    ) -> None:
        self._work: Final = work
        self._cache: Final = work.cache
        self._context: Final = context
        self._record: Final = record
        self._agenda: Final = agenda
        self._claims: Final = claims
        self._kept: Final = kept
        self._nodes: Final = nodes
        self._jobs: Final = jobs
        self._outcomes: Final = outcomes
        self._waiting: Final = Waiting()
        self._thread: Final = threading.get_ident()

    def close(self) -> None:
        """Cancel async nodes that still wait, and let them end."""
        self._waiting.close()

    def start(self, job: Job) -> None:
        """Run the job's function; its non-lazy sources are done, or failed."""
        if job.pieces is not None:
            self._outcomes.complete(job)
            return
        values = self._values(job)
        if values is None or not self._claim(job):
            return
        step = job.step
        kind = step.kind
        try:
            if self._nodes.failed and (error := self._nodes.failed.get(step.id)) is not None:
                raise error
            if kind.plain and not job.special:
                self._announce(job)
                results: list[object] = [self._context.run(kind.type.function, **values)]
                if self._record.broken is not None:
                    raise self._record.broken
                running = type(results[0]) is CoroutineType
            else:
                calls, job.many = slices(kind, values)
                if kind.type.needs is not None and self._ask(job, calls):
                    return
                results, running = self._call(job, calls)
        except Exception as error:  # noqa: BLE001 -- whatever a node raises is reported as its failure
            self._outcomes.fail(job, error)
            return
        if running:
            self._await(job, results)
        else:
            self._outcomes.returned(job, results)

    def _values(self, job: Job) -> dict[str, object] | None:
        """What the function is called with, lazy inputs that were not asked for being None; None where a source failed.
        The job is `special` if lists or blocked values are among it."""
        step = job.step
        values = dict(step.values)
        lendings: list[tuple[object, Link]] = []
        for name in step.containers:
            values[name] = lent(values[name])
        for link, source in zip(step.links, job.sources, strict=True):
            name = link.name
            if link.lazy and (job.asked is None or name not in job.asked):
                values[name] = None
                continue
            if source.state is State.FAILED:
                self._outcomes.settle(job, State.FAILED)
                return None
            value = source.outputs[link.output]
            kind = type(value)
            if kind is Many or kind is Blocked:
                job.special = True
                values[name] = Many(map(lent, cast("Many", value))) if kind is Many else value
            elif kind in CONTAINERS:
                values[name] = copy = lent(value)
                lendings.append((copy, link))
            else:
                values[name] = value
            if source.watched and not unchanged(source.watched[link.output]):
                self._cache.discard(source.signature)
                self._outcomes.fail(job, ValueError(changed_meanwhile(link, source)))
                return None
        job.lent = lendings or ()
        return values

    def _claim(self, job: Job) -> bool:
        """Whether this run computes the job; another thread's run may be at it, or just have finished it."""

        def landed(entry: Entry | None) -> None:
            self._agenda.answer(lambda: self._landed(job, entry))

        if not self._claims.claim(job.signature, landed):
            self._agenda.expect()
            return False
        if self._cache.has(job.signature) and (entry := self._cache.get(job.signature)) is not None and entry.intact:
            self._landed(job, entry)
            return False
        return True

    def _landed(self, job: Job, entry: Entry | None) -> None:
        if entry is None:
            self._agenda.add(job)
            return
        self._kept.take(job, entry)
        self._claims.land(job.signature, entry)
        self._outcomes.settle(job, State.DONE)

    def _ask(self, job: Job, calls: list[dict[str, object]]) -> bool:
        """Ask `needs` for lazy inputs; whether the job has to wait for one."""
        lazy = {link.name: source for link, source in zip(job.step.links, job.sources, strict=True) if link.lazy}
        asked: set[str] = job.asked or set()
        fresh = [name for name in to_compute(job.step.kind, calls, lazy, self._context.run) if name not in asked]
        if not fresh:
            return False
        job.asked = asked | set(fresh)
        job.waiting = sum(not self._jobs.demand(lazy[name], job) for name in fresh)
        if job.waiting:
            job.state = State.WAITING
        else:
            self._agenda.add(job)
        return True

    def _call(self, job: Job, calls: list[dict[str, object]]) -> tuple[list[object], bool]:
        """What the function returned for every call; whether coroutines are among it."""
        kind, run = job.step.kind, self._context.run
        results: list[object] = []
        for call in calls:
            stopped = blocking(kind, call)
            if stopped is not None:
                results.append(stopped)
                job.stopped = True
                if job.blocked is None:
                    job.blocked = stopped.message
                continue
            if job.state is not State.RUNNING:
                self._announce(job)
            if kind.type.context is not None:
                call[kind.type.context] = self._node_context(job)
            try:
                result = run(kind.type.function, **call)
                if self._record.broken is not None:
                    raise self._record.broken
            except BaseException:
                close_unstarted(results)
                raise
            results.append(result)
        return results, any(type(each) is CoroutineType for each in results)

    def _announce(self, job: Job) -> None:
        step = job.step
        job.state = State.RUNNING
        job.began = time.perf_counter()
        if self._record.listening:
            self._record.tell(events.NodeStarted(step.id, step.kind.type.name, step.title, step.root))

    def _await(self, job: Job, results: list[object]) -> None:
        """Go on when all coroutines among the results have ended."""

        def arrived(results: list[object], error: BaseException | None) -> None:
            if error is not None:
                self._outcomes.fail(job, error)
            else:
                self._outcomes.returned(job, results)

        self._agenda.expect()
        self._waiting.submit(
            results, self._context.copy(), lambda all_, error: self._agenda.answer(lambda: arrived(all_, error))
        )

    def _node_context(self, job: Job) -> NodeContext:
        step, work = job.step, self._work
        if job.reported is None:
            job.reported = {}
        return NodeContext(
            step.id, step.root, self._nodes.links(step), work.graph, self._nodes.all, work.cancel, work.services,
            self._progress, job.reported,
        )  # fmt: skip

    def _progress(self, node: str, done: float, total: float, preview: object) -> None:
        tell = self._record.tell
        event = events.NodeProgress(node, done, total, preview)
        if threading.get_ident() == self._thread:
            tell(event)
        else:
            self._agenda.post(lambda: tell(event))
