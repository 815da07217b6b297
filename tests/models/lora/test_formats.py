"""Each format in its real key layout: every key is used, and each weight changes by the format's own formula."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sdkit.errors import CheckpointError
from sdkit.models import open_checkpoint
from sdkit.models.lora import LoraFormat, MatchedLora, WeightNames, match_lora, read_lora
from sdkit.models.lora.formats.diffusers_old import diffusers_old
from sdkit.models.lora.formats.full import full
from sdkit.models.lora.formats.kohya import kohya
from sdkit.models.lora.formats.peft import peft
from sdkit.pipeline import Pipeline
from sdkit.testing import random_checkpoint
from tests.models.lora._files import randn, save

FORMATS: dict[str, LoraFormat] = {"kohya": kohya, "peft": peft, "diffusers_old": diffusers_old, "full": full}


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[str, tuple[int, ...]]]:
    """The weights of the stand-ins, by family."""
    folder = tmp_path_factory.mktemp("checkpoints")
    kinds = ("sd1", "sd2", "sdxl")
    return {
        kind: Pipeline.load(random_checkpoint(folder / f"{kind}.safetensors", kind=kind)).model.weights
        for kind in kinds
    }


def matched(path: Path, weights: Mapping[str, tuple[int, ...]]) -> MatchedLora:
    """A file of which nothing is left over."""
    file = open_checkpoint(path)
    match = match_lora(read_lora(file, "", FORMATS), WeightNames(weights))
    assert (match.report.unused, match.report.missing) == ((), ())
    assert set(match.report.matched) == set(file.infos)
    return match


def delta(match: MatchedLora, name: str, weights: Mapping[str, tuple[int, ...]], strength: float = 1.0) -> Tensor:
    """What is added to a weight."""
    weight = randn(*weights[name], seed=99)
    changed = weight.clone()
    for change in match.targets[name]:
        changed = change.apply(changed, strength)
    return changed - weight


def same(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def pair(rank: int, outputs: int, inputs: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """up and down as a file of half precision has them."""
    return randn(outputs, rank, seed=seed).half().float(), (randn(rank, inputs, seed=seed + 1) * 0.3).half().float()


ATTENTION_1 = "transformer_blocks_0_attn2_to_k"

CASES: dict[str, tuple[str, str, str]] = {
    "kohya, diffusers names": (
        "sd1",
        f"lora_unet_mid_block_attentions_0_{ATTENTION_1}",
        "unet.middle_block.1.transformer_blocks.0.attn2.to_k.weight",
    ),
    "kohya, original names": (
        "sd1",
        f"lora_unet_middle_block_1_{ATTENTION_1}",
        "unet.middle_block.1.transformer_blocks.0.attn2.to_k.weight",
    ),
    "kohya, first level up": (
        "sd1",
        "lora_unet_up_blocks_0_attentions_1_transformer_blocks_0_ff_net_0_proj",
        "unet.output_blocks.1.1.transformer_blocks.0.ff.net.0.proj.weight",
    ),
    "kohya, SDXL's second block": (
        "sdxl",
        "lora_unet_input_blocks_3_1_transformer_blocks_1_attn1_to_out_0",
        "unet.input_blocks.3.1.transformer_blocks.1.attn1.to_out.0.weight",
    ),
    "kohya, text": (
        "sd1",
        "lora_te_text_model_encoder_layers_1_self_attn_q_proj",
        "text_encoder.text_model.encoder.layers.1.self_attn.q_proj.weight",
    ),
    "kohya, SD2's OpenCLIP": (
        "sd2",
        "lora_te_text_model_encoder_layers_1_self_attn_v_proj",
        "text_encoder.text_model.encoder.layers.1.self_attn.v_proj.weight",
    ),
    "kohya, SDXL's first": (
        "sdxl",
        "lora_te1_text_model_encoder_layers_0_mlp_fc1",
        "text_encoder.text_model.encoder.layers.0.mlp.fc1.weight",
    ),
    "kohya, SDXL's second": (
        "sdxl",
        "lora_te2_text_model_encoder_layers_0_self_attn_k_proj",
        "text_encoder_2.text_model.encoder.layers.0.self_attn.k_proj.weight",
    ),
    "OneTrainer, U-Net": (
        "sdxl",
        "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q",
        "unet.middle_block.1.transformer_blocks.0.attn1.to_q.weight",
    ),
    "OneTrainer, text": (
        "sdxl",
        "text_encoder_2.text_model.encoder.layers.1.mlp.fc2",
        "text_encoder_2.text_model.encoder.layers.1.mlp.fc2.weight",
    ),
    "OneTrainer of late, first text": (
        "sdxl",
        "clip_l.text_model.encoder.layers.0.self_attn.out_proj",
        "text_encoder.text_model.encoder.layers.0.self_attn.out_proj.weight",
    ),
    "OneTrainer of late, second text": (
        "sdxl",
        "clip_g.text_projection",
        "text_encoder_2.text_projection.weight",
    ),
    "OneTrainer of late, U-Net": (
        "sdxl",
        "unet.output_blocks.0.1.transformer_blocks.0.attn2.to_k",
        "unet.output_blocks.0.1.transformer_blocks.0.attn2.to_k.weight",
    ),
    "ComfyUI's own": (
        "sdxl",
        "diffusion_model.middle_block.1.proj_in",
        "unet.middle_block.1.proj_in.weight",
    ),
    "ComfyUI's own, text": (
        "sdxl",
        "text_encoders.clip_g.transformer.text_model.encoder.layers.1.self_attn.v_proj",
        "text_encoder_2.text_model.encoder.layers.1.self_attn.v_proj.weight",
    ),
    "LyCORIS, wrapped": (
        "sd1",
        "lycoris_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_v",
        "unet.middle_block.1.transformer_blocks.0.attn1.to_v.weight",
    ),
    "LCM, time": ("sd1", "lora_unet_time_embedding_linear_1", "unet.time_embed.0.weight"),
    "LCM, residual": ("sd1", "lora_unet_mid_block_resnets_1_time_emb_proj", "unet.middle_block.2.emb_layers.1.weight"),
    "Lightning, summary": ("sdxl", "lora_unet_label_emb_0_2", "unet.label_emb.0.2.weight"),
    "SDXL, summary": ("sdxl", "lora_unet_add_embedding_linear_1", "unet.label_emb.0.0.weight"),
}


@pytest.mark.parametrize("case", CASES)
def test_kohya(case: str, shapes: Mapping[str, Mapping[str, tuple[int, ...]]], tmp_path: Path) -> None:
    kind, module, name = CASES[case]
    weights = shapes[kind]
    up, down = pair(4, *weights[name])
    tensors = {f"{module}.lora_up.weight": up, f"{module}.lora_down.weight": down, f"{module}.alpha": torch.tensor(2.0)}
    match = matched(save(tmp_path / "lora.safetensors", tensors), weights)
    assert list(match.targets) == [name]
    same(delta(match, name, weights, 0.7), 0.7 * (2 / 4) * (up @ down))


def test_kohya_without_alpha_has_the_scale_1(
    shapes: Mapping[str, Mapping[str, tuple[int, ...]]], tmp_path: Path
) -> None:
    _, module, name = CASES["kohya, text"]
    up, down = pair(4, *shapes["sd1"][name])
    path = save(tmp_path / "l.safetensors", {f"{module}.lora_up.weight": up, f"{module}.lora_down.weight": down})
    same(delta(matched(path, shapes["sd1"]), name, shapes["sd1"]), up @ down)


@pytest.mark.parametrize("alpha", [0.0, -1.0])
def test_alpha_counts_whatever_it_is(
    alpha: float, shapes: Mapping[str, Mapping[str, tuple[int, ...]]], tmp_path: Path
) -> None:
    _, module, name = CASES["kohya, text"]
    up, down = pair(4, *shapes["sd1"][name])
    tensors = {
        f"{module}.lora_up.weight": up,
        f"{module}.lora_down.weight": down,
        f"{module}.alpha": torch.tensor([alpha]),
    }
    match = matched(save(tmp_path / "l.safetensors", tensors), shapes["sd1"])
    same(delta(match, name, shapes["sd1"]), alpha / 4 * (up @ down))


def test_an_alpha_of_several_numbers_is_refused(tmp_path: Path) -> None:
    _, module, _ = CASES["kohya, text"]
    tensors = {
        f"{module}.lora_up.weight": randn(4, 2),
        f"{module}.lora_down.weight": randn(2, 4),
        f"{module}.alpha": torch.ones(2),
    }
    with pytest.raises(
        CheckpointError, match=r"a LoRA's alpha is one number, and here it has the shape \[2\]"
    ) as caught:
        read_lora(open_checkpoint(save(tmp_path / "l.safetensors", tensors)), "", FORMATS)
    assert "by the LoRA format 'kohya' over" in caught.value.__notes__[0]


CONVOLUTIONS = {
    "lora_unet_conv_in": "unet.input_blocks.0.0.weight",
    "lora_unet_conv_out": "unet.out.2.weight",
    "lora_unet_mid_block_resnets_0_conv1": "unet.middle_block.0.in_layers.2.weight",
    "lora_unet_down_blocks_0_downsamplers_0_conv": "unet.input_blocks.2.0.op.weight",
    "lora_unet_up_blocks_0_upsamplers_0_conv": "unet.output_blocks.1.2.conv.weight",
    "lora_unet_down_blocks_1_resnets_0_conv_shortcut": "unet.input_blocks.3.0.skip_connection.weight",
    "lora_unet_mid_block_attentions_0_proj_in": "unet.middle_block.1.proj_in.weight",
}


@pytest.mark.parametrize("module", CONVOLUTIONS)
def test_kohya_convolutions(module: str, shapes: Mapping[str, Mapping[str, tuple[int, ...]]], tmp_path: Path) -> None:
    weights, name = shapes["sd1"], CONVOLUTIONS[module]
    outputs, inputs, *kernel = weights[name]
    up, down = pair(3, outputs, inputs * kernel[0] * kernel[1])
    tensors = {
        f"{module}.lora_up.weight": up[..., None, None],
        f"{module}.lora_down.weight": down.view(3, inputs, *kernel),
        f"{module}.alpha": torch.tensor(1.5),
    }
    match = matched(save(tmp_path / "lora.safetensors", tensors), weights)
    x, weight = randn(1, inputs, 5, 5), randn(*weights[name], seed=99)
    inner = torch.conv2d(x, tensors[f"{module}.lora_down.weight"], padding=kernel[0] // 2)
    added = torch.conv2d(inner, tensors[f"{module}.lora_up.weight"]) * 0.5
    whole = torch.conv2d(x, weight + delta(match, name, weights), padding=kernel[0] // 2)
    torch.testing.assert_close(whole, torch.conv2d(x, weight, padding=kernel[0] // 2) + added, rtol=1e-3, atol=1e-2)


def test_kohya_convolutions_in_tucker_form(shapes: Mapping[str, Mapping[str, tuple[int, ...]]], tmp_path: Path) -> None:
    module, weights = "lora_unet_mid_block_resnets_0_conv1", shapes["sd1"]
    name = CONVOLUTIONS[module]
    outputs, inputs, *_ = weights[name]
    up, mid, down = randn(outputs, 3), randn(3, 3, 3, 3, seed=1), randn(3, inputs, seed=2) * 0.3
    up, mid, down = (part.half().float() for part in (up, mid, down))
    tensors = {
        f"{module}.lora_up.weight": up[..., None, None],
        f"{module}.lora_mid.weight": mid,
        f"{module}.lora_down.weight": down[..., None, None],
        f"{module}.alpha": torch.tensor(3.0),
    }
    match = matched(save(tmp_path / "lora.safetensors", tensors), weights)
    x = randn(1, inputs, 5, 5)
    inner = torch.conv2d(torch.conv2d(x, down[..., None, None]), mid, padding=1)
    got = torch.conv2d(x, delta(match, name, weights), padding=1)
    torch.testing.assert_close(got, torch.conv2d(inner, up[..., None, None]), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("strength", [1.0, 0.4])
def test_dora(axis: int, strength: float, shapes: Mapping[str, Mapping[str, tuple[int, ...]]], tmp_path: Path) -> None:
    _, module, name = CASES["kohya, first level up"]
    outputs, inputs = shapes["sd1"][name]
    up, down = pair(4, outputs, inputs)
    magnitude = randn(*((outputs, 1) if axis == 0 else (1, inputs)), seed=5).abs().half().float()
    tensors = {f"{module}.lora_up.weight": up, f"{module}.lora_down.weight": down, f"{module}.dora_scale": magnitude}
    match = matched(save(tmp_path / "lora.safetensors", tensors), shapes["sd1"])
    weight = randn(outputs, inputs, seed=99)
    moved = weight + up @ down
    new = magnitude * moved / moved.norm(dim=1 - axis, keepdim=True)
    same(delta(match, name, shapes["sd1"], strength), strength * (new - weight))


@pytest.mark.parametrize("axis", [0, 1])
def test_dora_of_a_convolution(axis: int, shapes: Mapping[str, Mapping[str, tuple[int, ...]]], tmp_path: Path) -> None:
    """As LyCORIS and OneTrainer write it, with the norm over all places but those of the axis."""
    module = "lora_unet_down_blocks_1_resnets_0_conv1"
    name = "unet.input_blocks.3.0.in_layers.2.weight"
    weights = shapes["sd1"]
    outputs, inputs, *kernel = weights[name]
    assert outputs != inputs
    up, down = pair(4, outputs, inputs * 9)
    sides = (outputs, 1, 1, 1) if axis == 0 else (1, inputs, 1, 1)
    magnitude = randn(*sides, seed=5).abs().half().float()
    tensors = {
        f"{module}.lora_up.weight": up[..., None, None],
        f"{module}.lora_down.weight": down.view(4, inputs, *kernel),
        f"{module}.dora_scale": magnitude,
    }
    match = matched(save(tmp_path / "lora.safetensors", tensors), weights)
    weight = randn(*weights[name], seed=99)
    moved = weight + (up @ down).view(weight.shape)
    norm = moved.flatten(1).norm(dim=1) if axis == 0 else moved.transpose(0, 1).flatten(1).norm(dim=1)
    same(delta(match, name, weights), magnitude * moved / norm.view(sides) - weight)


PEFT_MODULES = {
    "unet.up_blocks.0.attentions.1.transformer_blocks.0.attn1.to_out.0": (
        "unet.output_blocks.1.1.transformer_blocks.0.attn1.to_out.0.weight"
    ),
    "up_blocks.0.attentions.1.transformer_blocks.0.attn1.to_q": (
        "unet.output_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"
    ),
    "base_model.model.unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_v": (
        "unet.middle_block.1.transformer_blocks.0.attn2.to_v.weight"
    ),
    "base_model.model.mid_block.attentions.0.transformer_blocks.0.attn2.to_v": (
        "unet.middle_block.1.transformer_blocks.0.attn2.to_v.weight"
    ),
    "base_model.model.text_model.encoder.layers.0.self_attn.out_proj": (
        "text_encoder.text_model.encoder.layers.0.self_attn.out_proj.weight"
    ),
    "text_encoder.text_model.encoder.layers.0.mlp.fc1": "text_encoder.text_model.encoder.layers.0.mlp.fc1.weight",
}


@pytest.mark.parametrize("module", PEFT_MODULES)
@pytest.mark.parametrize("adapter", ["", ".default"])
def test_peft(module: str, adapter: str, shapes: Mapping[str, Mapping[str, tuple[int, ...]]], tmp_path: Path) -> None:
    weights, name = shapes["sd1"], PEFT_MODULES[module]
    up, down = pair(4, *weights[name])
    tensors = {f"{module}.lora_A{adapter}.weight": down, f"{module}.lora_B{adapter}.weight": up}
    match = matched(save(tmp_path / "lora.safetensors", tensors), weights)
    assert list(match.targets) == [name]
    same(delta(match, name, weights, 0.7), 0.7 * (up @ down))


@pytest.mark.parametrize(
    ("fields", "scale"),
    [
        ({"unet.lora_alpha": 8, "unet.r": 4}, 2.0),
        ({"unet.lora_alpha": 8, "unet.use_rslora": True}, 4.0),
        ({"unet.lora_alpha": 8, "unet.alpha_pattern": {"attn2.to_v": 2}}, 0.5),
        ({"lora_alpha": 2}, 0.5),
        ({"text_encoder.lora_alpha": 2}, 1.0),
    ],
)
def test_peft_has_alpha_in_its_metadata(
    fields: dict[str, object],
    scale: float,
    shapes: Mapping[str, Mapping[str, tuple[int, ...]]],
    tmp_path: Path,
) -> None:
    module, weights = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_v", shapes["sd1"]
    name = "unet.middle_block.1.transformer_blocks.0.attn2.to_v.weight"
    up, down = pair(4, *weights[name])
    tensors = {f"{module}.lora_A.weight": down, f"{module}.lora_B.weight": up}
    path = save(tmp_path / "lora.safetensors", tensors, {"lora_adapter_metadata": json.dumps(fields)})
    same(delta(matched(path, weights), name, weights), scale * (up @ down))


def test_peft_of_one_text_encoder_goes_where_it_fits(
    shapes: Mapping[str, Mapping[str, tuple[int, ...]]], tmp_path: Path
) -> None:
    """A text encoder saved alone does not say which of the two it is; its widths do."""
    module = "base_model.model.text_model.encoder.layers.0.mlp.fc1"
    weights = shapes["sdxl"]
    for network in ("text_encoder", "text_encoder_2"):
        name = f"{network}.text_model.encoder.layers.0.mlp.fc1.weight"
        up, down = pair(4, *weights[name])
        path = save(tmp_path / "lora.safetensors", {f"{module}.lora_A.weight": down, f"{module}.lora_B.weight": up})
        assert list(matched(path, weights).targets) == [name]


@pytest.mark.parametrize("adapter", ["", ".default"])
def test_peft_with_biases(adapter: str, shapes: Mapping[str, Mapping[str, tuple[int, ...]]], tmp_path: Path) -> None:
    """PEFT's `lora_bias`: the second factor has a bias, which is scaled like the rest."""
    module, weights = "text_encoder.text_model.encoder.layers.0.mlp.fc1", shapes["sd1"]
    up, down = pair(4, *weights[f"{module}.weight"])
    bias = randn(len(up), seed=7).half().float()
    tensors = {
        f"{module}.lora_A{adapter}.weight": down,
        f"{module}.lora_B{adapter}.weight": up,
        f"{module}.lora_B{adapter}.bias": bias,
    }
    fields = json.dumps({"text_encoder.lora_alpha": 8})
    match = matched(save(tmp_path / "l.safetensors", tensors, {"lora_adapter_metadata": fields}), weights)
    same(delta(match, f"{module}.weight", weights, 0.5), up @ down)
    same(delta(match, f"{module}.bias", weights, 0.5), bias)


