"""`sdkit wildcards`: which lists there are, and what a prompt may become."""

from __future__ import annotations

import itertools
from typing import Annotated

import typer

from sdkit_wildcards.expand import expand, expansions
from sdkit_wildcards.lists import Lists


def wildcards(
    prompt: Annotated[str, typer.Argument(help="A prompt to expand; without one, the lists are listed.")] = "",
    folder: Annotated[list[str] | None, typer.Option(help="A folder with lists; may be repeated.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The first picture's seed.")] = 0,
    count: Annotated[int, typer.Option(min=1, help="How many texts to show.")] = 5,
    every: Annotated[bool, typer.Option("--all", help="Show every combination instead, --count at most.")] = False,
) -> None:
    """List the wildcards, or show what a prompt becomes."""
    lists = Lists(folder or ())
    if not prompt:
        for name, file in lists.files.items():
            typer.echo(f"{f'__{name}__':24} {len(lists.options(name)):4} lines  {file}")
    elif every:
        for text in itertools.islice(expansions(prompt, lists), count):
            typer.echo(text)
    else:
        for chosen in range(seed, seed + count):
            typer.echo(f"{chosen}: {expand(prompt, chosen, lists)}")
