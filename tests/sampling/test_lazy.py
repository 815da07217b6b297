"""What sdkit.sampling shows, and that looking at it costs no torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sdkit import sampling


def test_every_name_leads_to_what_it_says() -> None:
    for name in sampling.__all__:
        assert getattr(sampling, name).__name__ == name or name == "Alpha", "a name that is a module's too"


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'caras'; it has Al"):
        _ = sampling.caras


def test_listing_imports_no_torch() -> None:
    code = (
        "import sys\n"
        "from sdkit.plugins import load_manager\n"
        "from sdkit.settings import Settings\n"
        "manager = load_manager(settings=Settings(plugins=('none',)))\n"
        "assert len(manager.samplers) > 40 and len(manager.schedules) > 12 and len(manager.noise_sources) == 4\n"
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
