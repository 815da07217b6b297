"""What a run finds computed already, so that it need not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from sdkit.graph.caching import Cache, Entry
from sdkit.graph.jobs import Job, Jobs
from sdkit.graph.recording import Record


class Kept:
    """Tells the record of nodes whose values are there."""

    def __init__(self, cache: Cache, record: Record) -> None:
        self._cache: Final = cache
        self._record: Final = record

    def found(self, node_id: str, job: Job) -> None:
        """This node's value is the job's, which is done."""
        step = job.step
        if step.root != step.id and node_id == step.id:  # the cache is to know that this expansion needs it, too
            self._cache.put(job.signature, job.entry(), node_id, step.root)
        self._record.cached_one(node_id, job.blocked if step.kind.type.is_output else None)

    def find_behind(self, node_ids: Iterable[str], jobs: Jobs) -> None:
        """Name the nodes, too, whose values are kept, but not needed, because all that reads them is kept."""
        by_id, get, signatures = jobs.by_id, self._cache.get, jobs.signatures
        for node_id in node_ids:
            if node_id not in by_id and (entry := get(signatures[node_id])) is not None:
                self._record.cached_one(node_id)
                if entry.reports is not None:
                    self._record.reports[node_id] = entry.reports

    def find_equal(self, steps: Mapping[str, object], jobs: Jobs) -> None:
        """And those that only equal nodes of nodes that ran would have read."""
        if len(jobs.by_id) < len(steps):
            for node_id in steps:
                if node_id not in jobs.by_id and node_id not in self._record.cached:
                    job = jobs.equal(jobs.signatures[node_id])
                    if job is not None and job.step.id in self._record.timings:
                        self._record.cached_one(node_id)

    def take(self, job: Job, entry: Entry) -> None:
        """Another run has computed the job meanwhile."""
        job.restore(entry)
        self.found(job.step.id, job)
        for node_id in job.twins or ():
            self.found(node_id, job)
