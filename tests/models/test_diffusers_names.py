"""One table of names, read in both directions: held against diffusers' own conversion of the published checkpoints."""

import gzip
import json
from pathlib import Path

import pytest
import torch
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint

from sdkit.models.diffusers_names import (
    diffusers_unet_names,
    diffusers_vae_names,
    unet_names_for_diffusers,
    vae_names_for_diffusers,
)

DATA = Path(__file__).parents[1] / "data"
UNET, VAE = "model.diffusion_model.", "first_stage_model."


def published(name: str, prefix: str) -> list[str]:
    """The names of a network in a published checkpoint, without its prefix; of SD 1.5 or SDXL."""
    if name == "sdxl":
        with gzip.open(DATA / "shapes_sdxl.json.gz", "rt") as stream:
            names: dict[str, object] = json.load(stream)
    else:
        names = json.loads((DATA / "shapes_sd15.json").read_text("utf-8"))
    return [key.removeprefix(prefix) for key in names if key.startswith(prefix)]


def numbered(names: list[str], prefix: str) -> dict[str, torch.Tensor]:
    """A checkpoint in which each weight says which one it is; with the dimensions of a convolution's."""
    return {prefix + name: torch.full((1, 1, 1, 1), float(number)) for number, name in enumerate(names)}


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
def test_the_unets_names_are_those_of_diffusers_own_conversion(name: str) -> None:
    names = published(name, UNET)
    settings = {"layers_per_block": 2, "addition_embed_type": "text_time" if name == "sdxl" else None}
    theirs = convert_ldm_unet_checkpoint(numbered(names, UNET), {**settings, "class_embed_type": None})
    expected = {names[int(weight.item())]: key for key, weight in theirs.items()}
    assert len(expected) == len(names) > 600
    assert unet_names_for_diffusers(names) == expected
    assert diffusers_unet_names(expected.values()) == {theirs: ours for ours, theirs in expected.items()}


def test_the_vaes_names_are_those_of_diffusers_own_conversion() -> None:
    names = published("sd15", VAE)
    settings = {"down_block_types": [""] * 4, "up_block_types": [""] * 4}
    theirs = convert_ldm_vae_checkpoint(numbered(names, VAE), settings)
    expected = {names[int(weight.item())]: key for key, weight in theirs.items()}
    assert len(expected) == len(names) > 200
    assert vae_names_for_diffusers(names) == expected
    assert diffusers_vae_names(expected.values()) == {theirs: ours for ours, theirs in expected.items()}


def test_older_spellings_of_the_vaes_attention_are_read_and_not_written() -> None:
    ours = [name for name in published("sd15", VAE) if ".attn_1." in name]
    names = vae_names_for_diffusers(published("sd15", VAE))
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    spelt = [names[name] for name in ours]
    for new, before in old.items():
        spelt = [name.replace(f".{new}.", f".{before}.") for name in spelt]
    assert len([name for name in spelt if "query" in name or "proj_attn" in name]) == 8
    assert list(diffusers_vae_names(spelt).values()) == ours


def test_modules_are_renamed_like_their_weights_and_other_names_are_left_out() -> None:
    names = published("sdxl", UNET)
    modules = list(dict.fromkeys(name.rpartition(".")[0] for name in names))
    found = unet_names_for_diffusers(modules)
    assert found["input_blocks.4.1.transformer_blocks.1.attn2.to_out.0"] == (
        "down_blocks.1.attentions.0.transformer_blocks.1.attn2.to_out.0"
    )
    assert found["output_blocks.2.2.conv"] == "up_blocks.0.upsamplers.0.conv"
    assert len(found) == len(modules)
    assert diffusers_unet_names(["down_blocks.0.resnets.0.norm9.weight", "controlnet_down_blocks.0.weight"]) == {}
    assert diffusers_unet_names(["conv_in.weight", "conv_inner.weight"]) == {
        "conv_in.weight": "input_blocks.0.0.weight"
    }