def test_peft_says_alpha_in_a_file_beside(shapes: Mapping[str, Mapping[str, tuple[int, ...]]], tmp_path: Path) -> None:
    module, weights = "base_model.model.text_model.encoder.layers.0.mlp.fc1", shapes["sd1"]
    name = "text_encoder.text_model.encoder.layers.0.mlp.fc1.weight"
    up, down = pair(4, *weights[name])
    tensors = {f"{module}.lora_A.weight": down, f"{module}.lora_B.weight": up}
    path = save(tmp_path / "adapter_model.safetensors", tensors)
    same(delta(matched(path, weights), name, weights), up @ down)
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4, "lora_alpha": 12}), "utf-8")
    same(delta(matched(path, weights), name, weights), 3 * (up @ down))
    same(delta(matched(path.rename(tmp_path / "other.safetensors"), weights), name, weights), up @ down)


def test_peft_dora(shapes: Mapping[str, Mapping[str, tuple[int, ...]]], tmp_path: Path) -> None:
    module, weights = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_v", shapes["sd1"]
    name = "unet.middle_block.1.transformer_blocks.0.attn2.to_v.weight"
    up, down = pair(4, *weights[name])
    magnitude = randn(weights[name][0], seed=5).abs().half().float()
    tensors = {
        f"{module}.lora_A.weight": down,
        f"{module}.lora_B.weight": up,
        f"{module}.lora_magnitude_vector": magnitude,
    }
    match = matched(save(tmp_path / "lora.safetensors", tensors), weights)
    weight = randn(*weights[name], seed=99)
    moved = weight + up @ down
    same(delta(match, name, weights), magnitude[:, None] * moved / moved.norm(dim=1, keepdim=True) - weight)


