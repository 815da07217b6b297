"""Who is calling: the pack that is being loaded or run, for the modules that packs import."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from sdkit.settings import Settings

if TYPE_CHECKING:
    from sdkit import Workspace
    from sdkit.graph import NodeContext
    from sdkit.models import Library


@dataclass(eq=False)
class Call:
    """A pack at work. `context`: of the node that runs; None while the pack is loaded, or checks inputs.

    `services`: the session's, where one is asking. `home`: the pack's folder, or file.
    """

    pack: str
    context: NodeContext | None = None
    services: Mapping[type, object] | None = None
    home: Path | None = None

    def __post_init__(self) -> None:
        self._graphs = count()

    @cached_property
    def workspace(self) -> Workspace | None:
        """Where the node runs; None outside of one."""
        from sdkit import Workspace

        services = self.services if self.context is None else self.context.services
        found = None if services is None else services.get(Workspace)
        return found if isinstance(found, Workspace) else None

    @cached_property
    def settings(self) -> Settings:
        """The workspace's settings, or those in force."""
        return Settings.load() if self.workspace is None else self.workspace.settings

    @cached_property
    def library(self) -> Library:
        """The model files."""
        from sdkit.models import Library

        return Library.of(self.settings) if self.workspace is None else self.workspace.library

    def next_prefix(self) -> str:
        """What ids of the next graph that the node builds begin with; the same in every run."""
        node = "" if self.context is None else self.context.node
        return f"{node}.{next(self._graphs)}."


_CALL: ContextVar[Call | None] = ContextVar("sdkit_comfy_call", default=None)


def current() -> Call:
    """The call that is going on; outside of all, as in a thread that a pack started, one that knows nothing."""
    return _CALL.get() or Call("?")


@contextmanager
def during(call: Call) -> Generator[Call]:
    """Make `call` the current one."""
    token = _CALL.set(call)
    try:
        yield call
    finally:
        _CALL.reset(token)
