"""`sdkit nodes`: the kinds of nodes that graphs can be made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdkit.builtin.commands.loading import find_plugins
from sdkit.builtin.commands.tables import show_json, show_table
from sdkit.errors import PluginError, UnknownNameError
from sdkit.graph import UNSET, Choices, stub_text

if TYPE_CHECKING:
    from sdkit import Workspace
    from sdkit.graph import Input, NodeType


def nodes(
    name: Annotated[str | None, typer.Argument(help="Show all of this one.")] = None,
    category: Annotated[
        str | None, typer.Option(help="Only those of this category, and of those below it.", metavar="NAME")
    ] = None,
    stubs: Annotated[
        str | None,
        typer.Option(help="Write a .pyi file that declares them, for editors and type checkers.", metavar="FILE.pyi"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on standard output.")] = False,
    plugin: Annotated[
        list[str] | None, typer.Option("--plugin", help="Load this plugin, too: dotted.name or file.py.")
    ] = None,
) -> None:
    """List the kinds of nodes, with what goes in and what comes out; or show one of them."""
    from sdkit import Workspace

    workspace = Workspace(plugins=find_plugins(plugin or ()))
    if name is not None and name not in workspace.types:
        raise UnknownNameError("node type", name, workspace.types, "`sdkit nodes` lists them.")
    kinds = {name: workspace.types[name]} if name is not None else _loadable(workspace)
    if category is not None:
        known = {kind.category for kind in kinds.values()}
        kinds = {each: kind for each, kind in kinds.items() if f"{kind.category}/".startswith(f"{category}/")}
        if not kinds:
            raise UnknownNameError("category of nodes", category, sorted(known))
    if stubs is not None:
        Path(stubs).write_text(stub_text(kinds, workspace.choices), encoding="utf-8")
        typer.echo(typer.format_filename(stubs))
    elif as_json:
        show_json([_facts(kind, workspace) for kind in kinds.values()])
    elif name is not None:
        _show_one(kinds[name], workspace)
    else:
        _show_list(kinds, workspace)


def _loadable(workspace: Workspace) -> dict[str, NodeType]:
    """All of them but those whose plugin is broken, which are said."""
    kinds: dict[str, NodeType] = {}
    for name in workspace.types:
        try:
            kinds[name] = workspace.types[name]
        except PluginError as error:
            typer.echo(f"warning: {name}: {error}", err=True)
    return kinds


def _show_list(kinds: Mapping[str, NodeType], workspace: Workspace) -> None:
    by_category: dict[str, list[tuple[str, ...]]] = {}
    for name, kind in kinds.items():
        needed = ", ".join(each.name for each in kind.inputs if each.required)
        made = ", ".join(each.type for each in kind.outputs)
        row = (name, needed, made, _owner(name, workspace), kind.summary)
        by_category.setdefault(kind.category or "other", []).append(row)
    for category, rows in sorted(by_category.items()):
        show_table(category, ("name", "needs", "makes", "owner", "summary"), rows)


def _show_one(kind: NodeType, workspace: Workspace) -> None:
    typer.echo(f"{kind.name} ({kind.category or 'other'}), of {_owner(kind.name, workspace)}: {kind.summary}\n")
    rows = [(each.name, each.type, _default(each), _allowed(each, workspace), each.doc) for each in kind.inputs]
    show_table("inputs", ("name", "type", "default", "allowed", "about"), rows)
    outputs = [
        (str(number), each.name, each.type, "a list" if each.is_list else "")
        for number, each in enumerate(kind.outputs)
    ]
    if outputs:
        show_table("outputs", ("number", "name", "type", ""), outputs)


def _owner(name: str, workspace: Workspace) -> str:
    return workspace.manager.nodes[name].owner


def _default(declared: Input) -> str:
    if declared.required:
        return "must be given"
    return "" if declared.default is UNSET else repr(declared.default)


def _allowed(declared: Input, workspace: Workspace) -> str:
    bounds = [f"{sign} {bound}" for sign, bound in (("≥", declared.ge), ("≤", declared.le)) if bound is not None]
    if declared.multiple_of is not None:
        bounds.append(f"a multiple of {declared.multiple_of:g}")
    names = [str(each) for each in _choices(declared, workspace)]
    return ", ".join([*bounds, *names])


def _choices(declared: Input, workspace: Workspace) -> tuple[object, ...]:
    if isinstance(declared.choices, Choices):
        return tuple(workspace.choices(declared.choices.source))
    return declared.choices or ()


def _facts(kind: NodeType, workspace: Workspace) -> dict[str, object]:
    return {
        "name": kind.name,
        "title": kind.title,
        "category": kind.category,
        "summary": kind.summary,
        "owner": _owner(kind.name, workspace),
        "is_output": kind.is_output,
        "inputs": [
            {
                "name": each.name,
                "type": each.type,
                "required": each.required,
                "default": None if each.default is UNSET else each.default,
                "least": each.ge,
                "most": each.le,
                "multiple_of": each.multiple_of,
                "choices": list(_choices(each, workspace)) or None,
                "lazy": each.lazy,
                "about": each.doc,
            }
            for each in kind.inputs
        ],
        "outputs": [{"name": each.name, "type": each.type, "is_list": each.is_list} for each in kind.outputs],
    }
