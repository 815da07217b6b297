"""What of a LoRA finds no place in a model, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from sdkit.errors import CheckpointError, LoraKeyError
from sdkit.models import open_checkpoint
from sdkit.models.lora import MatchedLora, WeightNames, match_lora, read_lora
from sdkit.models.lora.formats.kohya import kohya
from sdkit.models.lora.matching import check_match
from tests.models.lora._files import randn, save

TO_K = "mid_block_attentions_0_transformer_blocks_0_attn2_to_k"
WEIGHTS = {
    "unet.middle_block.0.in_layers.2.weight": (32, 32, 3, 3),
    "unet.middle_block.1.transformer_blocks.0.attn2.to_k.weight": (64, 768),
}


def pair(module: str, outputs: int, inputs: int) -> dict[str, Tensor]:
    return {f"{module}.lora_up.weight": randn(outputs, 4), f"{module}.lora_down.weight": randn(4, inputs)}


def matched(path: Path, tensors: dict[str, Tensor]) -> MatchedLora:
    file = open_checkpoint(save(path, tensors))
    return match_lora(read_lora(file, "", {"kohya": kohya}), WeightNames(WEIGHTS))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.safetensors"


def test_keys_that_match_nothing_are_an_error_or_a_warning(path: Path) -> None:
    match = matched(path, pair(f"lora_unet_{TO_K}", 64, 768) | pair("lora_te3_text_model_q_proj", 4, 4))
    unused = ("lora_te3_text_model_q_proj.lora_up.weight", "lora_te3_text_model_q_proj.lora_down.weight")
    assert set(match.report.unused) == set(unused)
    with pytest.raises(LoraKeyError, match=r"2 of 4 keys in '.*x.safetensors' match nothing in SD1 \(first: lora_te3_"):
        check_match(match, "sd1", strict=True)
    with pytest.raises(
        LoraKeyError, match=r"Was it trained for another family\?; LoraSpec\(…, strict=False\)"
    ) as caught:
        check_match(match, "sd1", strict=True)
    assert set(caught.value.unused) == set(unused)
    (warning,) = check_match(match, "sd1", strict=False)
    assert "2 of 4 keys" in warning


def test_a_file_that_matches_altogether_says_nothing(path: Path) -> None:
    match = matched(path, pair(f"lora_unet_{TO_K}", 64, 768))
    assert check_match(match, "sd1", strict=True) == ()
    assert list(match.targets) == ["unet.middle_block.1.transformer_blocks.0.attn2.to_k.weight"]


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        (pair(f"lora_unet_{TO_K}", 64, 2048), "It was made for SDXL: use a model of that kind, or a LoRA for SD1"),
        (pair(f"lora_unet_{TO_K}", 64, 1024), "It was made for SD2"),
        (pair("lora_te2_text_model_encoder_layers_0_mlp_fc1", 4, 4), "It was made for SDXL"),
        (pair("lora_unet_double_blocks_0_img_attn_qkv", 4, 4), "It was made for FLUX"),
        (pair("lora_unet_joint_blocks_0_x_block_attn_qkv", 4, 4), "It was made for SD3"),
    ],
)
def test_another_familys_lora_is_told(path: Path, tensors: dict[str, Tensor], said: str) -> None:
    with pytest.raises(LoraKeyError, match="none of the 2 keys") as caught:
        check_match(matched(path, tensors), "sd1", strict=False)
    assert said in str(caught.value)


def test_shapes_that_do_not_fit_are_shown(path: Path) -> None:
    with pytest.raises(LoraKeyError) as caught:
        check_match(matched(path, pair(f"lora_unet_{TO_K}", 64, 2048)), "sd1", strict=True)
    shown = f"lora_unet_{TO_K}.lora_down.weight [4, 2048] and lora_unet_{TO_K}.lora_up.weight [64, 4]"
    assert shown in str(caught.value)
    assert "do not fit unet.middle_block.1.transformer_blocks.0.attn2.to_k.weight, [64, 768]" in str(caught.value)


def test_a_missing_partner_is_named(path: Path) -> None:
    tensors = pair(f"lora_unet_{TO_K}", 64, 768) | pair("lora_unet_mid_block_resnets_0_conv1", 32, 288)
    del tensors["lora_unet_mid_block_resnets_0_conv1.lora_down.weight"]
    match = matched(path, tensors)
    assert match.report.missing == ("lora_unet_mid_block_resnets_0_conv1.lora_down.weight",)
    with pytest.raises(LoraKeyError, match=r"It lacks 1 that should be beside them \(first: lora_unet_mid_block_res"):
        check_match(match, "sd1", strict=True)


def test_a_file_that_is_no_lora(path: Path) -> None:
    with pytest.raises(LoraKeyError, match=r"none of the 1 keys .* No format that is registered knows any of them"):
        check_match(matched(path, {"model.weight": randn(2, 2)}), "sd1", strict=False)


@pytest.mark.parametrize("key", ["hada_w1_a", "lokr_w2", "oft_blocks", "oft_R.weight", "on_input", "b2.weight"])
def test_formats_of_the_plugin_are_told(path: Path, key: str) -> None:
    tensors = pair(f"lora_unet_{TO_K}", 64, 768) | {f"lora_unet_mid_block_resnets_0_conv1.{key}": randn(2, 2)}
    with pytest.raises(LoraKeyError, match=r"1 of 3 keys .* LyCORIS's: `pip install sdkit-lycoris` brings it"):
        check_match(matched(path, tensors), "sd1", strict=True)


def test_another_kind_of_file_is_told(path: Path) -> None:
    with pytest.raises(LoraKeyError, match=r"The file looks like a textual inversion"):
        check_match(matched(path, {"emb_params": randn(2, 768)}), "sd1", strict=False)


@pytest.mark.parametrize("shape", [(), (4,), (0, 768), (3, 768)])
def test_tensors_that_do_not_fit_together_match_nothing(path: Path, shape: tuple[int, ...]) -> None:
    tensors = pair(f"lora_unet_{TO_K}", 64, 768)
    tensors[f"lora_unet_{TO_K}.lora_down.weight"] = torch.zeros(shape)
    tensors[f"lora_unet_{TO_K}.alpha"] = torch.tensor(1.0)
    assert matched(path, tensors).targets == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(path: Path, value: float) -> None:
    tensors = pair(f"lora_unet_{TO_K}", 64, 768)
    tensors[f"lora_unet_{TO_K}.lora_up.weight"][3, 2] = value
    with pytest.raises(CheckpointError, match=rf"holds NaN or infinity in lora_unet_{TO_K}.lora_up.weight"):
        matched(path, tensors)
