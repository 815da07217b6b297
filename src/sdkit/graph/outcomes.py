"""What becomes of a node's results, or of its failure: kept, told, and passed on to those that wait."""

from __future__ import annotations

import time
from asyncio import CancelledError
from typing import TYPE_CHECKING, Final

from sdkit.errors import Cancelled
from sdkit.graph import events
from sdkit.graph.calling import joined, spread
from sdkit.graph.describing import told
from sdkit.graph.expanding import expand, outputs_of
from sdkit.graph.failing import node_error, written_into
from sdkit.graph.jobs import Job, Jobs, State
from sdkit.graph.reports import gathered
from sdkit.graph.values import Expansion
from sdkit.graph.watching import unchanged

if TYPE_CHECKING:
    from sdkit.graph.agenda import Agenda
    from sdkit.graph.caching import Cache
    from sdkit.graph.expanding import Nodes
    from sdkit.graph.flights import Claims
    from sdkit.graph.keeping import Kept
    from sdkit.graph.recording import Record
    from sdkit.types import CancelToken


class Outcomes:
    """Takes the outcomes of one run's nodes. `expanded`: the user's nodes that were expanded."""

    def __init__(
        self,
        cache: Cache,
        cancel: CancelToken,
        record: Record,
        agenda: Agenda,
        claims: Claims,
        kept: Kept,
        nodes: Nodes,
        jobs: Jobs,
    ) -> None:
        self._cache: Final = cache
        self._cancel: Final = cancel
        self._record: Final = record
        self._agenda: Final = agenda
        self._claims: Final = claims
        self._kept: Final = kept
        self._nodes: Final = nodes
        self._jobs: Final = jobs
        self.expanded: Final[set[str]] = set()

    def returned(self, job: Job, results: list[object]) -> None:
        """The function returned, once per call: pass it on, or expand it."""
        kind = job.step.kind
        try:
            for source in job.sources:
                if source.watched:
                    self._check_sources(job)
                    break
            for each in results:
                if isinstance(each, Expansion):
                    self._expand(job, results)
                    return
            pieces = [spread(kind, each) for each in results]
            job.keep(joined(kind, pieces) if job.many else pieces[0])
        except Exception as error:  # noqa: BLE001 -- whatever is wrong with what a node returns is its failure
            self.fail(job, error)
            return
        self._finish(job)

    def _check_sources(self, job: Job) -> None:
        """Raise if the node wrote into a tensor that it was given."""
        for link, source in zip(job.step.links, job.sources, strict=True):
            if source.watched and source.state is State.DONE and not unchanged(source.watched[link.output]):
                self._cache.discard(source.signature)
                source.state = State.FAILED  # for those that have not read it yet
                raise ValueError(written_into(link, source))

    def _expand(self, job: Job, results: list[object]) -> None:
        self.expanded.add(job.step.root)
        demanded = expand(job, results, self._nodes, self._jobs)
        job.waiting = sum(not self._jobs.demand(each, job) for each in reversed(demanded))
        self._jobs.release(job)
        job.sources, job.lent = tuple(demanded), ()
        if not job.waiting:
            self.complete(job)

    def complete(self, job: Job) -> None:
        """Everything that the job expanded to is done, or failed."""
        if any(source.state is State.FAILED for source in job.sources):
            self.settle(job, State.FAILED)
            return
        try:
            job.keep(outputs_of(job))
        except Exception as error:  # noqa: BLE001 -- as above
            self.fail(job, error)
            return
        self._finish(job)

    def _finish(self, job: Job) -> None:
        step = job.step
        if job.reported or job.inner:
            job.reports = gathered(job.reported or {}, [each.reports for each in job.inner or ()])
        if job.state is State.RUNNING:
            self._record.finished(step.id, time.perf_counter() - job.began)
        elif job.stopped:
            self._record.tell(events.NodeBlocked(step.id, job.blocked))
        if job.blocked is not None and step.kind.type.is_output:
            self._record.blocked[step.id] = job.blocked
        entry = job.entry()
        self._cache.put(job.signature, entry, step.id, step.root)
        self._claims.land(job.signature, entry)
        self.settle(job, State.DONE)
        for node_id in job.twins or ():
            self._kept.found(node_id, job)

    def fail(self, job: Job, error: BaseException) -> None:
        """The node failed; what ends the run as a whole, as the listener's own errors do, is raised."""
        if error is self._record.broken or isinstance(error, Cancelled) or not isinstance(error, Exception):
            if self._cancel.cancelled:
                self._cancel.check()
            if not isinstance(error, CancelledError):
                raise error
        if self._record.broken is not None:
            raise self._record.broken
        step = job.step
        failure = node_error(job, told(error), error)
        self._record.errors[step.id] = failure
        self._record.tell(events.NodeFailed(step.id, failure))
        self.settle(job, State.FAILED)

    def settle(self, job: Job, state: State) -> None:
        """The job is done, or failed: let its readers go on, and its sources go."""
        job.state = state
        job.lent = ()
        if state is State.FAILED:
            self._claims.land(job.signature, None)
        for reader in job.readers:
            reader.waiting -= 1
            if not reader.waiting:
                self._agenda.add(reader)
        job.readers.clear()
        self._jobs.release(job)
