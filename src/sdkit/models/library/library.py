"""The library: every model folder of the settings, searched by kind and name, or by hash."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Self

from sdkit.errors import ModelNotFoundError, nearest
from sdkit.models.hashes import HashCache, Progress, compute_auto_v1, hash_in, matches
from sdkit.models.library.extra_paths import read_extra_paths
from sdkit.models.library.kinds import KIND_INFOS, KINDS, Kind
from sdkit.models.library.scanning import SUFFIXES, ModelFile, is_model_name, is_unit, models_in, without_suffix
from sdkit.models.library.trees import Folders, folders_of, joined

if TYPE_CHECKING:
    from sdkit.settings import Settings


class Library:
    """Model files by kind and name. Reads the folders at every call, so it is never out of date; thread-safe.

    A name is a file's path below its folder, with or without suffix, with "/" or "\\": `sdxl/dreams`,
    `sdxl\\dreams.safetensors`; the last part alone will do where only one file has it. Where several folders have a
    name, the first folder counts.
    """

    def __init__(self, folders: Folders, hashes: HashCache) -> None:
        self._folders = folders
        self.hashes = hashes

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The library that the settings describe. Raises SettingsError for an `extra_model_paths` file that cannot be
        read."""
        extra = [read_extra_paths(path) for path in settings.extra_model_paths]
        roots = [folders_of(root.expanduser()) for root in (settings.models, *settings.more_models)]
        every = [*(paths.first for paths in extra), *roots, *(paths.last for paths in extra)]
        return cls(joined(every), HashCache(settings.cache.expanduser()))

    def folders(self, kind: Kind) -> tuple[Path, ...]:
        """Where models of a kind are looked for, in this order; they need not exist."""
        return tuple(folder.path for folder in self._folders.get(kind, ()))

    def list(self, kind: Kind) -> tuple[ModelFile, ...]:
        """The models of a kind by name, sorted; of several with one name, the one that the name means."""
        first: dict[str, ModelFile] = {}
        for file in self._all(kind):
            first.setdefault(file.name, file)
        return tuple(first.values())

    def duplicates(self, kind: Kind) -> Mapping[str, tuple[Path, ...]]:
        """The names that several files have → these files, first the one that the name means."""
        paths: dict[str, list[Path]] = {}
        for file in self._all(kind):
            paths.setdefault(file.name, []).append(file.path)
        return {name: tuple(found) for name, found in paths.items() if len(found) > 1}

    def find(self, kind: Kind, name: str) -> Path:
        """The file that a path, a name or a hash means; see `get`. Raises ModelNotFoundError, which says where was
        looked and suggests names."""
        path = self.get(kind, name)
        if path is None:
            raise self.missing(kind, name)
        return path

    def get(self, kind: Kind, name: str) -> Path | None:
        """The file that `name` means, or None: a path to a file, a name, or a hash, in this order.

        Hashes are `sha256:` and at least six digits, or bare: AutoV2 (10 digits), AutoV3 (12), A1111's older one (8),
        a whole SHA-256 (64). For a hash, files whose hash is not known yet are read.
        """
        path = _file(name) or self._quickly(kind, name) or self._by_name(kind, name)
        if path is None and (digits := hash_in(name)):
            return self.find_by_hash(kind, digits)
        return path

    def find_by_hash(self, kind: Kind, digits: str, progress: Progress | None = None) -> Path | None:
        """The file whose hash begins with `digits`, or None; see `get` for which hashes. Files whose hash is known
        already come first, and only then others are read, one after another, up to the first that fits.

        Raises ModelNotFoundError if several files with different content fit.
        """
        digits = digits.lower().removeprefix("sha256:")
        paths = [file.path for file in self._all(kind) if file.path.is_file()]
        known = self.hashes.known(paths)
        fitting = {hashes.sha256: path for path, hashes in reversed(known.items()) if matches(hashes, digits)}
        if len(fitting) > 1:
            names = ", ".join(sorted(map(str, fitting.values())))
            raise ModelNotFoundError(f"the hashes of several models begin with {digits!r}: {names}. Give more digits")
        return next(iter(fitting.values()), None) or self._by_unknown_hash(
            [path for path in paths if path not in known], digits, progress
        )

    def missing(self, kind: Kind, name: str, others: Iterable[str] = ()) -> ModelNotFoundError:
        """The error for a name that nobody knows: where was looked, and the nearest names, of `others` too."""
        noun = KIND_INFOS[kind].noun
        names = [file.name for file in self.list(kind)]
        wanted = _normal(name)
        same = [known for known in names if _last(known).lower() == _last(without_suffix(wanted)).lower()]
        where = ", ".join(map(str, self.folders(kind)))
        start = f"there is no {noun} {_quoted(name)}, and no model of that name in {where}."
        if len(same) > 1:
            return ModelNotFoundError(f"{start} Several end so: {', '.join(map(repr, same))}. Say which one")
        if link := _dead_link(name):
            return ModelNotFoundError(f"{start} {link}")
        if _ADDRESS.match(name):
            return ModelNotFoundError(f"{start} sdkit downloads nothing: fetch the file, and give its path")
        elsewhere = [KIND_INFOS[other].noun for other in KINDS if other != kind and self._by_name(other, name)]
        if elsewhere:
            return ModelNotFoundError(f"{start} There is a {elsewhere[0]} of that name, which is another kind of file")
        shown = {**{_last(known): known for known in names}, **{known: known for known in names}}
        near = nearest(without_suffix(wanted), [*shown, *others])
        suggested = dict.fromkeys(shown.get(found, found) for found in near)
        if suggested:
            return ModelNotFoundError(f"{start} Did you mean {' or '.join(map(repr, suggested))}?")
        option = "" if kind == "checkpoints" else f" --kind {kind}"
        return ModelNotFoundError(f"{start} `sdkit models{option}` lists the names found.")

    def _all(self, kind: Kind) -> list[ModelFile]:
        """Every file of a kind, sorted by name; of one name, in the order of folders and suffixes."""
        found = [
            ((file.name.lower(), file.name, place, _rank(file.path)), file)
            for place, folder in enumerate(self._folders.get(kind, ()))
            for file in models_in(folder, kind)
        ]
        return [file for _, file in sorted(found, key=lambda pair: pair[0])]

    def _by_unknown_hash(self, paths: Iterable[Path], digits: str, progress: Progress | None) -> Path | None:
        for path in paths:
            try:
                if compute_auto_v1(path) == digits or matches(self.hashes.hashes(path, progress), digits):
                    return path
            except OSError:  # it went away, or may not be read
                continue
        return None

    def _quickly(self, kind: Kind, name: str) -> Path | None:
        """The file that a name means exactly, without reading whole folders."""
        wanted = PurePosixPath(_normal(name))
        if not wanted.parts or wanted.is_absolute() or any(part.startswith(".") for part in wanted.parts):
            return None
        for folder in self._folders.get(kind, ()):
            if len(wanted.parts) > 1 and not folder.deep:
                continue
            for suffix in ("", *SUFFIXES):
                path = folder.path / f"{wanted}{suffix}"
                if is_model_name(path.name) and _is_file(path):
                    return path
        return None

    def _by_name(self, kind: Kind, name: str) -> Path | None:
        """The file that a name means: exactly, else in another case, else by its last part if only one file has it."""
        wanted = _normal(name)
        files = self.list(kind)
        for same in (str, str.lower):
            for file in files:
                if same(wanted) in (same(file.name), same(file.name + file.path.suffix)):
                    return file.path
        last = [file for file in files if wanted.lower() in (_last(file.name).lower(), file.path.name.lower())]
        return last[0].path if len(last) == 1 else None


