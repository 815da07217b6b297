from pathlib import Path

import pytest

from sdkit.builtin import checkpoints
from sdkit.errors import CheckpointError
from sdkit.models import SafetensorsFile
from sdkit.testing.models import random_checkpoint, shared_checkpoint


def test_safetensors_files_are_opened_by_path() -> None:
    file = checkpoints.load_checkpoint(str(shared_checkpoint()))
    assert isinstance(file, SafetensorsFile)
    assert file.path == shared_checkpoint()


def test_what_is_no_path_is_left_to_others_and_bad_files_are_errors(tmp_path: Path) -> None:
    for source in ("gguf:model", "", " ", "x" * 5000, "a\0b"):
        assert checkpoints.load_checkpoint(source) is None
    (tmp_path / "x.ckpt").write_bytes(b"PK\x03\x04")
    with pytest.raises(CheckpointError, match="zip archive"):
        checkpoints.load_checkpoint(str(tmp_path / "x.ckpt"))


def test_folders_of_diffusers_are_opened_by_path(tmp_path: Path) -> None:
    folder = random_checkpoint(tmp_path / "model", layout="diffusers")
    file = checkpoints.load_checkpoint(str(folder))
    assert file is not None
    assert file.path == folder
    assert "model.diffusion_model.out.2.weight" in file.infos
    with pytest.raises(CheckpointError, match=r"is a folder without model_index\.json"):
        checkpoints.load_checkpoint(str(tmp_path))
