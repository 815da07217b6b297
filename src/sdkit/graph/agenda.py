"""What a run does next: the nodes that are ready, and what other threads have to say."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sdkit.graph.jobs import Job
    from sdkit.types import CancelToken

POLL = 0.02
"""Seconds between two looks at the cancel token while only async nodes, or other threads, are waited for."""


class Agenda:
    """Jobs to start, those of async nodes first, and calls to make in the run's thread, before all jobs."""

    def __init__(self, cancel: CancelToken) -> None:
        self._cancel: Final = cancel
        self._ready: Final[list[Job]] = []
        self._ready_async: Final[list[Job]] = []
        self._inbox: Final[queue.SimpleQueue[tuple[Callable[[], None], bool]]] = queue.SimpleQueue()
        self._expected = 0

    def add(self, job: Job) -> None:
        """The job can start."""
        (self._ready_async if job.step.kind.is_async else self._ready).append(job)

    def expect(self) -> None:
        """The run is not over before one more `answer`."""
        self._expected += 1

    def answer(self, call: Callable[[], None]) -> None:
        """What was expected is here: make this call. From any thread."""
        self._inbox.put((call, True))

    def post(self, call: Callable[[], None]) -> None:
        """Make this call. From any thread; where the run ends before, it is not made."""
        self._inbox.put((call, False))

    def next(self) -> Job | None:
        """The next job, once there is one; None when everything is done. Raises Cancelled, and what the calls raise."""
        inbox = self._inbox
        while True:
            while not inbox.empty():
                self._make(*inbox.get())
            if self._cancel.cancelled:
                self._cancel.check()
            if self._ready_async:
                return self._ready_async.pop()
            if self._ready:
                return self._ready.pop()
            if not self._expected:
                return None
            try:
                self._make(*inbox.get(timeout=POLL))
            except queue.Empty:
                continue

    def _make(self, call: Callable[[], None], expected: bool) -> None:
        self._expected -= expected
        call()
