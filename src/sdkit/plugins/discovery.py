"""Finding plugins: the built-in ones, the installed ones that the settings enable, the given ones; in this order."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata

from sdkit.errors import PluginLoadError, nearest
from sdkit.plugins.checks import plugin_name
from sdkit.plugins.manager import Manager
from sdkit.plugins.registry import import_dotted
from sdkit.plugins.trace import show_trace
from sdkit.settings import Settings

GROUP = "sdkit"
"""The entry-point group: `[project.entry-points.sdkit]` in a plugin's pyproject.toml."""

BUILTINS = (
    "sdkit.builtin.checkpoints",
    "sdkit.builtin.families",
    "sdkit.builtin.prompts",
    "sdkit.builtin.samplers.single_step",
    "sdkit.builtin.samplers.multistep",
    "sdkit.builtin.samplers.ancestral",
    "sdkit.builtin.samplers.sde",
    "sdkit.builtin.samplers.cfg_pp",
    "sdkit.builtin.schedules",
    "sdkit.builtin.guidance",
    "sdkit.builtin.noise",
    "sdkit.builtin.masks",
    "sdkit.builtin.loras:Loras",
    "sdkit.builtin.stages",
    "sdkit.builtin.previews:Previews",
    "sdkit.builtin.metadata",
    "sdkit.builtin.graphs",
    "sdkit.builtin.nodes",
    "sdkit.builtin.commands",
)
"""What ships in the box: loaded by dotted name, so that nothing here imports upwards. The first is asked last."""


@dataclass(frozen=True)
class InstalledPlugin:
    """A plugin found among the installed packages, imported or not."""

    name: str
    target: str
    distribution: str
    version: str
    enabled: bool


def installed_plugins(settings: Settings) -> tuple[InstalledPlugin, ...]:
    """The installed plugins by name, without importing any."""
    found: dict[str, InstalledPlugin] = {}
    for point in metadata.entry_points(group=GROUP):
        distribution = point.dist
        found[point.name] = InstalledPlugin(
            name=point.name,
            target=point.value,
            distribution=distribution.name if distribution else "",
            version=distribution.version if distribution else "",
            enabled=settings.enables(point.name),
        )
    return tuple(found[name] for name in sorted(found))


def load_manager(plugins: Iterable[object] = (), *, settings: Settings | None = None) -> Manager:
    """A manager with the built-in plugins, the enabled installed ones and the given ones.

    A given plugin is a module, an object, a class, or the dotted name of one (`"my_package.my_plugin"`).
    Warns of names in the settings that no installed plugin has. Raises PluginLoadError for one that cannot be imported,
    PluginHookError and NameTakenError for one that is wrong.
    """
    settings = settings or Settings.load()
    if settings.trace_hooks:
        show_trace()
    manager = Manager(trace=settings.trace_hooks)
    for target in BUILTINS:
        manager.add(import_dotted(target, target), name=target.partition(":")[0], origin="built-in")
    given = list(plugins)
    found = installed_plugins(settings)
    _warn_of_misspelt(settings, found)
    for installed in found:
        if not installed.enabled or _is_given(installed, given):
            continue
        try:
            plugin = import_dotted(installed.target, installed.name)
        except PluginLoadError as error:
            error.add_note(f"to go on without it, set SDKIT_PLUGINS_DENY={installed.name}")
            raise
        manager.add(plugin, name=installed.name, version=installed.version, origin="installed")
    for target in given:
        plugin = import_dotted(target, target) if isinstance(target, str) else target
        manager.add(plugin, origin="given", version=str(getattr(plugin, "__version__", "")))
    return manager


def _warn_of_misspelt(settings: Settings, found: Sequence[InstalledPlugin]) -> None:
    installed = [plugin.name for plugin in found]
    for variable, names in (("SDKIT_PLUGINS", settings.plugins), ("SDKIT_PLUGINS_DENY", settings.plugins_deny)):
        for name in names:
            if name not in installed and names not in (("all",), ("none",)):
                near = nearest(name, installed)
                advice = f"did you mean {near[0]!r}?" if near else "see `sdkit plugins`"
                # said from here, and not from the caller, so that Python says it once and not for every manager
                warnings.warn(f"{variable} names {name!r}, which is not installed; {advice}", UserWarning, stacklevel=1)


def _is_given(installed: InstalledPlugin, given: list[object]) -> bool:
    """Whether an installed plugin's module is given explicitly too: then the given place, nearer, is the one that
    counts."""
    module = installed.target.partition(":")[0]
    return any(plugin == module or (not isinstance(plugin, str) and plugin_name(plugin) == module) for plugin in given)
