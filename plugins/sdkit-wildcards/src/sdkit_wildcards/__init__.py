"""Wildcards for sdkit's prompts: `a __colour__ {cat|dog}`. The syntax is described in `sdkit_wildcards.syntax`."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

from sdkit import hookimpl
from sdkit_wildcards.expand import expand, expansions
from sdkit_wildcards.lists import Lists
from sdkit_wildcards.options import WildcardOptions

if TYPE_CHECKING:
    import typer

    from sdkit.hookspecs import RegisterOptions
    from sdkit.types import RunPlan

__all__ = ["Lists", "WildcardOptions", "expand", "expansions"]

__version__ = "0.1.0"


@hookimpl
def register_options(register: RegisterOptions) -> None:
    """`wildcards.mode`, `wildcards.folder`, `wildcards.limit`."""
    register("wildcards", WildcardOptions)


@hookimpl
def transform_prompt(plan: RunPlan) -> Callable[[str, int], str] | None:
    """Mode "random": each picture's seed chooses."""
    options = plan.option(WildcardOptions)
    if options.mode != "random":
        return None
    lists = Lists(options.folder)
    return lambda text, seed: expand(text, seed, lists)


@hookimpl
def prepare_run(plan: RunPlan) -> None:
    """Mode "all": a picture of every combination, all with the same seed, so that nothing differs but the words.

    Where pictures with several seeds are asked for, each seed gets every combination. The same seed twice counts once:
    so a result's request, which lists the seeds of all its pictures, makes the same pictures again.
    """
    options = plan.option(WildcardOptions)
    if options.mode != "all":
        return
    lists = Lists(options.folder)
    asked = dict.fromkeys(zip(plan.seeds, plan.prompts, plan.negative_prompts, strict=True))
    combinations = (
        (seed, positive, negative)
        for seed, prompt, negative_prompt in asked
        for positive in expansions(prompt, lists)
        for negative in expansions(negative_prompt, lists)
    )
    pictures = list(itertools.islice(combinations, options.limit + 1))
    if len(pictures) > options.limit:
        del pictures[options.limit :]
        plan.warnings.append(
            f"wildcards: there are more than {options.limit} combinations; these are the first {options.limit}. "
            "Raise wildcards.limit to make more."
        )
    plan.seeds = [seed for seed, _, _ in pictures]
    plan.prompts = [prompt for _, prompt, _ in pictures]
    plan.negative_prompts = [negative for _, _, negative in pictures]


@hookimpl
def register_commands(cli: typer.Typer) -> None:
    """`sdkit wildcards`."""
    from sdkit_wildcards.command import wildcards

    cli.command()(wildcards)
