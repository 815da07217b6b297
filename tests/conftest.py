"""What every test runs under: no network, no settings of the person who runs them."""

from __future__ import annotations

import atexit
import os
import tempfile

import pytest

from tests._offline import cut_network

LONGEST = ("test_docs_code.py", "test_examples.py", "test_tiny_quality.py")
"""The files that take minutes. They go first, so that no worker is left alone with one of them at the end."""


def pytest_configure() -> None:
    """Before anything is collected, so that imports are under it, too; child processes inherit the environment."""
    ours = [name for name in os.environ if name.startswith("SDKIT_") and not name.startswith("SDKIT_PARITY_")]
    for name in ours:
        del os.environ[name]
    os.environ["SDKIT_CONFIG"] = os.devnull  # an empty settings file
    cache = tempfile.TemporaryDirectory(prefix="sdkit-cache-")
    atexit.register(cache.cleanup)
    os.environ["SDKIT_CACHE"] = cache.name
    os.environ["HF_HUB_OFFLINE"] = "1"
    cut_network()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; within a file, and among the others, the order stays."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))
