"""The command line as people start it: in a process of its own, with a real model file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sdkit.images import read_image
from sdkit.testing.models import random_checkpoint


def sdkit(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sdkit", *arguments],
        cwd=folder,
        env=os.environ | {"SDKIT_PLUGINS": "none"} | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_picture_and_its_repetition_are_the_same_to_the_bit(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    random_checkpoint(folder / "checkpoints" / "mine.safetensors")
    models = {"SDKIT_MODELS": str(folder)}
    made = sdkit("generate", "a red circle", "-m", "mine", "-o", "out.png", "--steps", "2", folder=tmp_path, **models)
    assert (made.returncode, made.stdout) == (0, "out.png\n"), made.stderr
    assert "1 picture in" in made.stderr
    again = sdkit("generate", "--like", "out.png", "-o", "again.png", folder=tmp_path, **models)
    assert (again.returncode, again.stdout) == (0, "again.png\n"), again.stderr
    assert "differs" not in again.stderr
    assert read_image(tmp_path / "again.png").to_uint8().equal(read_image(tmp_path / "out.png").to_uint8())


@pytest.mark.parametrize("command", ["--version", "models", "inspect"])
def test_looking_needs_no_torch(tmp_path: Path, command: str) -> None:
    arguments = [command]
    if command == "inspect":
        arguments.append(str(random_checkpoint(tmp_path / "mine.safetensors")))
    code = (
        "import sys\nfrom sdkit.cli import main\n"
        f"assert main({arguments!r}) == 0\n"
        "assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules), 'imported'"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
