"""The commands in the box: generate, run, graph, nodes, samplers, plugins, models, inspect, merge.

Added by the same hook as any plugin's.
One file per command. They are imported when the command line asks for them, and torch only when one computes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit.hookspecs import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def register_commands(cli: typer.Typer) -> None:
    """The commands in the box."""
    from sdkit.builtin.commands.drawing_graphs import graph
    from sdkit.builtin.commands.generate import generate
    from sdkit.builtin.commands.inspecting import inspect
    from sdkit.builtin.commands.merging import merge
    from sdkit.builtin.commands.models import models
    from sdkit.builtin.commands.nodes import nodes
    from sdkit.builtin.commands.plugins import plugins
    from sdkit.builtin.commands.running_graphs import run
    from sdkit.builtin.commands.samplers import samplers

    for command in (generate, run, graph, nodes, samplers, plugins, models, inspect, merge):
        cli.command()(command)
