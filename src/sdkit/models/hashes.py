"""Hashes that people call model files by, and a cache of them, so that no file is read twice.

=========  ==========================================================================================================
AutoV2     the first ten digits of the file's SHA-256; what model sites and A1111's `Model hash` show
AutoV1     A1111's older one: the first eight digits of the SHA-256 of 64 KiB from byte 0x100000 on
AutoV3     the first twelve digits of the SHA-256 of what follows a safetensors file's header: the weights alone, so it
           stays when metadata changes; the whole is what kohya's trainer writes as `sshs_model_hash`
=========  ==========================================================================================================
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import sqlite3
from collections.abc import Callable, Generator, Iterable
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

Progress = Callable[[Path, int, int], None]
"""Called while a file is hashed: its path, bytes done, bytes in all."""

_log = logging.getLogger(__name__)

_CHUNK = 4 << 20
_OLD_START, _OLD_LENGTH = 0x100000, 0x10000
_WEIGHTS_MOST = 1 << 29
_HASH = re.compile(r"sha256:(?P<said>[0-9a-f]{6,64})|(?P<bare>[0-9a-f]{8}|[0-9a-f]{10}|[0-9a-f]{12}|[0-9a-f]{64})")
_TABLE = """create table if not exists hashes_1 (
    path text primary key, size integer, mtime_ns integer, sha256 text, auto_v1 text, weights text
)"""


@dataclass(frozen=True)
class FileHashes:
    """The hashes of one file, hex. `weights`: SHA-256 of what follows a safetensors header, "" for other files
    and for those of more than 512 MiB."""

    sha256: str
    auto_v1: str
    weights: str

    @property
    def auto_v2(self) -> str:
        """The first ten digits of the SHA-256."""
        return self.sha256[:10]

    @property
    def auto_v3(self) -> str:
        """The first twelve digits of the hash of the weights."""
        return self.weights[:12]


def hash_in(name: str) -> str:
    """The digits if a name is a hash, `sha256:abcdef…` or bare with 8, 10, 12 or 64 of them; else ""."""
    found = _HASH.fullmatch(name.strip().lower())
    return (found["said"] or found["bare"]) if found else ""


def matches(hashes: FileHashes, digits: str) -> bool:
    """Whether the digits, in lower case, are one of a file's hashes or the beginning of its SHA-256."""
    return hashes.sha256.startswith(digits) or digits in (hashes.auto_v1, hashes.auto_v3)


def compute_hashes(path: Path, progress: Progress | None = None) -> FileHashes:
    """Read a file once and compute its hashes. Raises OSError."""
    old = compute_auto_v1(path)
    whole, weights = hashlib.sha256(), hashlib.sha256()
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        start = _weights_start(stream.read(8), size)
        stream.seek(0)
        whole.update(stream.read(start))
        done = start
        while chunk := stream.read(_CHUNK):
            whole.update(chunk)
            if start:
                weights.update(chunk)
            done += len(chunk)
            if progress is not None:
                progress(path, done, size)
    return FileHashes(whole.hexdigest(), old, weights.hexdigest() if start else "")


def compute_auto_v1(path: Path) -> str:
    """A1111's older hash, which reads 64 KiB; "" for a file that ends before them. Raises OSError."""
    with path.open("rb") as stream:
        stream.seek(_OLD_START)
        part = stream.read(_OLD_LENGTH)
    return hashlib.sha256(part).hexdigest()[:8] if part else ""


class HashCache:
    """Hashes of files by path, size and time of change, kept in a folder. Safe for threads and processes at once.

    Where the folder cannot be written to, or what is in it is damaged, hashes are computed every time.
    """

    def __init__(self, folder: Path) -> None:
        self._database = folder / "hashes.sqlite3"

    def known(self, paths: Iterable[Path]) -> dict[Path, FileHashes]:
        """The hashes of those of the files, as they are now, that are known without reading them."""
        if not self._database.is_file():
            return {}
        try:
            with self._opened() as database:
                rows: list[tuple[str, int, int, str, str, str]] = database.execute(
                    "select path, size, mtime_ns, sha256, auto_v1, weights from hashes_1"
                ).fetchall()
        except sqlite3.Error as error:
            _log.debug("the cache of hashes cannot be read: %s", error)
            return {}
        stored = {row[:3]: FileHashes(*row[3:]) for row in rows}
        found: dict[Path, FileHashes] = {}
        for path in paths:
            try:
                hashes = stored.get(_key(path))
            except OSError:  # it went away
                continue
            if hashes is not None:
                found[path] = hashes
        return found

    def hashes(self, path: Path, progress: Progress | None = None) -> FileHashes:
        """The hashes of a file, from the cache or from reading it all. Raises OSError if it cannot be read."""
        known = self.known([path]).get(path)
        if known is not None:
            return known
        key = _key(path)
        found = compute_hashes(path, progress)
        if _key(path) == key:  # else somebody writes to it, and the hash belongs to neither state
            self._keep(key, found)
        return found

    def _keep(self, key: tuple[str, int, int], found: FileHashes) -> None:
        try:
            self._database.parent.mkdir(parents=True, exist_ok=True)
            with self._opened() as database, database:  # the second commits
                database.execute(_TABLE)
                database.execute(
                    "insert or replace into hashes_1 values (?, ?, ?, ?, ?, ?)",
                    (*key, found.sha256, found.auto_v1, found.weights),
                )
        except (OSError, sqlite3.OperationalError) as error:  # no rights, no space, or locked for too long
            _log.debug("the cache of hashes cannot be written to: %s", error)
        except sqlite3.DatabaseError as error:
            _log.warning("the cache of hashes, %s, was damaged and is started anew: %s", self._database, error)
            with suppress(OSError):
                self._database.unlink()

    @contextmanager
    def _opened(self) -> Generator[sqlite3.Connection]:
        """A connection for one use: they may not be shared between threads, and opening takes microseconds."""
        with closing(sqlite3.connect(self._database, timeout=10)) as database:
            yield database


def _key(path: Path) -> tuple[str, int, int]:
    stat = path.stat()
    return os.path.abspath(path), stat.st_size, stat.st_mtime_ns  # noqa: PTH100 - ten times as fast as resolve


def _weights_start(start: bytes, size: int) -> int:
    """Where the weights begin in a safetensors file that starts with these eight bytes; 0 for other files, and for
    large ones, which nobody knows by this hash: it would double the time."""
    length = int.from_bytes(start, "little")
    return 8 + length if len(start) == 8 and 8 + length <= size <= _WEIGHTS_MOST else 0
