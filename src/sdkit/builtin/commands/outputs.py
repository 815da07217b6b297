"""Which files the pictures go to, decided and checked before anything is computed, and never overwriting silently."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sdkit.errors import ImageError, ImageExistsError, RequestError
from sdkit.images import SUFFIXES, Format, Image

_SUFFIXES: dict[Format, str] = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
_UNWRITTEN = (".gif", ".bmp", ".tif", ".tiff", ".avif", ".jxl", ".heic")
_NUMBERED = re.compile(r"sdkit_(\d+)(?:_grid)?\.(?:png|jpe?g|webp)")
_MAX_NAME = 255
"""Bytes in a file's name, on every common file system."""


@dataclass(frozen=True)
class Target:
    """Where the pictures of one command go.

    One picture goes to the very name that was given; several are numbered, `out_001.png`, `out_002.png` …; without a
    name they are the next free `sdkit_0001.png` …. A contact sheet goes beside them: `out_grid.png`.
    """

    folder: Path
    stem: str
    """"" for numbered default names."""
    suffix: str
    format: Format
    overwrite: bool

    @classmethod
    def of(cls, output: str | None, image_format: str | None, *, overwrite: bool) -> Self:
        """The target that `-o` and `--format` name; a missing ending is added to the name.

        Raises RequestError for an ending that contradicts `--format` or that sdkit does not write.
        """
        if image_format is not None and image_format not in _SUFFIXES:
            raise RequestError(f"--format is {', '.join(_SUFFIXES)}, not {image_format!r}")
        chosen = image_format
        path = Path(output or ".")
        if len(os.fsencode(path.name)) > _MAX_NAME:
            raise ImageError(f"the output's name is too long: {len(os.fsencode(path.name))} bytes")
        if output is None or output.endswith(("/", os.sep)) or path.is_dir():
            return cls(path, "", _SUFFIXES[chosen or "png"], chosen or "png", overwrite)
        ending = path.suffix.lower()
        named = SUFFIXES.get(ending)
        if ending in _UNWRITTEN:
            raise RequestError(f"sdkit writes png, jpeg and webp, so the output cannot be called {path.name!r}")
        if named is None:
            return cls(path.parent, path.name, _SUFFIXES[chosen or "png"], chosen or "png", overwrite)
        if chosen not in (None, named):
            raise RequestError(
                f"--format {chosen} does not fit the output's name {path.name!r}; leave one of the two out"
            )
        return cls(path.parent, path.stem, path.suffix, named, overwrite)

    def files(self, count: int) -> tuple[Path, ...]:
        """One path per picture."""
        if not self.stem:
            first = self._next_number()
            return tuple(self.folder / f"sdkit_{first + index:04d}{self.suffix}" for index in range(count))
        if count == 1:
            return (self.folder / f"{self.stem}{self.suffix}",)
        digits = max(3, len(str(count)))
        return tuple(self.folder / f"{self.stem}_{index + 1:0{digits}d}{self.suffix}" for index in range(count))

    def sheet(self, files: Sequence[Path]) -> Path:
        """The path of the contact sheet that goes with these files."""
        return self.folder / f"{self.stem or files[0].stem}_grid{self.suffix}"

    def check(self, paths: Sequence[Path]) -> None:
        """Raise ImageExistsError if a file is there and may not be overwritten, ImageError if it cannot be written."""
        taken = [path for path in paths if os.path.lexists(path)]
        if taken and not self.overwrite:
            more = f" (and {len(taken) - 1} more)" if len(taken) > 1 else ""
            raise ImageExistsError(
                f"{str(taken[0])!r} exists already{more}; choose another name with -o, or overwrite it with --overwrite"
            )
        for path in taken:
            if path.is_dir():
                raise ImageError(f"cannot write {str(path)!r}: it is a folder")
        longest = max((path.name for path in paths), key=lambda name: len(os.fsencode(name)))
        if len(os.fsencode(longest)) > _MAX_NAME:
            raise ImageError(
                f"the output's name is too long: {len(os.fsencode(longest))} bytes, {_MAX_NAME} are allowed"
            )
        present = next((folder for folder in (self.folder, *self.folder.parents) if folder.exists()), Path())
        if not present.is_dir():
            raise ImageError(f"cannot write into {str(self.folder)!r}: {str(present)!r} is a file")
        if not os.access(present, os.W_OK):
            raise ImageError(f"cannot write into {str(present)!r}: permission denied")

    def write(self, image: Image, path: Path, *, quality: int, metadata: bool) -> Path:
        """Write a picture and return where it went: to a free name, not nowhere, if its own was taken meanwhile."""
        while True:
            try:
                return image.save(
                    path, overwrite=self.overwrite, metadata=metadata, format=self.format, quality=quality
                )
            except ImageExistsError:
                path = _free_name(path)

    def _next_number(self) -> int:
        if not self.folder.is_dir():
            return 1
        names = (_NUMBERED.fullmatch(path.name) for path in self.folder.iterdir())
        return 1 + max((int(match[1]) for match in names if match), default=0)


def _free_name(path: Path) -> Path:
    """`out-2.png`, or the first such name that is free."""
    number = 2
    while os.path.lexists(free := path.with_name(f"{path.stem}-{number}{path.suffix}")):
        number += 1
    return free
