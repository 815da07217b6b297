"""`sdkit models`: the model in the box, and the files in the model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sdkit.builtin.commands.tables import show_json, show_table
from sdkit.errors import ModelNotFoundError
from sdkit.models import ModelFile, embedded_checkpoint, find_checkpoint, model_files
from sdkit.settings import Settings


def models(as_json: Annotated[bool, typer.Option("--json", help="As JSON on standard output.")] = False) -> None:
    """List the models that can be used by name; the one in the box is used where none is named."""
    folder = Settings.load().models
    files = model_files(folder)
    embedded = embedded_model()
    boxed = (embedded,) if embedded else ()
    if as_json:
        show_json(
            {
                "folder": str(folder),
                "models": [
                    {"name": file.name, "path": str(file.path), "size": file.size, "embedded": file is embedded}
                    for file in (*boxed, *files)
                ],
            }
        )
        return
    rows = [(file.name, _megabytes(file.size), "in the box, the default") for file in boxed]
    rows += [(file.name, _megabytes(file.size), str(file.path)) for file in files]
    show_table("models", ("name", "size", "where"), rows)
    found = f"{len(files)} of them" if files else "none there"
    typer.echo(f"model folder: {folder} ({found}; put .safetensors files into its checkpoints/, or set SDKIT_MODELS)")


def embedded_model() -> ModelFile | None:
    """The model in the box; None in an installation without it, whose other models work all the same."""
    try:
        path = embedded_checkpoint()
    except ModelNotFoundError:
        return None
    return ModelFile(path.stem, path, path.stat().st_size)


def find_model(name: str) -> Path | None:
    """The file that a path or a name means, in the model folder or in the box; None if there is none."""
    path = find_checkpoint(name, Settings.load().models)
    embedded = embedded_model()
    return embedded.path if path is None and embedded and name == embedded.name else path


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
