"""Turns work that tells of itself by calls into a generator of what it tells."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from sdkit.types import CancelToken

EventT = TypeVar("EventT")


def streamed(work: Callable[[Callable[[EventT], None]], None], cancel: CancelToken) -> Generator[EventT]:
    """What `work` tells the function that it is called with, while it runs in a thread of its own.

    The thread and the caller take turns: while the caller looks at an event, the work stands still. It sees the
    caller's context variables, as they are at the first `next`. Closing the generator uses `cancel`, and waits for the
    work to end.
    """
    told: queue.SimpleQueue[tuple[EventT] | None] = queue.SimpleQueue()
    turn = threading.Semaphore(0)
    failed: list[BaseException] = []

    def emit(event: EventT) -> None:
        cancel.check()  # once the caller has gone, nobody gives the turn back
        told.put((event,))
        turn.acquire()
        cancel.check()

    def run() -> None:
        try:
            turn.acquire()
            work(emit)
        except BaseException as error:  # noqa: BLE001 -- raised again in the caller's thread
            failed.append(error)
        finally:
            told.put(None)

    thread = threading.Thread(
        target=contextvars.copy_context().run, args=(run,), name="sdkit-graph-stream", daemon=True
    )
    thread.start()
    closed = True
    try:
        turn.release()
        while (item := told.get()) is not None:
            yield item[0]
            turn.release()
        closed = False
    finally:
        if closed:
            cancel.cancel()
            turn.release()
            turn.release()  # in case it has not begun
        thread.join()
    if failed:
        try:
            raise failed[0]
        finally:
            failed.clear()  # the traceback would hold the frame that holds it
