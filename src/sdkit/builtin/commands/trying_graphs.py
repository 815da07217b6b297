"""`sdkit run --tiny`: a folder for stand-ins, the graph that uses them, and what is different in it."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdkit.errors import RequestError
from sdkit.settings import Settings

if TYPE_CHECKING:
    from sdkit import Workspace
    from sdkit.graph import Graph


@dataclass(frozen=True)
class Trial:
    """Where stand-ins are written; hook `shrink_graph` says what is in the folder."""

    folder: Path

    @property
    def settings(self) -> Settings:
        """The user's, but for the models."""
        return Settings.load().model_copy(update={"models": self.folder / "models", "cache": self.folder / "cache"})

    @property
    def pictures(self) -> Path:
        """Where generated pictures are."""
        return self.folder / "pictures"

    def shrunk(self, graph: Graph, workspace: Workspace) -> Graph:
        """The graph with stand-ins and smaller sizes. Raises RequestError where no plugin makes them."""
        from sdkit.graph import Graph

        def has_picture(name: str) -> bool:
            return workspace.inputs.get(name) is not None

        found = workspace.manager.ask(
            "shrink_graph",
            Graph,
            graph=graph,
            types=workspace.types,
            folder=self.folder,
            has_picture=has_picture,
        )
        if found is None:
            raise RequestError("--tiny needs a plugin that makes stand-ins for models: pip install sdkit-comfy")
        return found


@contextmanager
def stand_ins(*, wanted: bool) -> Generator[Trial | None]:
    """A folder for stand-ins, gone afterwards; None if they are not wanted."""
    if not wanted:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="sdkit-tiny-", ignore_cleanup_errors=True) as folder:
        yield Trial(Path(folder))


def differences(before: Graph, after: Graph) -> Iterator[str]:
    """What is written otherwise, a line for each input."""
    for node_id, node in after.nodes.items():
        old = before.nodes[node_id].inputs
        for name, value in node.inputs.items():
            if name not in old or (old[name] is not value and old[name] != value):
                shown = Path(value).name if isinstance(value, str) else value
                yield f"{node_id}.{name}: {old.get(name)!r} → {shown!r}"
