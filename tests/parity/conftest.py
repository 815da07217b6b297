"""Comparisons with figures of other implementations that need full-size weights: `make parity`.

`SDKIT_PARITY_WEIGHTS` names a folder in which the generated weights lie as in a models folder (`checkpoints`,
`embeddings`, `loras`), and `SDKIT_PARITY_FIGURES` one with the recorded figures (`cases`, `inputs`,
`prompts_sd15.safetensors`, `prompts_sdxl.safetensors`). What is not there is skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdkit import Pipeline


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.parity)


def folder(variable: str) -> Path:
    """The folder that a variable names; the test is skipped where it does not."""
    named = os.environ.get(variable, "")
    if not named or not Path(named).is_dir():
        pytest.skip(f"{variable} names no folder")
    return Path(named)


@pytest.fixture(scope="session")
def weights() -> Path:
    return folder("SDKIT_PARITY_WEIGHTS")


@pytest.fixture(scope="session")
def figures() -> Path:
    return folder("SDKIT_PARITY_FIGURES")


@pytest.fixture(scope="session")
def pipe(request: pytest.FixtureRequest, weights: Path) -> Iterator[Pipeline]:
    """A pipeline with the full-size model that a test's parameter names, in float32 on the CPU.

    pytest has one of them at a time, and runs all tests of a model before those of the next: SDXL alone needs 14 GB.
    """
    name = str(request.param)
    if not (weights / "checkpoints" / f"{name}.safetensors").exists():
        pytest.skip(f"there is no {name} in {weights}")
    with pytest.MonkeyPatch.context() as patch:  # as long as it is used: LoRAs are looked for when they are asked for
        patch.setenv("SDKIT_MODELS", str(weights))
        loaded = Pipeline.load(name, device="cpu", dtype="float32")
        yield loaded
        loaded.unload()
