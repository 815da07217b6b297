"""Every example is short, runs as it is, and makes the picture that is shown beside it."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests._sources import ROOT, parse

EXAMPLES = sorted(ROOT.glob("examples/[0-9][0-9]_*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(path)])
    monkeypatch.setenv("SDKIT_PLUGINS", "none")  # the pictures beside the examples were made without
    runpy.run_path(str(path), run_name="__main__")
    made = tmp_path / f"{path.stem}.png"
    assert made.is_file(), f"{path.name} is to make {made.name}; it made {[p.name for p in tmp_path.iterdir()]}"
    with Image.open(made) as picture, Image.open(path.with_suffix(".png")) as shown:
        assert picture.size == shown.size
        assert len(picture.convert("RGB").getcolors(maxcolors=2**24) or ()) > 1, "it is all of one colour"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_short_and_says_what_it_shows(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 40
    assert isinstance(parse(path).body[0].value.value, str), "the first thing in an example is its docstring"  # pyright: ignore[reportAttributeAccessIssue]


def test_examples_are_counted_without_gaps() -> None:
    assert [int(path.name[:2]) for path in EXAMPLES] == list(range(1, len(EXAMPLES) + 1))
