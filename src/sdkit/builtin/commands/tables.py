"""Lists on standard output: rich tables on a terminal, plain aligned columns in a pipe, or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import typer


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table with a title; never cuts a cell. In a pipe, columns are at least two spaces apart and nothing wraps."""
    if sys.stdout.isatty():
        _show_rich(title, columns, rows)
        return
    widths = [max(len(row[index]) for row in (columns, *rows)) for index in range(len(columns))]
    typer.echo(f"{title}:")
    for row in (columns, *rows):
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    typer.echo()


def show_json(value: object) -> None:
    """One JSON document, in ASCII, which every pipe carries."""
    typer.echo(json.dumps(value, indent=2))


def _show_rich(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # Text: brackets in a cell are no markup
    Console().print(table)