OLD_KEYS: dict[str, Callable[[str], str]] = {
    "unet.mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_out_lora": (
        lambda _: "unet.middle_block.1.transformer_blocks.0.attn2.to_out.0.weight"
    ),
    "mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_q_lora": (
        lambda _: "unet.middle_block.1.transformer_blocks.0.attn2.to_q.weight"
    ),
    "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0.lora": (
        lambda _: "unet.middle_block.1.transformer_blocks.0.attn2.to_out.0.weight"
    ),
    "text_encoder.text_model.encoder.layers.1.self_attn.q_proj.lora_linear_layer": (
        lambda _: "text_encoder.text_model.encoder.layers.1.self_attn.q_proj.weight"
    ),
    "text_encoder.text_model.encoder.layers.1.self_attn.to_out_lora": (
        lambda _: "text_encoder.text_model.encoder.layers.1.self_attn.out_proj.weight"
    ),
}


@pytest.mark.parametrize("stem", OLD_KEYS)
def test_diffusers_of_old(stem: str, shapes: Mapping[str, Mapping[str, tuple[int, ...]]], tmp_path: Path) -> None:
    weights, name = shapes["sd1"], OLD_KEYS[stem](stem)
    up, down = pair(4, *weights[name])
    match = matched(save(tmp_path / "l.safetensors", {f"{stem}.up.weight": up, f"{stem}.down.weight": down}), weights)
    assert list(match.targets) == [name]
    same(delta(match, name, weights, 0.7), 0.7 * (up @ down))


