"""`sdkit merge`: checkpoints from checkpoints, by names, with LoRAs, as files and folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sdkit.testing.models import random_checkpoint

from .conftest import Run

WEIGHT = "model.diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_k.weight"
MODULE = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"


@pytest.fixture
def checkpoints(tmp_path: Path, here: Path) -> Path:
    folder = tmp_path / "models" / "checkpoints"
    for seed, name in enumerate(("one", "two", "three")):
        random_checkpoint(folder / f"{name}.safetensors", seed=seed, image_tower=False)
    return folder


def test_two_models_by_name(real_sdkit: Run, checkpoints: Path, here: Path) -> None:
    done = real_sdkit("merge", "one", "two", "-o", "new.safetensors", "-m", "0.25", "--json")
    assert (done.code, done.err) == (0, "")
    path = here / "new.safetensors"
    assert json.loads(done.out) == {"path": "new.safetensors", "size": path.stat().st_size, "family": "sd1"}
    one, two, new = (load_file(file)[WEIGHT].float() for file in (*_files(checkpoints, "one", "two"), path))
    assert torch.equal(new, (one * 0.75 + two * 0.25).half().float())
    done = real_sdkit("merge", "one", "two", "-o", "new.safetensors")
    assert done.code == 3
    assert "exists already; choose another name, or overwrite it with --overwrite" in done.err
    assert real_sdkit("merge", "one", "-o", "new.safetensors", "--overwrite").out == "new.safetensors\n"
    assert torch.equal(load_file(path)[WEIGHT].float(), one)


def test_three_models_add_a_difference_block_by_block(real_sdkit: Run, checkpoints: Path, here: Path) -> None:
    done = real_sdkit(
        *("merge", "one", "two", "three", "-o", "new.safetensors"),
        *("--blocks", "MID=1", "-m", "0", "--dtype", "float32"),
    )
    assert (done.code, done.err) == (0, "")
    one, two, three = (load_file(file) for file in _files(checkpoints, "one", "two", "three"))
    new = load_file(here / "new.safetensors")
    expected = one[WEIGHT].float() + (two[WEIGHT].float() - three[WEIGHT].float())
    assert torch.equal(new[WEIGHT], expected)
    other = "model.diffusion_model.out.2.weight"
    assert torch.equal(new[other], one[other].float())


def test_a_lora_is_baked_in(real_sdkit: Run, checkpoints: Path, tmp_path: Path, here: Path) -> None:
    loras = tmp_path / "models" / "loras"
    loras.mkdir()
    (one,) = (load_file(file)[WEIGHT] for file in _files(checkpoints, "one"))
    down, up = torch.randn(2, one.shape[1]), torch.randn(one.shape[0], 2)
    tensors = {f"{MODULE}.lora_down.weight": down, f"{MODULE}.lora_up.weight": up, f"{MODULE}.alpha": torch.tensor(1.0)}
    save_file(tensors, loras / "ink.safetensors")
    done = real_sdkit("merge", "one", "--lora", "ink:0.5", "-o", "inked", "--layout", "diffusers", "--dtype", "float32")
    assert (done.code, done.err) == (0, "")
    unet = load_file(here / "inked" / "unet" / "diffusion_pytorch_model.safetensors")
    name = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"
    torch.testing.assert_close(unet[name], one.float() + 0.5 * 0.5 * up @ down, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "code", "fault"),
    [
        (("one", "two", "three", "one"), 2, "one, two or three models, not 4"),
        (("one", "twoo"), 3, "Did you mean 'two'?"),
        (("one", "two", "--method", "average"), 2, "weighted_sum or add_difference, not 'average'"),
        (("one", "two", "--blocks", "1,2"), 2, "2 are given"),
        (("one", "--lora", "inc"), 3, "there is no LoRA 'inc'"),
        (("one", "--dtype", "int8"), 2, "not 'int8'"),
        (("one", "--layout", "zip"), 2, "single or diffusers, not 'zip'"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(
    real_sdkit: Run, checkpoints: Path, here: Path, arguments: tuple[str, ...], code: int, fault: str
) -> None:
    done = real_sdkit("merge", *arguments, "-o", "new.safetensors")
    assert done.code == code, done.err
    assert fault in done.err
    assert list(here.iterdir()) == []


def _files(folder: Path, *names: str) -> list[Path]:
    return [folder / f"{name}.safetensors" for name in names]
