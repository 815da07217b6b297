"""Sessions of the node types of the packs in `samples`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sdkit import Workspace
from sdkit_comfy.packs import Packs

SAMPLES = Path(__file__).with_name("samples")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Workspace]:
    """`workspace("maths", "loops")`: with these packs, and folders of its own for models, inputs and outputs."""
    monkeypatch.setenv("SDKIT_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("SDKIT_PLUGINS", "none")
    (tmp_path / "input").mkdir()

    def made(*packs: str) -> Workspace:
        return Workspace(
            plugins=["sdkit_comfy.plugin", Packs([SAMPLES], packs)],
            inputs=tmp_path / "input",
            outputs=tmp_path / "out",
            device="cpu",
        )

    return made