def test_whole_differences_of_weights_biases_and_norms(
    shapes: Mapping[str, Mapping[str, tuple[int, ...]]], tmp_path: Path
) -> None:
    weights = shapes["sd1"]
    names = {
        "lora_unet_mid_block_resnets_0_conv1.diff": "unet.middle_block.0.in_layers.2.weight",
        "lora_unet_mid_block_resnets_0_conv1.diff_b": "unet.middle_block.0.in_layers.2.bias",
        "lora_unet_mid_block_attentions_0_norm.w_norm": "unet.middle_block.1.norm.weight",
        "lora_unet_mid_block_attentions_0_norm.b_norm": "unet.middle_block.1.norm.bias",
        "lora_te_text_model_encoder_layers_0_layer_norm1.w_norm": (
            "text_encoder.text_model.encoder.layers.0.layer_norm1.weight"
        ),
    }
    tensors = {key: randn(*weights[name], seed=i).half().float() for i, (key, name) in enumerate(names.items())}
    match = matched(save(tmp_path / "lora.safetensors", tensors), weights)
    assert set(match.targets) == set(names.values())
    for key, name in names.items():
        same(delta(match, name, weights, 0.5), 0.5 * tensors[key])


def test_weights_to_take_instead(shapes: Mapping[str, Mapping[str, tuple[int, ...]]], tmp_path: Path) -> None:
    weights, name = shapes["sd1"], "unet.middle_block.1.norm.weight"
    new = randn(*weights[name]).half().float()
    match = matched(save(tmp_path / "l.safetensors", {"diffusion_model.middle_block.1.norm.set_weight": new}), weights)
    (change,) = match.targets[name]
    weight = randn(*weights[name], seed=99)
    assert torch.equal(change.apply(weight.clone(), 1.0), new)
    same(change.apply(weight.clone(), 0.25), 0.75 * weight + 0.25 * new)


def test_textual_inversions_inside_are_passed_over(
    shapes: Mapping[str, Mapping[str, tuple[int, ...]]], tmp_path: Path
) -> None:
    """OneTrainer puts them there."""
    _, module, name = CASES["kohya, text"]
    up, down = pair(4, *shapes["sd1"][name])
    tensors = {
        f"{module}.lora_up.weight": up,
        f"{module}.lora_down.weight": down,
        "bundle_emb.word.clip_l": randn(2, 32),
    }
    file = open_checkpoint(save(tmp_path / "lora.safetensors", tensors))
    report = match_lora(read_lora(file, "", FORMATS), WeightNames(shapes["sd1"])).report
    assert (len(report.matched), report.unused) == (2, ())
