"""Loading a pack: its code is run, and its classes become node types."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
import re
import sys
import threading
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final, cast

from sdkit.graph import NodeType
from sdkit_comfy.packs.adapting import adapted
from sdkit_comfy.packs.calls import Call, during
from sdkit_comfy.packs.declarations import declared_v1
from sdkit_comfy.packs.errors import PackError
from sdkit_comfy.packs.importing import PACKAGE, Namespace
from sdkit_comfy.packs.v3 import declared_v3, is_v3

_LOG = logging.getLogger(__name__)
_LOADING: Final = threading.RLock()
"""One pack at a time is loaded: what a pack does to `sys.path` meanwhile is told from what others do."""


@dataclass(frozen=True, eq=False)
class Pack:
    """A loaded pack. `nodes`: by the names that workflows have. `faults`: what is wrong with those of its nodes that
    cannot be used, by name."""

    name: str
    path: Path
    nodes: Mapping[str, NodeType]
    display_names: Mapping[str, str] = field(default_factory=dict[str, str])
    faults: Mapping[str, str] = field(default_factory=dict[str, str])


class _Loaded(Namespace):
    """A namespace whose pack is loaded, where it is found again."""

    result: Pack | None = None


def load_pack(path: str | Path, *, name: str | None = None) -> Pack:
    """Run the code of a pack, a folder or a single `.py`, and describe its nodes.

    Only packs that you trust: this is code like any other. A pack is loaded once per process, as modules are. Raises
    PackError, naming pack and cause; then nothing is left of it.
    """
    root = Path(path).expanduser().resolve()
    pack = name or (root.stem if root.is_file() else root.name)
    if not (root / "__init__.py" if root.is_dir() else root).is_file():
        raise PackError(f"there is no pack {pack!r} at {root}: it is a folder with an __init__.py, or a .py file")
    with _LOADING:
        for finder in sys.meta_path:
            if isinstance(finder, _Loaded) and (finder.root, finder.pack) == (root, pack) and finder.result is not None:
                return finder.result
        _make_parent()
        namespace = _Loaded(pack, _free_package(pack), root)
        call = Call(pack, home=root)
        with during(call):
            try:
                with namespace.loading():
                    module = importlib.import_module(namespace.package)
                    namespace.result = _described(pack, root, module)
            except PackError:
                raise
            except (Exception, SystemExit) as error:
                raise PackError(f"pack {pack!r} ({root}) cannot be loaded: {_cause(error)}") from error
        return namespace.result


def _cause(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith(PACKAGE):
        text += f". Install what the pack needs, usually by its requirements.txt: {error.name.partition('.')[0]}"
    return text


def _make_parent() -> None:
    if PACKAGE not in sys.modules:
        parent = ModuleType(PACKAGE, "Packs of nodes that sdkit-comfy has loaded.")
        parent.__path__ = []
        sys.modules[PACKAGE] = parent


def _free_package(pack: str) -> str:
    base = f"{PACKAGE}.{re.sub('[.]', '_', pack)}"
    package, number = base, 1
    while package in sys.modules:
        number += 1
        package = f"{base}_{number}"
    return package


def _described(pack: str, root: Path, module: ModuleType) -> Pack:
    classes = cast("Mapping[str, type] | None", getattr(module, "NODE_CLASS_MAPPINGS", None))
    titles = cast("Mapping[str, str]", getattr(module, "NODE_DISPLAY_NAME_MAPPINGS", None) or {})
    if classes is None:
        entry = getattr(module, "comfy_entrypoint", None)
        if entry is None:
            raise PackError(f"pack {pack!r} ({root}) has neither NODE_CLASS_MAPPINGS nor comfy_entrypoint")
        classes = {_v3_name(each): each for each in _v3_classes(entry)}
    nodes: dict[str, NodeType] = {}
    faults: dict[str, str] = {}
    for name, cls in classes.items():
        key = str.__str__(name)
        try:
            declared = declared_v3(cls, key) if is_v3(cls) else declared_v1(key, cls, str(titles.get(name, "")))
            nodes[key] = adapted(declared, pack, root)
        except Exception as error:  # noqa: BLE001 -- one node of a pack that is wrong leaves the others alone
            faults[key] = f"{type(error).__name__}: {error}"
            _LOG.warning("pack %r: node %r cannot be used: %s", pack, key, faults[key])
    return Pack(pack, root, nodes, {key: nodes[key].title or key for key in nodes}, faults)


def _v3_classes(entry: Any) -> Sequence[type]:
    async def listed() -> Sequence[type]:
        extension = entry()
        if inspect.isawaitable(extension):
            extension = await extension
        await extension.on_load()
        return await extension.get_node_list()

    return cast("Sequence[type]", finished(listed()))


def _v3_name(cls: type) -> str:
    """What the node is called; its class's name where it cannot say."""
    try:
        return declared_v3(cls).name
    except Exception:  # noqa: BLE001 -- told when it is described
        return cls.__name__


def finished(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine, whether or not the caller's thread has an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
