"""Folders: sdkit's, ComfyUI's and A1111's trees, flat ones, and ComfyUI's extra_model_paths.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdkit.errors import SettingsError
from sdkit.models import KINDS, Library
from sdkit.settings import Settings


def library(models: Path, *more: Path, extra: tuple[Path, ...] = ()) -> Library:
    return Library.of(Settings(models=models, more_models=more, extra_model_paths=extra, cache=models / ".cache"))


def put(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def names(found: Library) -> dict[str, list[str]]:
    return {kind: listed for kind in KINDS if (listed := [file.name for file in found.list(kind)])}


def test_the_folder_of_a1111_or_the_models_in_it(tmp_path: Path) -> None:
    web_ui = put(
        tmp_path / "stable-diffusion-webui",
        *("models/Stable-diffusion/dreams", "models/Lora/ink", "models/LyCORIS/oil", "models/VAE/sharp"),
        *("models/ESRGAN/x4", "models/hypernetworks/old", "models/Codeformer/face"),
        *("embeddings/bad-hands", "extensions/sd-webui-controlnet/models/canny"),
    )
    expected = {
        "checkpoints": ["dreams"],
        "loras": ["ink", "oil"],
        "vae": ["sharp"],
        "embeddings": ["bad-hands"],
        "controlnet": ["canny"],
        "upscale_models": ["x4"],
    }
    assert names(library(web_ui)) == expected
    assert names(library(web_ui / "models")) == expected
    assert names(library(tmp_path / "nothing", web_ui)) == expected


def test_the_folder_of_comfyui_or_the_models_in_it(tmp_path: Path) -> None:
    comfy = put(
        tmp_path / "ComfyUI",
        *("models/checkpoints/dreams", "models/loras/ink", "models/embeddings/bad", "models/clip/l", "models/unet/u"),
        *("models/text_encoders/g", "models/diffusion_models/d", "models/clip_vision/eyes", "models/configs/x"),
    )
    expected = {
        "checkpoints": ["dreams"],
        "loras": ["ink"],
        "embeddings": ["bad"],
        "text_encoders": ["g", "l"],
        "diffusion_models": ["d", "u"],
    }
    assert names(library(comfy)) == expected
    assert names(library(comfy / "models")) == expected


def test_a_flat_folder_holds_checkpoints_and_files_beside_known_folders_are_some_too(tmp_path: Path) -> None:
    flat = put(tmp_path / "flat", "a", "sdxl/b")
    assert names(library(flat)) == {"checkpoints": ["a", "sdxl/b"]}
    put(flat, "loras/ink", "clip_vision/eyes")
    assert names(library(flat)) == {"checkpoints": ["a"], "loras": ["ink"]}


def test_several_roots_are_looked_into_in_their_order_each_once(tmp_path: Path) -> None:
    first, second = put(tmp_path / "1", "loras/same"), put(tmp_path / "2", "loras/same", "loras/other")
    (tmp_path / "link").symlink_to(first, target_is_directory=True)
    found = library(first, second, tmp_path / "link", tmp_path / "missing")
    assert found.find("loras", "same") == first / "loras" / "same.safetensors"
    assert found.folders("loras") == (first / "loras", second / "loras", tmp_path / "missing" / "loras")
    assert set(found.duplicates("loras")) == {"same"}


YAML = """
# the example that comes with the program, with folders of this test
a111:
    base_path: {base}
    checkpoints: models/Stable-diffusion
    configs: models/Stable-diffusion
    vae: models/VAE
    loras: |
         models/Lora
         models/LyCORIS
    embeddings: embeddings
nothing:
other:
    clip: far/clip/
    custom_nodes: far/nodes
"""


def test_extra_model_paths_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = put(
        tmp_path / "webui", "models/Stable-diffusion/dreams", "models/Lora/ink", "models/LyCORIS/oil", "embeddings/bad"
    )
    put(tmp_path / "conf", "far/clip/l")
    monkeypatch.setenv("WHERE", str(tmp_path))
    path = tmp_path / "conf" / "extra_model_paths.yaml"
    for written in (str(base), "$WHERE/webui", "../webui/"):
        path.write_text(YAML.format(base=written), "utf-8")
        found = library(tmp_path / "models", extra=(path,))
        assert names(found) == {
            "checkpoints": ["dreams"],
            "loras": ["ink", "oil"],
            "embeddings": ["bad"],
            "text_encoders": ["l"],
        }


def test_default_folders_come_before_all_others(tmp_path: Path) -> None:
    own, extra = put(tmp_path / "own", "loras/same"), put(tmp_path / "extra", "loras/same")
    path = tmp_path / "paths.yaml"
    path.write_text(f"more:\n    base_path: {extra}\n    loras: loras\n", "utf-8")
    assert library(own, extra=(path,)).find("loras", "same").is_relative_to(own)
    path.write_text(f"more:\n    base_path: {extra}\n    is_default: true\n    loras: loras\n", "utf-8")
    assert library(own, extra=(path,)).find("loras", "same").is_relative_to(extra)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [", "cannot read .*paths.yaml: while parsing"),
        ("- a", "the file must hold names with folders"),
        ("a: models", "a must hold names with folders, not 'models'"),
        ("a: {loras: [x, y]}", r"a\.loras must be a folder, or several, one per line, not"),
        ("a: {base_path: 3}", r"a\.base_path must be a folder"),
    ],
)
def test_a_file_of_another_form_is_a_settings_error(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "paths.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError, match=f"setting 'extra_model_paths': .*{fault}"):
        library(tmp_path, extra=(path,))


def test_a_missing_file_is_a_settings_error_and_an_empty_one_is_none(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read .*gone\.yaml: No such file"):
        library(tmp_path, extra=(tmp_path / "gone.yaml",))
    (tmp_path / "empty.yaml").touch()
    assert names(library(tmp_path, extra=(tmp_path / "empty.yaml",))) == {}
