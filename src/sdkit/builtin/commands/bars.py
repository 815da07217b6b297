"""A progress bar for what reads or writes large files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def file_bar(verb: str = "hashing") -> Generator[Callable[[Path, int, int], None] | None]:
    """A function to call with path, bytes done and bytes in all; it shows a bar on standard error, one file after
    another. None where standard error is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as progress:
        task = progress.add_task(verb, total=None)

        def show(path: Path, done: int, total: int) -> None:
            progress.update(task, description=f"{verb} {escape(path.name)}", completed=done, total=total)

        yield show
