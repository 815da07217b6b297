"""`sdkit inspect`: what is in a model file and what it was taken for, or how a picture was made. Loads no model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from sdkit.builtin.commands.bars import file_bar
from sdkit.builtin.commands.models import find_model
from sdkit.builtin.commands.tables import show_json, show_table
from sdkit.images import SUFFIXES, read_record
from sdkit.models import KINDS, HashCache, Library, add_hashes, inspect_header
from sdkit.plugins import load_manager
from sdkit.settings import Settings

if TYPE_CHECKING:
    from sdkit.images import GenerationRecord
    from sdkit.models import CheckpointFile, Inspection

_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


def inspect(
    file: Annotated[str, typer.Argument(help="Model file or picture: a file, or a name that `sdkit models` lists.")],
    with_hashes: Annotated[
        bool, typer.Option("--hash/--no-hash", help="Whether to read all of the file for its hashes, at the end.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on standard output.")] = False,
) -> None:
    """Look into a file without loading it: what a model is, why, and how it was trained; how a picture was made."""
    path = find_model(file, KINDS)
    if _is_picture(path) if path is not None else Path(file).suffix.lower() in SUFFIXES:
        record = read_record(path or file)
        if as_json:
            show_json(record.model_dump(mode="json", by_alias=True))
        else:
            _show_record(record)
        return
    settings, manager = Settings.load(), load_manager()
    opened = cast("CheckpointFile | None", manager.first("load_checkpoint", source=str(path or file)))
    if opened is None:
        library = Library.of(settings)
        raise library.missing("checkpoints", file, [each.name for kind in KINDS for each in library.list(kind)])
    found = inspect_header(opened, [entry.load() for entry in manager.families.values()])
    if not as_json:
        _show(found)
    if with_hashes:
        with file_bar() as progress:
            found = add_hashes(found, opened, cache=HashCache(settings.cache.expanduser()), progress=progress)
        if not as_json:
            _show_hashes(found)
    if as_json:
        show_json(_as_json(found))


def _is_picture(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            start = file.read(12)
    except OSError:
        return False  # the checkpoint reader says what is wrong with it
    return start.startswith(_PICTURES) or (start[:4] == b"RIFF" and start[8:] == b"WEBP")


def _show(found: Inspection) -> None:
    rows = [
        ("file", str(found.path)),
        ("size", f"{found.size:,} bytes"),
        ("family", found.family or "not recognised"),
        ("looks like", found.looks_like),
        ("for family", "" if found.family else found.for_family),
        ("prediction", found.prediction or ("" if found.facts else "unknown")),
        *found.facts.items(),
        ("tensors", f"{found.tensors:,}"),
        ("parameters", f"{found.parameters:,}"),
        ("dtypes", ", ".join(f"{name} {count:,}" for name, count in found.dtypes.items())),
    ]
    show_table("file", ("what", "value"), [row for row in rows if row[1]])
    show_table("parts", ("part", "parameters"), [(name, f"{count:,}") for name, count in found.parts.items()])
    reasons = [("because", fact) for fact in found.why]
    reasons += [(f"not {name}", reason) for name, reason in found.declined.items()]
    show_table("why", ("", "evidence"), reasons)
    if found.training:
        rows = [(label, _one_line(value)) for label, value in found.training.items()]
        show_table("training, as its metadata say", ("what", "value"), rows)
    if found.metadata:
        show_table("metadata", ("key", "value"), [(key, _one_line(value)) for key, value in found.metadata.items()])


def _show_hashes(found: Inspection) -> None:
    rows = [
        ("sha256", found.sha256),
        ("AutoV2", found.auto_v2),
        ("AutoV3", found.hashes.auto_v3 if found.hashes else ""),
    ]
    show_table("hashes", ("what", "value"), [row for row in rows if row[1]])


def _as_json(found: Inspection) -> dict[str, object]:
    return {
        "path": str(found.path),
        "size": found.size,
        "family": found.family,
        "prediction": found.prediction,
        "looks_like": found.looks_like,
        "for_family": found.for_family or None,
        "facts": dict(found.facts),
        "training": dict(found.training),
        "tensors": found.tensors,
        "parameters": found.parameters,
        "parts": dict(found.parts),
        "dtypes": dict(found.dtypes),
        "sha256": found.sha256 or None,
        "auto_v2": found.auto_v2 or None,
        "auto_v3": found.hashes.auto_v3 or None if found.hashes else None,
        "why": list(found.why),
        "declined": dict(found.declined),
        "metadata": dict(found.metadata),
    }


def _show_record(record: GenerationRecord) -> None:
    made = [
        ("sdkit", record.sdkit or ("" if record.versions else "(made by another program)")),
        ("model", record.model),
        ("model sha256", record.model_sha256),
        ("device", record.device),
        ("dtype", record.dtype),
        *record.versions.items(),
        *((f"plugin {name}", version or "no version") for name, version in record.plugins.items()),
        *(("warning", warning) for warning in record.warnings),
    ]
    request = [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in record.request.items()]
    show_table("request", ("field", "value"), [(name, _one_line(value)) for name, value in request])
    show_table("made with", ("what", "value"), [row for row in made if row[1]])


def _one_line(text: str, longest: int = 500) -> str:
    """A value on one line; very long ones, such as pictures in base64, shortened: `--json` has all of it."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[:longest]}… ({len(text):,} characters)"
