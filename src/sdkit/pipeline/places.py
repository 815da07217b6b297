"""Where graphs find pictures and leave their own: names out of a graph never lead out of the folders."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from sdkit.errors import ImageError, nearest
from sdkit.images import SUFFIXES

READABLE = frozenset({*SUFFIXES, ".bmp", ".gif", ".tif", ".tiff", ".ppm"})
"""Endings of the files that are listed as pictures."""
MOST_LISTED = 10_000
"""So many pictures are listed; a working folder may be a whole home."""


class Inputs:
    """The pictures that graphs may name: files in these folders, first come first, and single files by their name.

    Reads the folders at every call, so it is never out of date.
    """

    def __init__(self, places: Iterable[str | Path]) -> None:
        self.places = tuple(Path(place).expanduser() for place in places)

    def get(self, name: str) -> Path | None:
        """The file of this name; None where there is none, or where the name leads out of the folders."""
        inside = safe_name(name)
        if inside is None:
            return None
        for place in self.places:
            path = place if place.name == str(inside) and _is_file(place) else place / inside
            if _is_file(path):
                return path
        return None

    def find(self, name: str) -> Path:
        """The file of this name. Raises ImageError, which says where was looked and suggests names."""
        if (path := self.get(name)) is not None:
            return path
        where = ", ".join(map(str, self.places)) or "no folder"
        if safe_name(name) is None:
            raise ImageError(f"graphs name files inside {where}; {name!r} leads out of there")
        near = nearest(name, self.names())
        advice = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ImageError(f"there is no file {name!r} in {where}{advice}")

    def names(self) -> tuple[str, ...]:
        """The pictures right in the folders and one folder below, sorted."""
        found: dict[str, None] = {}
        for place in self.places:
            if _is_file(place):
                found[place.name] = None
                continue
            for pattern in ("*", "*/*"):
                for path in place.glob(pattern):
                    name = path.relative_to(place).as_posix()
                    if path.suffix.lower() in READABLE and not name.startswith(".") and "/." not in name:
                        found[name] = None
                    if len(found) >= MOST_LISTED:
                        return tuple(sorted(found))
        return tuple(sorted(found))


class Outputs:
    """The folder that graphs save into; it is made when something is saved."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser()

    def path(self, name: str) -> Path:
        """The path of this name below the folder. Raises ImageError for a name that leads out of it."""
        inside = safe_name(name)
        if inside is None:
            raise ImageError(f"graphs save below {self.folder}; {name!r} leads out of there, or is no name of a file")
        return self.folder / inside

    def free(self, prefix: str, suffix: str, form: str = "{name}_{number:05}") -> Iterator[Path]:
        """Paths that begin with `prefix` and that no file has yet, counted from 1; take the first that can be made.

        Raises ImageError for a prefix that leads out of the folder.
        """
        beginning = self.path(prefix)
        folder = beginning.parent
        taken = {path.name for path in folder.iterdir()} if folder.is_dir() else set[str]()
        for number in itertools.count(1):
            name = form.format(name=beginning.name, number=number) + suffix
            if name not in taken:
                yield beginning.with_name(name)


def safe_name(name: str) -> PurePosixPath | None:
    """The name as a path that stays below where it begins; None for one that does not, whatever the system."""
    path = PurePosixPath(name.replace("\\", "/"))
    windows = PureWindowsPath(name)
    leads_out = path.is_absolute() or windows.drive or windows.root or ".." in path.parts
    unusable = not path.name or "\0" in name or name.endswith(("/", "\\"))
    return None if leads_out or unusable else path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long a name, a closed folder, a null character
        return False
