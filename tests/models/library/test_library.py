"""Model files by kind and name: folders, spellings, misses, and what must not be listed."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from sdkit.errors import ModelNotFoundError
from sdkit.models import Kind, Library
from sdkit.settings import Settings


def library(models: Path, *more: Path) -> Library:
    return Library.of(Settings(models=models, more_models=more, cache=models / ".cache"))


def put(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 7)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    names = ("checkpoints/dreams", "checkpoints/sdxl/portraits", "loras/Detail", "loras/style/ink", "vae/sharp")
    put(*(tmp_path / "models" / f"{name}.safetensors" for name in names))
    return tmp_path / "models"


def test_each_kind_is_listed_by_name_with_path_and_size(models: Path) -> None:
    found = library(models)
    listed = found.list("checkpoints")
    assert [file.name for file in listed] == ["dreams", "sdxl/portraits"]
    assert listed[1].path == models / "checkpoints" / "sdxl" / "portraits.safetensors"
    assert (listed[1].size, listed[1].kind) == (7, "checkpoints")
    assert [file.name for file in found.list("loras")] == ["Detail", "style/ink"]
    assert found.list("controlnet") == ()
    assert found.folders("loras") == (models / "loras",)
    assert found.folders("controlnet") == (models / "controlnet",), "where it would be"


@pytest.mark.parametrize(
    ("kind", "name", "file"),
    [
        ("checkpoints", "dreams", "checkpoints/dreams"),
        ("checkpoints", "dreams.safetensors", "checkpoints/dreams"),
        ("checkpoints", "DREAMS", "checkpoints/dreams"),
        ("checkpoints", "sdxl/portraits.safetensors", "checkpoints/sdxl/portraits"),
        ("checkpoints", "sdxl\\portraits.safetensors", "checkpoints/sdxl/portraits"),
        ("checkpoints", ".\\sdxl\\portraits", "checkpoints/sdxl/portraits"),
        ("checkpoints", "portraits", "checkpoints/sdxl/portraits"),
        ("loras", "detail", "loras/Detail"),
        ("loras", "INK.safetensors", "loras/style/ink"),
    ],
)
def test_a_name_is_found_as_people_write_it(models: Path, kind: Kind, name: str, file: str) -> None:
    assert library(models).find(kind, name) == models / f"{file}.safetensors"


def test_a_path_wins_over_a_name_and_a_folder_of_that_name_hides_nothing(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(models)
    (models / "dreams").mkdir()
    found = library(models)
    assert found.find("checkpoints", "dreams") == models / "checkpoints" / "dreams.safetensors"
    put(models / "portraits")
    assert found.find("checkpoints", "portraits") == Path("portraits")
    assert found.find("vae", str(models / "loras" / "Detail.safetensors")) == models / "loras" / "Detail.safetensors"


@pytest.mark.parametrize("odd", ["x" * 300, "~nobody_of_that_name/x", "a\0b", "", "/", ".", "../vae/sharp"])
def test_odd_names_are_not_found(models: Path, odd: str) -> None:
    assert library(models).get("checkpoints", odd) is None


def test_a_miss_says_where_was_looked_and_what_is_near(models: Path) -> None:
    found = library(models)
    with pytest.raises(ModelNotFoundError) as miss:
        found.find("loras", "detial.safetensors")
    assert str(miss.value) == (
        f"there is no LoRA 'detial.safetensors', and no model of that name in {models / 'loras'}. "
        "Did you mean 'Detail'?"
    )
    with pytest.raises(ModelNotFoundError, match=r"Did you mean 'sdxl/portraits'\?"):
        found.find("checkpoints", "portrait")
    with pytest.raises(ModelNotFoundError, match=r"`sdkit models --kind loras` lists"):
        found.find("loras", "zzzzzz")
    with pytest.raises(ModelNotFoundError, match="There is a VAE of that name, which is another kind of file"):
        found.find("loras", "sharp")


def test_a_last_part_that_several_files_have_is_not_guessed(models: Path) -> None:
    put(models / "loras" / "b" / "ink.pt")
    with pytest.raises(ModelNotFoundError, match=r"Several end so: 'b/ink', 'style/ink'\. Say which one"):
        library(models).find("loras", "ink")


def test_the_first_folder_and_safetensors_count_and_the_others_are_reported(models: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    put(models / "loras" / "Detail.ckpt", more / "loras" / "Detail.safetensors", more / "loras" / "only.pt")
    found = library(models, more)
    assert found.find("loras", "Detail") == models / "loras" / "Detail.safetensors"
    assert found.find("loras", "Detail.ckpt") == models / "loras" / "Detail.ckpt"
    assert [file.name for file in found.list("loras")] == ["Detail", "only", "style/ink"]
    assert dict(found.duplicates("loras")) == {
        "Detail": (
            models / "loras" / "Detail.safetensors",
            models / "loras" / "Detail.ckpt",
            more / "loras" / "Detail.safetensors",
        )
    }


def test_hidden_unfinished_and_other_files_are_left_out(models: Path) -> None:
    folder = models / "checkpoints"
    names = (".hidden.safetensors", "a.safetensors.part", "b.tmp", "c.part.safetensors", "notes.txt", "preview.png")
    put(*(folder / name for name in names), folder / ".trash" / "d.safetensors")
    put(folder / "e.safetensors", folder / "e.safetensors.aria2")  # still being downloaded
    found = library(models)
    assert [file.name for file in found.list("checkpoints")] == ["dreams", "sdxl/portraits"]
    assert found.get("checkpoints", "c.part") is None
    assert found.get("checkpoints", ".hidden") is None


def test_links_in_a_circle_end_and_a_linked_folder_is_read(models: Path, tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "far.safetensors")
    (models / "checkpoints" / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "elsewhere" / "back").symlink_to(models / "checkpoints", target_is_directory=True)
    (models / "checkpoints" / "gone.safetensors").symlink_to(tmp_path / "nowhere")
    names = [file.name for file in library(models).list("checkpoints")]
    assert names == ["dreams", "linked/far", "sdxl/portraits"]


def test_a_folder_in_diffusers_layout_is_one_model(models: Path) -> None:
    folder = models / "checkpoints" / "flock"
    put(folder / "model_index.json", folder / "unet" / "diffusion_pytorch_model.safetensors")
    put(models / "vae" / "soft" / "config.json", models / "vae" / "soft" / "diffusion_pytorch_model.fp16.safetensors")
    found = library(models)
    assert [(file.name, file.size) for file in found.list("checkpoints")][1] == ("flock", 14)
    assert found.find("checkpoints", "flock") == found.find("checkpoints", str(folder)) == folder
    assert [file.name for file in found.list("vae")] == ["sharp", "soft"]


def test_names_with_dots_keep_them(models: Path) -> None:
    put(models / "checkpoints" / "v1.5.safetensors", models / "checkpoints" / "v1.5.pruned.safetensors")
    found = library(models)
    assert [file.name for file in found.list("checkpoints")][-2:] == ["v1.5", "v1.5.pruned"]
    assert found.find("checkpoints", "v1.5").name == "v1.5.safetensors"


def test_ten_thousand_files_are_quick(tmp_path: Path) -> None:
    for hundred in range(0, 10_000, 100):
        folder = tmp_path / "loras" / f"folder{hundred}"
        folder.mkdir(parents=True)
        for number in range(hundred, hundred + 100):
            (folder / f"lora{number:05}.safetensors").touch()
    found = library(tmp_path)
    started = time.process_time()
    assert len(found.list("loras")) == 10_000
    assert found.find("loras", "lora09999").parent.name == "folder9900"
    took = time.process_time() - started
    assert took < 5, "a fraction of a second anywhere; a quadratic search would take minutes"


def test_names_that_cannot_be_shown_are_left_out(models: Path) -> None:
    folder = models / "checkpoints"
    try:
        put(folder / "new\nline.safetensors", Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.safetensors")))
    except (OSError, UnicodeError):
        pytest.skip("this file system has no such names")
    assert [file.name for file in library(models).list("checkpoints")] == ["dreams", "sdxl/portraits"]


def test_links_that_lead_nowhere_addresses_and_endless_names_are_said_to_be_so(models: Path) -> None:
    link, circle = models / "gone.safetensors", models / "circle.safetensors"
    link.symlink_to("nowhere")
    circle.symlink_to(circle)
    found = library(models)
    for path, target in ((link, "nowhere"), (circle, str(circle))):
        with pytest.raises(ModelNotFoundError, match=re.escape(f"{path} is a link to {target}, where no file is")):
            found.find("checkpoints", str(path))
    with pytest.raises(ModelNotFoundError, match=r"sdkit downloads nothing: fetch the file, and give its path"):
        found.find("checkpoints", "https://huggingface.co/somebody/model")
    with pytest.raises(ModelNotFoundError) as caught:
        found.find("checkpoints", "x" * 10_000)
    assert len(str(caught.value)) < 1000
