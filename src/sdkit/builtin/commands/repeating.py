"""`--like`: which model a picture's record asks for, and what is not here as it was when the picture was made."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sdkit.builtin.commands.bars import file_bar
from sdkit.builtin.commands.models import embedded_model
from sdkit.errors import ModelNotFoundError, UnknownNameError
from sdkit.images import differences, installed_versions
from sdkit.models import Library
from sdkit.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from sdkit import Pipeline
    from sdkit.builtin.commands.watching import Bar
    from sdkit.images import GenerationRecord
    from sdkit.plugins import Manager


def model_of(record: GenerationRecord | None) -> str | None:
    """What to load for a record's model, or None if it does not say: the file in the box or in the model folders that
    has its hash, under whatever name; else the one that has its name.

    Files whose hash is not known are read where they have the name, and all of them where none has. Raises
    ModelNotFoundError if there is none.
    """
    if record is None or not (record.model or record.model_sha256):
        return None
    settings = Settings.load()
    library = Library.of(settings)
    embedded = embedded_model()
    named = library.get("checkpoints", record.model) if record.model else None
    if embedded and record.model == embedded.name:
        named = embedded.path
    with file_bar() as progress:
        found = _same(library, record.model_sha256, named, progress) or named
        if found is None and record.model_sha256:
            found = library.find_by_hash("checkpoints", record.model_sha256, progress)
    if found is not None:
        return str(found)
    digits = f" (hash {record.model_sha256[:10]})" if record.model_sha256 else ""
    raise ModelNotFoundError(
        f"the picture was made with the model {record.model!r}{digits}, which is not in {settings.models}. "
        "Say which one to use: --model FILE"
    )


def _same(
    library: Library, sha256: str, named: Path | None, progress: Callable[[Path, int, int], None] | None
) -> Path | None:
    """The file with the hash: the one that has the name, or else one whose hash is known already."""
    if not sha256:
        return None
    if named is not None and named.is_file() and library.hashes.hashes(named, progress).sha256.startswith(sha256):
        return named
    known = library.hashes.known(file.path for file in library.list("checkpoints"))
    return next((path for path, hashes in known.items() if hashes.sha256.startswith(sha256)), None)


@contextmanager
def said_missing(record: GenerationRecord | None, manager: Manager) -> Generator[None]:
    """Where a name is unknown, add which of the plugins that made the picture are missing here."""
    try:
        yield
    except UnknownNameError as error:
        here = _plugins(manager)
        for name, version in (record.plugins if record else {}).items():
            if name not in here:
                error.add_note(
                    f"the picture was made with the plugin {name!r} ({version or 'no version'}), which is not enabled"
                )
        raise


def said_differences(record: GenerationRecord | None, pipe: Pipeline, bar: Bar) -> tuple[str, ...]:
    """What differs from when the picture was made, said on standard error, too; empty if nothing does."""
    if record is None:
        return ()
    found = differences(
        record,
        model_sha256=pipe.model.fingerprint(),
        device=str(pipe.model.device),
        dtype=str(pipe.model.dtype).removeprefix("torch."),
        plugins=_plugins(pipe.manager),
        versions=installed_versions(),
    )
    for difference in found:
        bar.note(f"differs: {difference}")
    return found


def _plugins(manager: Manager) -> dict[str, str]:
    return dict(manager.recorded)
