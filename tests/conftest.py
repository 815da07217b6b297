"""What every test runs under: no network, no settings of the person who runs them."""

from __future__ import annotations

import os

from tests._offline import cut_network


def pytest_configure() -> None:
    """Before anything is collected, so that imports are under it, too; child processes inherit the environment."""
    for name in [name for name in os.environ if name.startswith("SDKIT_")]:
        del os.environ[name]
    os.environ["SDKIT_CONFIG"] = os.devnull  # an empty settings file
    os.environ["HF_HUB_OFFLINE"] = "1"
    cut_network()
