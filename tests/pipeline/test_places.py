"""Names out of graphs: pictures are found in the input folders only, and saved below the output folder only."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from sdkit.errors import ImageError
from sdkit.pipeline.places import Inputs, Outputs, safe_name

HOSTILE = [
    "../secret.png",
    "a/../../secret.png",
    "/etc/passwd",
    "\\\\server\\share\\secret.png",
    "C:\\secret.png",
    "C:secret.png",
    "..\\secret.png",
    "a\0.png",
    "",
    "folder/",
    "..",
]


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_lead_out_are_refused(name: str, tmp_path: Path) -> None:
    touch(tmp_path / "secret.png")
    inside = tmp_path / "in"
    touch(inside / "a" / "fine.png")
    assert safe_name(name) is None
    assert Inputs([inside]).get(name) is None
    with pytest.raises(ImageError, match="leads out of there"):
        Inputs([inside]).find(name)
    with pytest.raises(ImageError, match="leads out of there, or is no name"):
        Outputs(inside).path(name)
    with pytest.raises(ImageError):
        next(Outputs(inside).free(name, ".png"))


def test_pictures_are_found_in_the_first_folder_that_has_them(tmp_path: Path) -> None:
    first, second = touch(tmp_path / "one" / "cat.png"), touch(tmp_path / "two" / "cat.png")
    dog = touch(tmp_path / "two" / "pets" / "dog.JPG")
    single = touch(tmp_path / "else" / "moon.png")
    touch(tmp_path / "else" / "hidden.png")
    inputs = Inputs([tmp_path / "one", tmp_path / "two", single, tmp_path / "missing"])
    assert inputs.get("cat.png") == first
    assert Inputs([tmp_path / "two", tmp_path / "one"]).get("cat.png") == second
    assert inputs.get("pets\\dog.JPG") == dog
    assert inputs.get("moon.png") == single
    assert inputs.get("hidden.png") is None
    assert inputs.names() == ("cat.png", "moon.png", "pets/dog.JPG")
    assert inputs.get("x" * 5000) is None


def test_a_missing_picture_suggests_the_nearest(tmp_path: Path) -> None:
    touch(tmp_path / "example.png")
    touch(tmp_path / "notes.txt")
    with pytest.raises(ImageError, match=r"no file 'exmaple.png' in .*; did you mean 'example.png'\?"):
        Inputs([tmp_path]).find("exmaple.png")
    assert Inputs([tmp_path]).names() == ("example.png",)


def test_files_are_numbered_and_never_overwritten(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "out")
    touch(tmp_path / "out" / "day" / "a_00001.png")
    touch(tmp_path / "out" / "day" / "a_00003.png")
    names = [path.name for path in itertools.islice(outputs.free("day/a", ".png"), 3)]
    assert names == ["a_00002.png", "a_00004.png", "a_00005.png"]
    assert next(outputs.free("new", ".webp", "{name}-{number}")) == tmp_path / "out" / "new-1.webp"
    assert next(outputs.free("{number}", ".png")).name == "{number}_00001.png", "a prefix is no pattern"
