"""Workspace: where graphs run: the plugins' nodes, the model folders, and what was computed before."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from sdkit.errors import GraphError
from sdkit.graph import Fault, Graph, NodeType, Session, from_json, node_type
from sdkit.models import Library, Parts
from sdkit.models.loading import EMBEDDED
from sdkit.pipeline.choices import choices_of
from sdkit.pipeline.places import Inputs, Outputs
from sdkit.pipeline.sources import loader
from sdkit.plugins import Manager, load_manager
from sdkit.plugins.blame import blame
from sdkit.settings import Settings

if TYPE_CHECKING:
    from sdkit.graph import Cache, GraphEvent, GraphResult, NodeHandle, Ref
    from sdkit.models import Kind
    from sdkit.pipeline.pipeline import Pipeline
    from sdkit.types import CancelToken

    Outs = Iterable[str | Ref | NodeHandle]
    GraphSource = Graph | str | Path | bytes | Mapping[str, object]

MOST_BYTES = 64 * 2**20
"""The largest file that is read as a graph; real ones have some hundred kilobytes, pictures some megabytes."""


class Workspace:
    """Where graphs run. Keeps what they computed, so that a graph that changed a little runs only what changed::

        workspace = Workspace()
        graph = workspace.load("workflow.json")
        result = workspace.run(graph)                 # everything
        result = workspace.run(graph, {"3.seed": 8})  # the sampler and what comes after it

    Thread-safe. `plugins`: as for `Pipeline`. `cache`: what is kept of finished nodes; the last run's, if None.
    `device`, `dtype`: where the models that nodes load go; as for `Pipeline.load`. `executor`: the name of a registered
    one. `inputs`: folders, and single files, of the pictures that graphs name; the working folder and `input` in it, if
    None. `outputs`: the folder that they save into. `types`: the kinds of nodes, by name.
    """

    def __init__(
        self,
        *,
        plugins: Iterable[object] = (),
        settings: Settings | None = None,
        cache: Cache | None = None,
        device: str = "auto",
        dtype: str = "auto",
        executor: str = "local",
        inputs: str | Path | Iterable[str | Path] | None = None,
        outputs: str | Path = "out",
    ) -> None:
        self.settings = settings or Settings.load()
        self.device = self.settings.device if device == "auto" else device
        self.dtype = self.settings.dtype if dtype == "auto" else dtype
        self.inputs = Inputs(
            (".", "input") if inputs is None else [inputs] if isinstance(inputs, str | Path) else inputs
        )
        self.outputs = Outputs(outputs)
        self._given = tuple(plugins)
        self.manager = load_manager(self._given, settings=self.settings)
        self.library = Library.of(self.settings)
        self.types: Mapping[str, NodeType] = NodeTypes(self.manager)
        self.session = Session(
            self.types,
            choices=self.choices,
            services={Workspace: self},
            cache=cache,
            executor=self.manager.executors[executor].load()(),
            origin=self._origin,
        )
        self._lock = threading.Lock()
        self._pipelines: WeakValueDictionary[tuple[object, ...], Pipeline] = WeakValueDictionary()

    # ── graphs ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def load(self, source: GraphSource) -> Graph:
        """A graph from a file (JSON, or a picture that carries one), from its bytes, or from data as JSON has it.

        Raises GraphError for what is no graph, and for a file that cannot be read.
        """
        if isinstance(source, Graph):
            return source
        if isinstance(source, Mapping):
            return self._read(_as_json(source), "")
        if isinstance(source, bytes):
            return self._read(source, "")
        path = Path(source)
        try:
            path = path.expanduser()
            size = path.stat().st_size
            if size > MOST_BYTES:
                raise GraphError(
                    f"{path} has {size / 2**20:.0f} MB; graphs are read up to {MOST_BYTES // 2**20} MB. Is it a model?"
                )
            data = path.read_bytes()
        except FileNotFoundError:
            raise GraphError(f"there is no file {str(path)!r}") from None
        except (OSError, RuntimeError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise GraphError(f"cannot read the graph {str(source)[:100]!r}: {reason}") from error
        return self._read(data, path.name)

    def default(self) -> Graph:
        """The graph that ships with sdkit: from a prompt to a picture, with the model in the box."""
        return self.load(Path(__file__).with_name("default_graph.json"))

    def check(self, graph: GraphSource) -> tuple[Fault, ...]:
        """Every fault of a graph, without running anything."""
        return self.session.check(self.load(graph))

    def run(
        self,
        graph: GraphSource,
        changes: Mapping[str, object] | None = None,
        *,
        outputs: Outs | None = None,
        on_event: Callable[[GraphEvent], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> GraphResult:
        """Run a graph. `changes`: `{"3.seed": 7}`, written over the graph's own values. `outputs`: the nodes to
        compute; all that put something out, if None.

        Raises GraphError with every fault before anything runs, NodeError for a node that fails, Cancelled.
        """
        return self.session.run(self._changed(graph, changes), outputs=outputs, on_event=on_event, cancel=cancel)

    def stream(
        self,
        graph: GraphSource,
        changes: Mapping[str, object] | None = None,
        *,
        outputs: Outs | None = None,
        cancel: CancelToken | None = None,
    ) -> Generator[GraphEvent]:
        """Run a graph, yielding events; `close()` cancels."""
        return self.session.stream(self._changed(graph, changes), outputs=outputs, cancel=cancel)

    # ── what nodes ask for ───────────────────────────────────────────────────────────────────────────────────────────

    def pipeline(
        self,
        source: str | None = None,
        *,
        unet: str | None = None,
        vae: str | None = None,
        text_encoders: Sequence[str] = (),
        whole: bool = True,
    ) -> Pipeline:
        """A pipeline with this workspace's plugins, device and dtype; one that is in use already is given again.

        `source`: a path, a name or a hash from the model folders, or None for the model in the box. With `unet`, `vae`
        and `text_encoders`, parts are taken from files of their own; without a source, all of them must be given,
        unless `whole` is false: then what the model lacks raises ModelError when it is needed.
        Raises ModelNotFoundError, CheckpointError, UnknownModelError or WeightsError.
        """
        parts = Parts(unet, vae, tuple(text_encoders))
        if source is None and not parts:
            source = EMBEDDED
        named: list[tuple[Kind, str | None]] = [("checkpoints", source), ("diffusion_models", unet), ("vae", vae)]
        for each in text_encoders:
            named.append(("text_encoders", each))
        with self._lock:
            key = tuple((kind, name, self.stamp(kind, name)) for kind, name in named if name is not None)
            pipe = self._pipelines.get(key)
            if pipe is None:
                pipe = self._pipelines[key] = self._loaded(source, parts, whole)
        return pipe

    def stamp(self, kind: Kind, name: str) -> str:
        """What changes when the model file that is meant by this name changes: its path, size and time. A file that
        replaces another under the same name is noticed by it. For the `changes` of nodes that load files."""
        path = self.library.get(kind, name)
        if path is None:
            return name
        stat = path.stat()
        return f"{path} {stat.st_size} {stat.st_mtime_ns}"

    def source(self, kind: Kind, name: str) -> str:
        """What plugins find a model by: this name or, where this workspace's folders are not those of the settings in
        force, its path. Raises ModelNotFoundError."""
        path = self.library.find(kind, name)
        return name if Library.of(Settings.load()).get(kind, name) == path else str(path)

    def choices(self, source: str) -> Sequence[object]:
        """What an input may be whose choices have this name: "samplers", "schedules", "models.loras" …; see
        `sdkit.pipeline.choices`. Raises UnknownNameError."""
        return choices_of(source, self.manager, self.library, self.inputs)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _loaded(self, source: str | None, parts: Parts, whole: bool) -> Pipeline:
        from sdkit.pipeline.pipeline import Pipeline  # brings torch along

        model = loader(self.manager, self.library).load(
            source, parts, device=self.device, dtype=self.dtype, whole=whole
        )
        pipe = Pipeline(model, plugins=self._given, settings=self.settings)
        pipe.manager.notify("model_loaded", model=model)
        return pipe

    def _changed(self, graph: GraphSource, changes: Mapping[str, object] | None) -> Graph:
        loaded = self.load(graph)
        return loaded.changed(changes, self.types) if changes else loaded

    def _read(self, data: bytes, name: str) -> Graph:
        graph = self.manager.ask("read_graph", Graph, data=data, name=name, types=self.types)
        if graph is None:
            what = repr(name) if name else "this"
            raise GraphError(
                f"{what} is no graph that sdkit can read{_reason(data)}. It reads its own JSON files; the package "
                "sdkit-comfy adds ComfyUI's workflows and pictures"
            )
        if not graph.catalogue:
            graph.catalogue = self.types
        return graph

    def _origin(self, name: str) -> str:
        return self.manager.ask("find_node", str, name=name) or ""


def run(
    graph: GraphSource,
    changes: Mapping[str, object] | None = None,
    *,
    outputs: Outs | None = None,
    plugins: Iterable[object] = (),
) -> GraphResult:
    """Run a graph once: `sdkit.run("workflow.json", {"3.seed": 7})`.

    To run it again with other inputs, and compute only what changed, keep a `Workspace`."""
    return Workspace(plugins=plugins).run(graph, changes, outputs=outputs)


def _as_json(data: Mapping[str, object]) -> bytes:
    try:
        return json.dumps(data, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise GraphError(f"a graph is read from data as JSON has it; this is not: {error}") from error


def _reason(data: bytes) -> str:
    """Why a text is no JSON, if that is what is wrong."""
    if data.lstrip()[:1] not in (b"{", b"["):
        return ""
    try:
        from_json(data)
    except GraphError as error:
        return "" if "without the key" in str(error) else f": {error}"
    return ""


class NodeTypes(Mapping[str, NodeType]):
    """The registered kinds of nodes, each imported and described when it is first asked for."""

    def __init__(self, manager: Manager) -> None:
        self._entries = manager.nodes
        self._made: dict[str, NodeType] = {}

    def __getitem__(self, name: str) -> NodeType:
        """The kind of this name. Raises KeyError."""
        made = self._made.get(name)
        if made is None:
            if name not in self._entries:
                raise KeyError(name)
            entry = self._entries[name]
            with blame(entry.owner, "register_nodes"):
                described = replace(_described(entry.load()), name=name)
            made = self._made.setdefault(name, described)  # what another thread made meanwhile is the one
        return made

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _described(node: NodeType | Callable[..., object]) -> NodeType:
    """The kind of node that was registered: itself, or what a function declares."""
    return node if isinstance(node, NodeType) else node_type(node)
