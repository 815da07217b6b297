"""Plugins for the command line: given ones by dotted name or file, and all of them in spite of broken ones."""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TypeVar

from sdkit.errors import PluginLoadError
from sdkit.plugins import Manager, installed_plugins, load_manager
from sdkit.settings import Settings

T = TypeVar("T")

log = logging.getLogger("sdkit.commands")


def load_tolerantly(
    use: Callable[[Manager], T], plugins: Sequence[object] = (), settings: Settings | None = None
) -> tuple[T, dict[str, Exception]]:
    """Give `use` a manager of all plugins but the installed ones that fail, in loading or in `use`.

    Returns what `use` returned, and each broken plugin's error by its name. Errors that come without any installed
    plugin, from settings or from given plugins, are raised.
    """
    settings = settings or Settings.load()
    try:
        return use(load_manager(plugins, settings=settings)), {}
    except Exception as error:
        log.debug("looking for the plugin that failed", exc_info=error)
        working: tuple[str, ...] = ()
        broken: dict[str, Exception] = {}
        result = use(load_manager(plugins, settings=settings.model_copy(update={"plugins": ()})))
        for name in (installed.name for installed in installed_plugins(settings) if installed.enabled):
            enabled = settings.model_copy(update={"plugins": (*working, name)})
            try:
                result = use(load_manager(plugins, settings=enabled))
            except Exception as fault:  # noqa: BLE001 - whatever a plugin raises is what is reported
                broken[name] = fault
            else:
                working = enabled.plugins
        return result, broken


def find_plugins(names: Sequence[str]) -> tuple[object, ...]:
    """What `--plugin` names: dotted names, which are also looked for in the current folder, and `.py` files.

    Raises PluginLoadError for a file that is missing or cannot be run; dotted names are imported by whoever gets them.
    """
    here = str(Path.cwd())
    if names and here not in sys.path:  # the console script, unlike `python -m`, does not have it there
        sys.path.append(here)
    return tuple(_from_file(name) if name.endswith(".py") else name for name in names)


def _from_file(name: str) -> object:
    path = Path(name)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise PluginLoadError(path.stem, f"there is no plugin file {name!r}")
    if _is_taken(path):
        raise PluginLoadError(
            path.stem, f"the plugin file {name!r} has the name of a module that others import; rename the file"
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # its own dataclasses and "module:attribute" targets look it up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        sys.modules.pop(path.stem, None)
        raise PluginLoadError(
            path.stem, f"cannot run the plugin file {name!r}: {type(error).__name__}: {error}"
        ) from error
    return module


def _is_taken(path: Path) -> bool:
    """Whether importing the file's stem gives another module, which this file would displace: `random.py`."""
    if path.stem in sys.stdlib_module_names:
        return True
    found = PathFinder.find_spec(path.stem)
    return found is not None and found.origin is not None and Path(found.origin).resolve() != path.resolve()
