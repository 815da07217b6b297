"""The `sdkit` command: built from what plugins register; every error becomes one line and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from sdkit import __version__
from sdkit.builtin.commands.loading import load_tolerantly
from sdkit.cli.failures import AGAIN, CANCELLED, EXIT_CODES, describe
from sdkit.cli.messages import messages_shown, say
from sdkit.errors import SettingsError
from sdkit.plugins import Manager
from sdkit.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; `arguments` are `sys.argv`'s unless given."""
    arguments, debug = _take_debug(sys.argv[1:] if arguments is None else arguments)
    broken: Mapping[str, Exception] = {}
    with messages_shown(debug):
        try:
            settings, fault = _settings(arguments)
            cli, broken = load_tolerantly(_app, settings=settings)
            cli.info.epilog = _epilog(broken, fault)
            command = typer.main.get_command(cli)
            code = command.main(args=arguments or ["--help"], prog_name="sdkit", standalone_mode=False)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - nothing is swallowed: it becomes the exit code
            return _report(error, debug, broken)
    return code if type(code) is int else 0  # an Exit's code; commands themselves return nothing


def _app(manager: Manager) -> typer.Typer:
    """A Typer app with every plugin's commands."""
    cli = typer.Typer(
        name="sdkit",
        help="Makes pictures with Stable-Diffusion-style models, offline. A small model is in the box.",
        rich_markup_mode="rich",
    )
    cli.callback()(_options)
    manager.add_commands(cli)
    return cli


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sdkit {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks and the log; anywhere on the line, or SDKIT_DEBUG=1.")
    ] = False,
) -> None:
    """Declares the options before the command; both have done their work already."""


def _settings(arguments: Sequence[str]) -> tuple[Settings, str]:
    """The settings; where they are wrong and only help is asked for, those without any plugin, and what is wrong."""
    try:
        return Settings.load(), ""
    except SettingsError as error:
        if arguments and not {"--help", "--version"} & set(arguments):
            raise
        return Settings.model_construct(plugins=("none",)), str(error)


def _epilog(broken: Mapping[str, Exception], fault: str) -> str:
    lines = ["Exit codes:", *(f"{code}  {meaning}" for code, meaning in EXIT_CODES.items())]
    if broken:
        lines.append(f"Broken plugins, whose commands are missing: {', '.join(broken)} (see `sdkit plugins`)")
    if fault:
        lines.append(f"Wrong settings, without which nothing else runs: {fault}".replace("[", "\\["))
    return "\n\n".join(lines)


def _take_debug(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """The arguments without `--debug`, wherever it stood before a `--`, and whether to debug."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    rest = [argument for argument in arguments[:end] if argument != "--debug"] + list(arguments[end:])
    return rest, len(rest) < len(arguments) or os.environ.get("SDKIT_DEBUG", "") not in ("", "0")


def _report(error: BaseException, debug: bool, broken: Mapping[str, Exception]) -> int:
    """Say what happened on standard error. Returns the exit code."""
    failure = describe(error)
    if debug:
        traceback.print_exception(error)
    say(failure.message, "" if failure.code == CANCELLED else "error")
    for note in failure.notes:
        if not (debug and note == AGAIN):
            say(note, "note")
    if "No such command" in failure.message and broken:
        say(f"plugins that could not be loaded: {', '.join(broken)} (see `sdkit plugins`)", "note")
    return failure.code
