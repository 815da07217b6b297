"""A thread with an event loop, in which a run's async nodes wait beside each other."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from types import CoroutineType
from typing import cast

Done = Callable[[list[object], BaseException | None], None]


class Waiting:
    """Runs coroutines in a thread of its own, which starts with the first one and ends with `close`.

    The caller's thread may have an event loop of its own; it is left alone.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks: set[asyncio.Task[list[object]]] = set()

    def submit(self, results: Sequence[object], context: contextvars.Context, done: Done) -> None:
        """Start the coroutines among these results; `done` is called in the loop's thread with the results, theirs in
        place of the coroutines, or with an error."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._run, args=(self._loop,), name="sdkit-graph-async", daemon=True)
            self._thread.start()
        self._loop.call_soon_threadsafe(self._begin, results, context, done)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def _begin(self, results: Sequence[object], context: contextvars.Context, done: Done) -> None:
        def finished(task: asyncio.Task[list[object]]) -> None:
            self._tasks.discard(task)
            error = asyncio.CancelledError() if task.cancelled() else task.exception()
            if error is not None:
                close_unstarted(results)
                done([], error.error if isinstance(error, _Carried) else error)
            else:
                done(task.result(), None)

        assert self._loop is not None
        task = self._loop.create_task(_awaited(results), context=context)
        self._tasks.add(task)
        task.add_done_callback(finished)

    def close(self) -> None:
        """Cancel what still waits, let it end, and end the thread."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return

        async def end() -> None:
            tasks = [*self._tasks]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        self._loop = self._thread = None


async def _awaited(results: Sequence[object]) -> list[object]:
    """The results, with what the coroutines among them return. They wait beside each other; the first error cancels the
    others."""
    if len(results) == 1:
        return [await _carrying(cast("Coroutine[object, object, object]", results[0]))]
    tasks = {
        place: asyncio.ensure_future(_carrying(cast("Coroutine[object, object, object]", each)))
        for place, each in enumerate(results)
        if type(each) is CoroutineType
    }
    try:
        await asyncio.gather(*tasks.values())
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
    return [tasks[place].result() if place in tasks else each for place, each in enumerate(results)]


class _Carried(Exception):
    """Carries an error past asyncio, which would end the loop's thread with it."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


async def _carrying(work: Coroutine[object, object, object]) -> object:
    try:
        return await work
    except (KeyboardInterrupt, SystemExit) as error:
        raise _Carried(error) from None


def close_unstarted(works: Iterable[object]) -> None:
    """Close coroutines that nobody will await; Python would warn of them."""
    for work in works:
        if inspect.iscoroutine(work) and inspect.getcoroutinestate(work) == inspect.CORO_CREATED:
            work.close()
