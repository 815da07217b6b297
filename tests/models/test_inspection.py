import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sdkit.errors import CheckpointError
from sdkit.models import inspect_file, sd1
from sdkit.testing.models import random_checkpoint


def test_a_checkpoint_shows_its_family_parts_and_hashes(tmp_path: Path) -> None:
    path = random_checkpoint(tmp_path / "m.safetensors", metadata={"title": "noise"})
    report = inspect_file(path, [sd1])
    assert (report.family, report.prediction, report.declined) == ("sd1", "eps", {})
    assert list(report.parts) == ["unet", "vae", "text_encoder", "image_tower"]
    assert sum(report.parts.values()) == report.parameters == report.dtypes["F16"]
    assert report.parts["text_encoder"] > 49408 * 32
    assert report.metadata == {"title": "noise"}
    assert report.size == path.stat().st_size
    assert report.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert report.auto_v2 == report.sha256[:10]
    assert any("factor 8" in line for line in report.why)


def test_what_nobody_recognises_is_described_and_no_error(tmp_path: Path) -> None:
    save_file({"lora_te_x.lora_up.weight": torch.zeros(2, 3)}, tmp_path / "lora.safetensors")
    report = inspect_file(tmp_path / "lora.safetensors", [sd1])
    assert (report.family, report.prediction, report.why) == (None, None, ())
    assert report.looks_like.startswith("a LoRA")
    assert report.declined == {"sd1": "no key begins with 'model.diffusion_model.'"}
    assert report.parts == {"other": 6}


def test_keys_of_no_part_are_counted_as_other(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    path = random_checkpoint(tmp_path / "m.safetensors", image_tower=False)
    save_file({**load_file(path), "model_ema.decay": torch.zeros(5)}, tmp_path / "n.safetensors")
    report = inspect_file(tmp_path / "n.safetensors", [sd1])
    assert report.parts["other"] == 5
    assert report.dtypes["F32"] == 5


def test_a_bad_file_is_the_error_that_opening_it_is(tmp_path: Path) -> None:
    (tmp_path / "empty.safetensors").touch()
    with pytest.raises(CheckpointError, match="is empty"):
        inspect_file(tmp_path / "empty.safetensors", [sd1])