_ADDRESS = re.compile(r"https?://|hf://|huggingface\.co/|civitai\.com/", re.IGNORECASE)
_LONGEST = 200


def _quoted(name: str) -> str:
    """A name for a message; one of thousands of letters would hide the rest of it."""
    return repr(name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…")


def _dead_link(name: str) -> str:
    """What is wrong with a link that leads nowhere; "" for what is none."""
    try:
        return f"{name} is a link to {os.readlink(name)}, where no file is" if Path(name).is_symlink() else ""  # noqa: PTH115 - as it is written
    except (OSError, ValueError):
        return ""


def _normal(name: str) -> str:
    """A name as the library has them: with "/" only, and none in front."""
    return name.replace("\\", "/").removeprefix("./").strip("/")


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _rank(path: Path) -> int:
    suffix = path.suffix.lower()
    return SUFFIXES.index(suffix) if suffix in SUFFIXES else len(SUFFIXES)


def _file(name: str) -> Path | None:
    """The path that a name is: a file, or a folder that is a model; other folders do not hide a model of their name."""
    try:
        path = Path(name).expanduser()
        return path if path.is_file() or (name and is_unit(path)) else None
    except (OSError, RuntimeError, ValueError):  # too long for a path, a closed folder, "~nobody", a null character
        return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
