"""Lines on standard error: errors, notes, and warnings of Python and of the log in the same form."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import TextIO


def say(text: str, kind: str = "") -> None:
    """A line on standard error, with its kind before it: `error: …`. Goes above a progress bar that is there."""
    sys.stderr.write(f"{kind}: {text}\n" if kind else f"{text}\n")
    sys.stderr.flush()


@contextmanager
def messages_shown(debug: bool) -> Generator[None]:
    """While it lasts, Python's warnings and sdkit's log appear as `warning: …`; all of the log with `debug`."""
    log, handler = logging.getLogger("sdkit"), _Handler()
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG if debug else logging.WARNING)
    try:
        with warnings.catch_warnings():
            if not debug:
                warnings.showwarning = _show_warning
            yield
    finally:
        log.setLevel(before)
        log.removeHandler(handler)


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage(), record.levelname.lower())


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    say(str(message), "warning")
