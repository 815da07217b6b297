from pathlib import Path

import pytest

from sdkit.builtin import checkpoints
from sdkit.errors import CheckpointError
from sdkit.models import SafetensorsFile
from sdkit.testing.models import shared_checkpoint


def test_safetensors_files_are_opened_by_path() -> None:
    file = checkpoints.load_checkpoint(str(shared_checkpoint()))
    assert isinstance(file, SafetensorsFile)
    assert file.path == shared_checkpoint()


def test_what_is_no_path_is_left_to_others_and_bad_files_are_errors(tmp_path: Path) -> None:
    assert checkpoints.load_checkpoint("gguf:model") is None
    (tmp_path / "x.ckpt").write_bytes(b"PK\x03\x04")
    with pytest.raises(CheckpointError, match="zip archive"):
        checkpoints.load_checkpoint(str(tmp_path / "x.ckpt"))
