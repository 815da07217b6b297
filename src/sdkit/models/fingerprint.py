"""The hash that a loaded model is known by, read from the cache of hashes where the file is known already."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING

from sdkit.models.views import CheckpointView

if TYPE_CHECKING:
    from sdkit.models.checkpoint import CheckpointFile
    from sdkit.models.hashes import HashCache


class Fingerprint:
    """SHA-256 of a model's file, computed at the first call; of several files, that of their hashes. Thread-safe."""

    def __init__(self, file: CheckpointFile) -> None:
        self._file = file
        self._hashes: HashCache | None = None
        self._digest = ""
        self._lock = threading.Lock()

    def use(self, hashes: HashCache) -> None:
        """Look hashes up here first, and keep here what is computed."""
        self._hashes = hashes

    def __call__(self) -> str:
        """The hash, 64 hex digits. Raises OSError if a file went away."""
        with self._lock:
            self._digest = self._digest or self._of(self._file)
            return self._digest

    def _of(self, file: CheckpointFile) -> str:
        if isinstance(file, CheckpointView):
            digests = [self._of(each) for each in file.files]
            return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
        if self._hashes is None or not file.path.is_file():
            return file.sha256()
        return self._hashes.hashes(file.path).sha256
