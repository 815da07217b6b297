"""The nodes of one run: what each waits for, who waits for it, and how long its value is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Final

from sdkit.graph.caching import Cache, Entry
from sdkit.graph.calling import Slots, check_lasting
from sdkit.graph.planning import Link, Step
from sdkit.graph.reports import Reports
from sdkit.graph.values import Expansion
from sdkit.graph.watching import PLAIN, Watch, watch


class State(IntEnum):
    """Where a job stands."""

    IDLE = 0  # somebody may need it: so far only lazy inputs lead here
    WAITING = 1
    RUNNING = 2  # or expanded
    DONE = 3
    FAILED = 4
    GONE = 5  # its value is not needed any more, and is let go


class Job:
    """One signature of the run, and the first node that has it.

    `uses`: how many may still read its value. `sources`: the jobs behind the step's links, one each. `asked`: the lazy
    inputs that `needs` asked for. `lent`: the copies of containers that its function got, and where from. `pieces`: of
    a job that was expanded, per call its outputs, or the expansion with a source for each `Ref`. `inner`: the jobs that
    it expanded to. `special`: whether lists or `Blocked` values are among its inputs. `stopped`: whether a `Blocked`
    kept a call from happening.
    """

    state = State.IDLE
    outputs: Slots = ()
    sources: tuple[Job, ...] = ()
    uses = 0
    waiting = 0
    many = False
    special = False
    stopped = False
    began = 0.0
    twins: list[str] | None = None
    asked: set[str] | None = None
    lent: Sequence[tuple[object, Link]] = ()
    pieces: list[Slots | Expanded] | None = None
    inner: list[Job] | None = None
    reported: dict[str, list[object]] | None = None
    reports: Reports | None = None
    blocked: str | None = None
    watched: tuple[Watch, ...] = ()

    def __init__(self, step: Step, signature: bytes) -> None:
        self.step: Final = step
        self.signature: Final = signature
        self.readers: list[Job] = []

    def keep(self, outputs: Slots) -> None:
        """Take what the function returned. TypeError for what can be read only once."""
        for value in outputs:
            if type(value) not in PLAIN:
                watched = tuple(map(watch, outputs))
                self.watched = watched if any(watched) else ()
                check_lasting(self.step.kind, outputs)
                break
        self.outputs = outputs

    def entry(self) -> Entry:
        """What the cache keeps of it."""
        return Entry(self.outputs, self.reports, self.blocked, self.watched)

    def restore(self, entry: Entry) -> None:
        """Take over what is kept of an earlier run."""
        self.outputs, self.reports, self.blocked, self.watched = entry
        self.state = State.DONE


class Expanded:
    """One call's expansion: its outputs, each a value or a job and the number of the job's output."""

    __slots__ = ("outputs", "sources")

    def __init__(self, expansion: Expansion, sources: Mapping[int, tuple[Job, int]]) -> None:
        self.outputs: Final = expansion.outputs
        self.sources: Final = sources

    def values(self) -> Slots:
        """One value per output; the sources are done."""
        return tuple(
            value if index not in self.sources else self.sources[index][0].outputs[self.sources[index][1]]
            for index, value in enumerate(self.outputs)
        )


class Jobs:
    """All jobs of a run. `step`: the step of a node's id; `signatures`: of the nodes by id; `found`: called with the id
    and the job of every node whose value is there already."""

    def __init__(
        self,
        step: Callable[[str], Step],
        signatures: Mapping[str, bytes],
        cache: Cache,
        found: Callable[[str, Job], None],
        ready: Callable[[Job], None],
    ) -> None:
        self.by_id: Final[dict[str, Job]] = {}
        self._by_signature: dict[bytes, Job] = {}
        self._step: Final = step
        self.signatures = signatures
        self._cache: Final = cache
        self._found: Final = found
        self._ready: Final = ready

    def clear(self) -> None:
        """Let go of all jobs and their values, without waiting for Python to find the cycles among them."""
        self.by_id.clear()
        self._by_signature.clear()

    def reach(self, node_id: str) -> Job:
        """The job of this node, and jobs of everything that it may need, lazy inputs included."""
        fresh: list[Job] = []
        top = self._job(node_id, fresh)
        while fresh:
            job = fresh.pop()
            sources: list[Job] = []
            for link in job.step.links:
                source = self.by_id.get(link.node)
                if source is None or source.state is State.GONE:
                    source = self._job(link.node, fresh)
                source.uses += 1
                sources.append(source)
            job.sources = tuple(sources)
        return top

    def equal(self, signature: bytes) -> Job | None:
        """The job of this signature, if the run has one."""
        return self._by_signature.get(signature)

    def _job(self, node_id: str, fresh: list[Job]) -> Job:
        job = self.by_id.get(node_id)
        if job is not None and job.state is not State.GONE:
            return job
        signature = self.signatures[node_id]
        job = self._by_signature.get(signature)
        if job is not None and job.state is not State.GONE:
            self.by_id[node_id] = job
            if job.state is State.DONE:
                self._found(node_id, job)
            elif job.twins is None:
                job.twins = [node_id]
            else:
                job.twins.append(node_id)
            return job
        job = self.by_id[node_id] = self._by_signature[signature] = Job(self._step(node_id), signature)
        entry = self._cache.get(signature)
        if entry is not None and not entry.intact:
            self._cache.discard(signature)
        elif entry is not None:
            job.restore(entry)
            self._found(node_id, job)
            return job
        fresh.append(job)
        return job

    def demand(self, job: Job, reader: Job | None = None) -> bool:
        """See to it that the job is computed, and everything that it needs; `reader` waits for it. Whether it is done,
        or failed, already."""
        if job.state >= State.DONE:
            return True
        if reader is not None:
            job.readers.append(reader)
        waiting = [job] if job.state is State.IDLE else []
        while waiting:
            each = waiting.pop()
            if each.state is not State.IDLE:
                continue
            each.state = State.WAITING
            count = 0
            for link, source in zip(each.step.links, each.sources, strict=True):
                if link.lazy or source.state >= State.DONE:
                    continue
                count += 1
                source.readers.append(each)
                if source.state is State.IDLE:
                    waiting.append(source)
            each.waiting = count
            if not count:
                self._ready(each)
        return False

    def release(self, job: Job) -> None:
        """The job will not read its inputs any more: let go of values that nobody else may read, and of jobs that
        nobody may ask for."""
        leaving = [job]
        while leaving:
            each = leaving.pop()
            for source in each.sources:
                source.uses -= 1
                if source.uses:
                    continue
                if source.state is State.DONE:
                    source.state = State.GONE
                    source.outputs = source.watched = ()
                elif source.state is State.IDLE:
                    source.state = State.GONE
                    leaving.append(source)
            each.sources = ()
