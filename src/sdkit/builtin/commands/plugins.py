"""`sdkit plugins`: which plugins there are, which are enabled, and which are broken, with the reason."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from sdkit.builtin.commands.loading import find_plugins, load_tolerantly
from sdkit.builtin.commands.samplers import defaults
from sdkit.builtin.commands.tables import show_json, show_table
from sdkit.plugins import Manager, installed_plugins
from sdkit.settings import Settings

BROKEN_EXIT = 4


@dataclass(frozen=True)
class _Plugin:
    name: str
    version: str
    origin: str
    state: str
    hooks: tuple[str, ...] = ()
    error: str = ""


def plugins(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on standard output.")] = False,
    plugin: Annotated[
        list[str] | None, typer.Option("--plugin", help="Load this plugin, too: dotted.name or file.py.")
    ] = None,
) -> None:
    """List plugins: built-in, installed and given; enabled, disabled or broken; and their options.

    The exit code is 4 if one is broken.
    """
    manager, broken = load_tolerantly(_with_commands, find_plugins(plugin or ()))
    listed = _listed(manager, broken)
    options = _options(manager)
    if as_json:
        show_json({"plugins": [asdict(one) for one in listed], "options": options})
    else:
        rows = [(one.name, one.version, one.origin, one.state, ", ".join(one.hooks)) for one in listed]
        show_table("plugins", ("name", "version", "origin", "state", "hooks"), rows)
        if options:
            rows = [(one["option"], one["default"], one["owner"], one["description"]) for one in options]
            show_table("options (--opt)", ("option", "default", "owner", "description"), rows)
        for one in listed:
            if one.error:
                typer.echo(f"{one.name} is broken: {one.error}")
                typer.echo(f"  to go on without it: SDKIT_PLUGINS_DENY={one.name}")
    if broken:
        raise typer.Exit(BROKEN_EXIT)


def _with_commands(manager: Manager) -> Manager:
    """The manager, after its plugins were asked for commands: one that fails in that is broken, too."""
    manager.add_commands(typer.Typer())
    return manager


def _listed(manager: Manager, broken: dict[str, Exception]) -> list[_Plugin]:
    listed = [_Plugin(info.name, info.version, info.origin, "enabled", info.hooks) for info in manager.infos]
    known = {info.name for info in manager.infos}
    for one in installed_plugins(Settings.load()):
        if one.name in broken:
            listed.append(_Plugin(one.name, one.version, "installed", "broken", error=_reason(broken[one.name])))
        elif one.name not in known:
            listed.append(_Plugin(one.name, one.version, "installed", "disabled"))
    return listed


def _reason(error: Exception) -> str:
    text = str(error)
    name = type(error).__name__
    return text if getattr(error, "plugin", None) else f"{name}: {text}"


def _options(manager: Manager) -> list[dict[str, str]]:
    return [
        {
            "option": f"{namespace}.{name}",
            "default": str(default),
            "owner": entry.owner,
            "description": entry.load().model_fields[name].description or "",
        }
        for namespace, entry in manager.option_models.items()
        for name, default in defaults(entry.load()).items()
    ]
