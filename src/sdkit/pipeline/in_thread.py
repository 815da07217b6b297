"""Streams for asyncio: a generation computes in a thread, and its events come out where the event loop is."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Callable, Generator

from sdkit.types import CancelToken, Event


async def in_thread(
    start: Callable[[CancelToken], Generator[Event]], cancel: CancelToken | None
) -> AsyncGenerator[Event]:
    """The events of the generation that `start` begins, each computed in a thread. Closing or cancelling stops it
    within one step, and stops nothing else that holds the caller's token."""
    token = CancelToken(cancel)
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()
    events = await asyncio.to_thread(start, token)

    def advance() -> Event | None:
        return context.run(lambda: next(events, None))

    # A future and not a task: asyncio.run cancels tasks when it ends, and a cancelled one would look done while its
    # thread is still inside a step.
    working: asyncio.Future[Event | None] | None = None
    try:
        while True:
            working = loop.run_in_executor(None, advance)
            event = await asyncio.shield(working)
            if event is None:
                return
            yield event
    finally:
        if working is not None and not working.done():  # the thread is inside a step: let it end before closing
            token.cancel()
            await asyncio.wait([working])
            working.exception()
        await asyncio.to_thread(events.close)
