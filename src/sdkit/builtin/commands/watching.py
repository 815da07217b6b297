"""What somebody sees of a running command: a progress bar on the terminal, and Ctrl-C as a clean end."""

from __future__ import annotations

import math
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import typer

from sdkit.types import CancelToken, Event, RunStarted, StepDone

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bar:
    """A progress bar on standard error, and lines that do not get in its way."""

    def __init__(self, progress: Progress | None, label: str = "loading the model") -> None:
        self._progress = progress
        self._task: TaskID | None = progress.add_task(label, total=None, step="") if progress else None
        self._batch: RunStarted | None = None
        self._batch_size = 1

    def update(self, event: Event) -> None:
        """Show how far an event brings the generation."""
        if self._progress is None or self._task is None:
            return
        if isinstance(event, RunStarted):
            self._batch = event
            self._batch_size = max(event.images, self._batch_size)  # the last batch may be smaller
            batches = math.ceil(event.total / self._batch_size)
            label = f"batch {event.first // self._batch_size + 1} of {batches}" if batches > 1 else "sampling"
            total, completed = (images * max(event.steps, 1) for images in (event.total, event.first))
            self._progress.update(self._task, description=label, total=total, completed=completed)
        elif isinstance(event, StepDone) and self._batch is not None:
            taken = min(event.index + 1, event.steps)  # a plugin may add steps
            completed = self._batch.first * event.steps + self._batch.images * taken
            self._progress.update(self._task, completed=completed, step=f"step {event.index + 1}/{event.steps}")

    def show(self, label: str, done: float, total: float, step: str = "") -> None:
        """Show how far something else than a generation is."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=label, completed=done, total=total, step=step)

    def line(self, text: str) -> None:
        """A line on standard output."""
        if self._progress is not None and sys.stdout.isatty():  # above the bar, not through it
            self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            typer.echo(text)

    def note(self, text: str) -> None:
        """A line on standard error."""
        if self._progress is not None:
            self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            typer.echo(text, err=True)

    def stop(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


@contextmanager
def progress_bar(*, quiet: bool, label: str = "loading the model") -> Generator[Bar]:
    """A bar with steps and remaining time; none if `quiet`, or where standard error is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield Bar(None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[step]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as progress:
        yield Bar(progress, label)


@contextmanager
def cancelling_on_interrupt(token: CancelToken) -> Generator[None]:
    """While it lasts, the first Ctrl-C cancels through the token, within a step; the second interrupts at once.

    Nothing is changed in other threads than the main one, whose the signals are, and where the handler is not Python's,
    and so could not be put back.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def cancel(number: int, frame: FrameType | None) -> None:
        token.cancel()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, cancel)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
