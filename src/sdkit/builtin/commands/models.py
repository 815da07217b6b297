"""`sdkit models`: the model in the box, and the files in the model folders, by kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdkit.builtin.commands.bars import file_bar
from sdkit.builtin.commands.tables import show_json, show_table
from sdkit.errors import CheckpointError, ModelNotFoundError, RequestError, UnknownNameError
from sdkit.models import KINDS, Kind, Library, ModelFile, embedded_checkpoint, inspect_header, open_checkpoint
from sdkit.plugins import load_manager
from sdkit.settings import Settings

if TYPE_CHECKING:
    from sdkit.models import FileHashes, ModelFamily

_EMBEDDED: Kind = "checkpoints"


def models(
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help=f"Only these; can be given several times: {', '.join(KINDS)}.")
    ] = None,
    with_hashes: Annotated[
        bool, typer.Option("--hash", help="Read every file whose hash is not known yet, and show its AutoV2 hash.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on standard output.")] = False,
) -> None:
    """List the models that can be used by name; the one in the box is used where none is named."""
    kinds: list[Kind] = [_kind(name) for name in kind] if kind else list(KINDS)
    library = Library.of(Settings.load())
    embedded = embedded_model()
    files = [file for one in kinds for file in library.list(one)]
    if embedded and _EMBEDDED in kinds:
        files.insert(0, embedded)
    hashes = _hashes(library, files, read=with_hashes)
    families = [entry.load() for entry in load_manager().families.values()]
    shown = [(file, family_of(file.path, families), hashes.get(file.path)) for file in files]
    if as_json:
        show_json(_as_json(library, kinds, embedded, shown))
        return
    for one in kinds:
        rows = [
            (
                file.name,
                family or "?",
                _megabytes(file.size),
                known.auto_v2 if known else "",
                "in the box, the default" if file is embedded else str(file.path),
            )
            for file, family, known in shown
            if file.kind == one
        ]
        if rows:
            show_table(one, ("name", "family", "size", "AutoV2", "where"), rows)
    for one in kinds:
        for name, paths in library.duplicates(one).items():
            typer.echo(f"{one}: {name!r} is {paths[0]}; hidden by it: {', '.join(map(str, paths[1:]))}")
    _show_folders(library, kinds, len(files) - bool(embedded and _EMBEDDED in kinds))


def embedded_model() -> ModelFile | None:
    """The model in the box; None in an installation without it, whose other models work all the same."""
    try:
        path = embedded_checkpoint()
    except ModelNotFoundError:
        return None
    return ModelFile(path.stem, path, path.stat().st_size, _EMBEDDED)


def find_model(name: str, kinds: Sequence[Kind] = ("checkpoints",)) -> Path | None:
    """The file that a path, name or hash means, in the model folders or in the box; None if there is none."""
    library = Library.of(Settings.load())
    embedded = embedded_model()
    for kind in kinds:
        path = library.get(kind, name)
        if path is not None:
            return path
    return embedded.path if embedded and name == embedded.name else None


def family_of(path: Path, families: Iterable[ModelFamily]) -> str:
    """The family that a file's header tells, or "" where it does not or cannot be read."""
    try:
        with open_checkpoint(path) as file:
            return inspect_header(file, families).for_family
    except (CheckpointError, ModelNotFoundError):  # one bad file is no reason not to list the others
        return ""


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise UnknownNameError("kind of model", name, KINDS)
    return name


def _hashes(library: Library, files: Sequence[ModelFile], *, read: bool) -> dict[Path, FileHashes]:
    paths = [file.path for file in files if file.path.is_file()]
    if not read:
        return library.hashes.known(paths)
    found: dict[Path, FileHashes] = {}
    with file_bar() as progress:
        for path in paths:
            try:
                found[path] = library.hashes.hashes(path, progress)
            except OSError as error:
                raise RequestError(f"{path} cannot be read: {error.strerror or error}") from error
    return found


def _as_json(
    library: Library,
    kinds: Sequence[Kind],
    embedded: ModelFile | None,
    shown: Sequence[tuple[ModelFile, str, FileHashes | None]],
) -> dict[str, object]:
    return {
        "folder": str(Settings.load().models),
        "folders": {kind: [str(folder) for folder in library.folders(kind)] for kind in kinds},
        "models": [
            {
                "name": file.name,
                "kind": file.kind,
                "family": family or None,
                "path": str(file.path),
                "size": file.size,
                "sha256": known.sha256 if known else None,
                "embedded": file is embedded,
            }
            for file, family, known in shown
        ],
        "duplicates": {
            kind: {name: [str(path) for path in paths] for name, paths in found.items()}
            for kind in kinds
            if (found := library.duplicates(kind))
        },
    }


def _show_folders(library: Library, kinds: Sequence[Kind], count: int) -> None:
    found = f"{count} of them" if count else "none there"
    folder = Settings.load().models
    typer.echo(f"model folder: {folder} ({found}; put .safetensors files into its checkpoints/, or set SDKIT_MODELS)")
    others = [
        path for kind in kinds for path in library.folders(kind) if path.is_dir() and not path.is_relative_to(folder)
    ]
    if others:
        typer.echo(f"further folders: {', '.join(dict.fromkeys(map(str, others)))}")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
