"""The names that files have for a model's modules, against diffusers' own conversion of checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from safetensors.torch import load_file

from sdkit.models.diffusers_names import unet_names_for_diffusers
from sdkit.models.lora.names import WeightNames, network_of
from sdkit.pipeline import Pipeline
from sdkit.testing import random_checkpoint

PREFIX = "model.diffusion_model."


@pytest.mark.parametrize("kind", ["sd1", "sd2", "sdxl"])
@pytest.mark.parametrize("layers", [1, 2])
def test_every_module_of_a_unet_has_diffusers_name(kind: str, layers: int, tmp_path: Path) -> None:
    path = random_checkpoint(tmp_path / "model.safetensors", kind=kind, unet_layers=layers)  # pyright: ignore[reportArgumentType] - literals
    weights = Pipeline.load(path).model.weights
    stored = load_file(path)
    config = {"layers_per_block": layers, "addition_embed_type": "text_time" if kind == "sdxl" else None}
    unet = {key: tensor for key, tensor in stored.items() if key.startswith(PREFIX)}
    theirs = convert_ldm_unet_checkpoint(unet, config)
    assert len(theirs) == len(unet)
    own = {name.removeprefix("unet.").rpartition(".")[0] for name in weights if name.startswith("unet.")}
    named = unet_names_for_diffusers(own)
    for name, tensor in theirs.items():
        stem, _, kind_of_weight = name.rpartition(".")
        found = [module for module, other in named.items() if other == stem]
        assert torch.equal(stored[f"{PREFIX}{found[0]}.{kind_of_weight}"], tensor), name
    assert set(named) == own, "none is without a name"
    names = WeightNames(weights)
    for module, other in named.items():
        for spelling in (
            f"lora_unet_{other.replace('.', '_')}",
            f"unet.{other}",
            f"lora_unet_{module.replace('.', '_')}",
        ):
            assert [target.name for target in names.find(spelling, "weight")] == [f"unet.{module}.weight"], spelling


@pytest.mark.parametrize(
    ("module", "network"),
    [
        ("lora_unet_conv_in", "unet"),
        ("lora_te_text_model_x", "text_encoder"),
        ("lora_te1_text_model_x", "text_encoder"),
        ("lora_te2_text_model_x", "text_encoder_2"),
        ("text_encoder.text_model.x", "text_encoder"),
        ("text_encoder_2.text_model.x", "text_encoder_2"),
        ("text_encoders.clip_g.transformer.text_model.x", "text_encoder_2"),
        ("clip_l.text_model.x", "text_encoder"),
        ("clip_g.text_model.x", "text_encoder_2"),
        ("diffusion_model.input_blocks.x", "unet"),
        ("base_model.model.unet.conv_in", "unet"),
        ("base_model.model.conv_in", None),
        ("lora_te3_x", None),
        ("lora_transformer_x", None),
    ],
)
def test_prefixes_say_which_network(module: str, network: str | None) -> None:
    assert network_of(module) == network


def test_names_of_other_networks_are_not_found() -> None:
    names = WeightNames({"unet.middle_block.0.in_layers.2.weight": (8, 8, 3, 3)})
    assert len(names.find("lora_unet_mid_block_resnets_0_conv1", "weight")) == 1
    assert names.find("lora_unet_mid_block_resnets_0_conv1", "bias") == ()
    assert names.find("lora_te_mid_block_resnets_0_conv1", "weight") == ()
    assert names.find("lora_unet_double_blocks_0_img_attn_qkv", "weight") == ()
