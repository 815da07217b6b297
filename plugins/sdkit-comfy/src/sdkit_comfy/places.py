"""Where ComfyUI's nodes find files and leave their own, by ComfyUI's rules for names."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from sdkit import Workspace
from sdkit.errors import ImageError, ImageExistsError
from sdkit.graph import Graph, Ref

_FOLDERS = ("input", "output", "temp")
_FORBIDDEN = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')
_DATE_PARTS = re.compile(r"d{1,2}|M{1,2}|h{1,2}|m{1,2}|s{1,2}|yy(?:yy)?")


def find_file(workspace: Workspace, name: str, default: str = "input") -> Path:
    """The file that a workflow names: `"photo.png"`, `"folder/photo.png [output]"`.

    Raises ImageError, which says where was looked, if there is none, and for names that lead out of the folders.
    """
    plain, folder = name, default
    for each in _FOLDERS:
        if name.endswith(f"[{each}]"):
            plain, folder = name.removesuffix(f"[{each}]").rstrip(), each
    if folder == "input":
        return workspace.inputs.find(plain)
    if folder == "temp":
        raise ImageError(f"{name!r} was a preview of ComfyUI's, which it deletes; put the picture among the inputs")
    path = workspace.outputs.path(plain)
    if not path.is_file():
        raise ImageError(f"there is no file {plain!r} in {workspace.outputs.folder}, where graphs save")
    return path


def save_files(
    workspace: Workspace,
    prefix: str,
    suffix: str,
    files: Iterable[bytes],
    graph: Graph,
    size: tuple[int, int] = (0, 0),
) -> list[Path]:
    """Write files as `prefix_00001_.png`, …, counted from one more than the highest there is; none is overwritten.

    `%width%`, `%height%` (of `size`), `%year%` … `%second%`, `%date:yyyy-MM-dd%` and `%Node title.input%` in the prefix
    become what they mean, `%batch_num%` the place among the files. Raises ImageError for what leads out of the folder.
    """
    beginning = workspace.outputs.path(fill_in(prefix, graph, size, time.localtime()))
    number = 1 + _highest(beginning)
    written: list[Path] = []
    for place, data in enumerate(files):
        name = beginning.name.replace("%batch_num%", str(place))
        while len(written) == place:
            path = beginning.with_name(f"{name}_{number:05}_{suffix}")
            with suppress(ImageExistsError):  # somebody else's, made in the meantime
                written.append(write_new(path, data))
            number += 1
    return written


def write_new(path: Path, data: bytes) -> Path:
    """Write a file that is not there yet, and the folders it is in. Raises ImageExistsError, ImageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("xb")
    except FileExistsError:
        raise ImageExistsError(f"{str(path)!r} exists already") from None
    except OSError as error:
        raise ImageError(f"cannot write {str(path)!r}: {error.strerror or error}") from error
    try:
        with file:
            file.write(data)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise
    return path


def fill_in(prefix: str, graph: Graph, size: tuple[int, int], now: time.struct_time) -> str:
    """The prefix of a file's name with what stands between percent signs replaced; what means nothing stays."""
    known = {
        "width": str(size[0]),
        "height": str(size[1]),
        "year": str(now.tm_year),
        "month": f"{now.tm_mon:02}",
        "day": f"{now.tm_mday:02}",
        "hour": f"{now.tm_hour:02}",
        "minute": f"{now.tm_min:02}",
        "second": f"{now.tm_sec:02}",
    }

    def meaning(match: re.Match[str]) -> str:
        said = match[1]
        if said in known:
            return known[said]
        if said.startswith("date:"):
            return _FORBIDDEN.sub("_", _date(said.removeprefix("date:"), now))
        title, _, name = said.rpartition(".")
        value = _value(graph, title, name) if title else None
        return match[0] if value is None else _FORBIDDEN.sub("_", str(value))

    return re.sub(r"%([^%]+)%", meaning, prefix)


def _date(form: str, now: time.struct_time) -> str:
    parts = {"d": now.tm_mday, "M": now.tm_mon, "h": now.tm_hour, "m": now.tm_min, "s": now.tm_sec}

    def part(match: re.Match[str]) -> str:
        letters = match[0]
        if letters.startswith("y"):
            return str(now.tm_year)[-len(letters) :]
        return f"{parts[letters[0]]:0{len(letters)}}"

    return _DATE_PARTS.sub(part, form)


def _value(graph: Graph, title: str, name: str) -> object:
    """What is written into an input of the first node of this title or type."""
    for node in graph.nodes.values():
        if title in (node.title, node.type) and name in node.inputs and not isinstance(node.inputs[name], Ref):
            return node.inputs[name]
    return None


def _highest(beginning: Path) -> int:
    """The highest number of a file `name_00001_…` beside this path; 0 where there is none."""
    numbered = re.compile(re.escape(beginning.name) + r"_(\d{1,9})_")
    highest = 0
    if beginning.parent.is_dir():
        for path in beginning.parent.iterdir():
            if (match := numbered.match(path.name)) is not None:
                highest = max(highest, int(match[1]))
    return highest
