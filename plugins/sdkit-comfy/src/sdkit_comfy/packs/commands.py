"""`sdkit packs`: which packs of nodes there are, and which are enabled."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sdkit_comfy.packs.plugin import Packs


def packs(
    folder: Annotated[
        list[Path] | None, typer.Option("--folder", help="Look here, too, besides SDKIT_COMFY_PACK_FOLDERS.")
    ] = None,
) -> None:
    """List packs of nodes written for ComfyUI. Nothing of them is run; SDKIT_COMFY_PACKS enables some by name."""
    known = Packs.of_environment()
    found = Packs((*known.folders, *(folder or ())), known.enabled).found()
    for name, path in found.items():
        typer.echo(f"{'enabled ' if name in known.enabled else 'disabled'}  {name}  {path}")
    for name in known.enabled:
        if name not in found:
            typer.echo(f"missing   {name}")
    if not found:
        typer.echo("no pack found; name folders such as ComfyUI/custom_nodes in SDKIT_COMFY_PACK_FOLDERS")
