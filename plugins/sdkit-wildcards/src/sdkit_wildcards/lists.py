"""The lists behind wildcards: text files in folders, read when they are first asked for."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from sdkit.errors import RequestError, UnknownNameError
from sdkit_wildcards.syntax import Option, parse_option

BUNDLED = Path(__file__).parent / "lists"


class Lists:
    """The lists of some folders and, after them, the bundled ones; of two with one name, the first folder's counts.

    `colour.txt` is named `colour`, `animals/cat.txt` is `animals/cat`. Blank lines and lines that begin with # are left
    out.
    """

    def __init__(self, folders: Sequence[str | Path] = ()) -> None:
        self._folders = (*(Path(folder) for folder in folders), BUNDLED)
        self._read: dict[str, tuple[Option, ...]] = {}

    @cached_property
    def files(self) -> dict[str, Path]:
        """Every list's file, by name, sorted. Raises RequestError for a folder that is not there."""
        found: dict[str, Path] = {}
        for folder in self._folders:
            if not folder.is_dir():
                raise RequestError(f"wildcards.folder: there is no folder {str(folder)!r} (looked from {Path.cwd()})")
            for file in folder.rglob("*.txt"):
                found.setdefault(file.relative_to(folder).with_suffix("").as_posix(), file)
        return dict(sorted(found.items()))

    def options(self, name: str) -> tuple[Option, ...]:
        """The lines of a list, or of all whose names match, if there is a `*` in the name.

        Raises UnknownNameError, suggesting the nearest names, and RequestError for a list without a line.
        """
        if name not in self._read:
            files = [self.files[known] for known in self.files if known == name or _matches(known, name)]
            if not files:
                where = ", ".join(str(folder) for folder in self._folders[:-1])
                hint = f"Lists are .txt files in {where}." if where else "Set wildcards.folder to have your own."
                raise UnknownNameError("wildcard", name, self.files, hint)
            self._read[name] = tuple(option for file in files for option in _lines(file) if option.weight > 0)
            if not self._read[name]:
                raise RequestError(f"the wildcard {name!r} has no lines to choose from ({files[0]})")
        return self._read[name]


def _matches(known: str, pattern: str) -> bool:
    return "*" in pattern and fnmatchcase(known, pattern)


def _lines(file: Path) -> list[Option]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"cannot read the list {file} as UTF-8 text: {error}") from error
    options: list[Option] = []
    for number, line in enumerate(map(str.strip, lines), 1):
        if line and not line.startswith("#"):
            try:
                options.append(parse_option(line))
            except RequestError as error:
                raise RequestError(f"{file}, line {number}: {error}") from error
    return options
