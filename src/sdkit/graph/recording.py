"""What happens in a run: told to whoever listens, and collected for the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sdkit.errors import NodeError
from sdkit.graph import events
from sdkit.graph.events import GraphEvent, GraphResult
from sdkit.graph.reports import Reports


class Record:
    """The record of one run. `emit` is called with every event; `broken` is the error that it raised, if any."""

    def __init__(self, emit: Callable[[GraphEvent], None] | None) -> None:
        self._emit = emit
        self.listening = emit is not None
        self.broken: BaseException | None = None
        self.executed: list[str] = []
        self.cached: dict[str, None] = {}
        self.timings: dict[str, float] = {}
        self.errors: dict[str, NodeError] = {}
        self.blocked: dict[str, str] = {}
        self.reports: dict[str, Reports] = {}

    def tell(self, event: GraphEvent) -> None:
        """Call the listener, if there is one; what it raises is raised, and kept, since the node that tells of its
        progress may catch it."""
        if self._emit is None:
            return
        try:
            self._emit(event)
        except BaseException as error:
            self.broken = error
            raise

    def cached_one(self, node: str, blocked: str | None = None) -> None:
        """A node's value is there; `blocked`: the message that its output node is to repeat."""
        self.cached[node] = None
        if blocked is not None:
            self.blocked[node] = blocked
        if self.listening:
            self.tell(events.NodeCached(node))

    def finished(self, node: str, seconds: float) -> None:
        """A node has run."""
        self.executed.append(node)
        self.timings[node] = seconds
        if self.listening:
            self.tell(events.NodeFinished(node, seconds))

    def result(self, values: Mapping[str, tuple[object, ...]]) -> GraphResult:
        """The result of the run, these being the values of what was asked for."""
        ui = {node: reports.merged() for node, reports in self.reports.items()}
        return GraphResult(
            values, tuple(self.executed), tuple(self.cached), self.timings, self.blocked, self.errors, ui
        )

    def raise_failure(self, result: GraphResult) -> None:
        """Raise the first error of a node, with the result; a note names further ones."""
        if not self.errors:
            return
        first, *others = self.errors.values()
        first.result = result
        if others:
            names = ", ".join(each.node for each in others)
            first.add_note(f"other nodes failed, too: {names} (error.result.errors)")
        raise first
