"""`sdkit samplers`: the names that a request may use, with what their owners say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sdkit.builtin.commands.loading import find_plugins
from sdkit.builtin.commands.tables import show_json, show_table
from sdkit.plugins import Entry, Manager, Registry, SamplerEntry, load_manager

if TYPE_CHECKING:
    from pydantic import BaseModel


def samplers(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on standard output.")] = False,
    plugin: Annotated[
        list[str] | None, typer.Option("--plugin", help="Load this plugin, too: dotted.name or file.py.")
    ] = None,
) -> None:
    """List samplers and schedules, and kinds of guidance and prompt syntaxes."""
    manager = load_manager(find_plugins(plugin or ()))
    if as_json:
        show_json(_as_json(manager))
        return
    show_table(
        "samplers",
        ("name", "order", "evaluations", "noise", "options", "owner", "summary"),
        [
            (
                entry.name,
                f"{entry.order:g}",
                f"{entry.evaluations:g}",
                entry.noise,
                _options(entry),
                entry.owner,
                entry.summary,
            )
            for entry in manager.samplers.values()
        ],
    )
    for title, registry in _others(manager).items():
        rows = [(entry.name, entry.owner, entry.summary) for entry in registry.values()]
        show_table(title, ("name", "owner", "summary"), rows)


def _others(manager: Manager) -> dict[str, Registry[Entry[Any]]]:
    return {"schedules": manager.schedules, "guidance": manager.guidance, "prompt syntaxes": manager.syntaxes}


def _options(entry: SamplerEntry) -> str:
    """`eta=1, s_noise=1`: the options with their defaults."""
    return ", ".join(
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in defaults(entry.options).items()
    )


def defaults(model: type[BaseModel] | None) -> dict[str, object]:
    """An options model's fields with their defaults; "required" for those without."""
    if model is None:
        return {}
    return {
        name: "required" if field.is_required() else field.get_default(call_default_factory=True, validated_data={})
        for name, field in model.model_fields.items()
    }


def _as_json(manager: Manager) -> dict[str, object]:
    """Lists by kind; samplers with what they declare."""
    listed: dict[str, object] = {
        "samplers": [
            {
                "name": entry.name,
                "order": entry.order,
                "evaluations": entry.evaluations,
                "noise": entry.noise,
                "options": defaults(entry.options),
                "owner": entry.owner,
                "summary": entry.summary,
            }
            for entry in manager.samplers.values()
        ]
    }
    for title, registry in _others(manager).items():
        listed[title.replace(" ", "_")] = [
            {"name": entry.name, "owner": entry.owner, "summary": entry.summary} for entry in registry.values()
        ]
    return listed
