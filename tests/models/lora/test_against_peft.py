"""LoRAs as diffusers and PEFT merge them: the same files into the same networks give the same weights.

Where PEFT is not installed, these are skipped, and the formulas in test_formats.py stand alone. diffusers cannot be
asked for kohya's `dora_scale`: it leaves that out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.loaders.lora_pipeline import StableDiffusionXLLoraLoaderMixin
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn

from sdkit.models import open_checkpoint, sd1, sdxl
from sdkit.models.diffusers_names import unet_names_for_diffusers
from sdkit.models.lora import LoraFormat, StackedLora, WeightNames, lora_patches, match_lora, read_lora
from sdkit.models.lora.formats.diffusers_old import diffusers_old
from sdkit.models.lora.formats.kohya import kohya
from sdkit.models.lora.formats.peft import peft as peft_format
from sdkit.testing import random_checkpoint
from tests.models.lora._files import randn, save
from tests.models.oracles import unet_oracle

peft = pytest.importorskip("peft")

FORMATS: dict[str, LoraFormat] = {"kohya": kohya, "peft": peft_format, "diffusers_old": diffusers_old}
Weights = dict[str, Tensor]


def kohyas(name: str) -> str:
    return "lora_unet_" + name.replace(".", "_")


def tensors_for(style: str, weights: Mapping[str, Tensor], *, convolutions: bool) -> Weights:
    """A LoRA for the U-Net's attention, and for its convolutions, in one of the layouts."""
    tensors: Weights = {}
    names = unet_names_for_diffusers(name.removesuffix(".weight") for name in weights if name.endswith(".weight"))
    for seed, (name, weight) in enumerate(weights.items()):
        stem, _, leaf = name.rpartition(".")
        small = weight.ndim == 4 and convolutions and ".in_layers.2" in stem
        if leaf != "weight" or not (small or (weight.ndim == 2 and "attn" in stem)):
            continue
        down = randn(4, *weight.shape[1:], seed=seed) * 0.1
        up = randn(weight.shape[0], 4, *[1] * (weight.ndim - 2), seed=seed + 1) * 0.1
        if style.startswith("kohya"):
            module = kohyas(stem if style == "kohya, original" else names[stem])
            tensors |= {f"{module}.lora_up.weight": up, f"{module}.lora_down.weight": down}
            tensors[f"{module}.alpha"] = torch.tensor(2.0)
        elif style == "old":
            module = "unet." + names[stem].replace(".to_", ".processor.to_").replace("to_out.0", "to_out")
            tensors |= {f"{module}_lora.up.weight": up, f"{module}_lora.down.weight": down}
        else:
            module = "unet." + names[stem]
            tensors |= {f"{module}.lora_B.weight": up, f"{module}.lora_A.weight": down}
            if style == "peft, dora":
                tensors[f"{module}.lora_magnitude_vector"] = randn(weight.shape[0], seed=seed + 2).abs()
    return tensors


def fused(unet: UNet2DConditionModel, path: Path) -> Weights:
    """The U-Net's weights after diffusers has merged the file."""
    mixin: Any = StableDiffusionXLLoraLoaderMixin
    state, alphas, *_ = mixin.lora_state_dict(str(path), unet_config=unet.config)
    mixin.load_lora_into_unet(state, network_alphas=alphas, unet=unet, adapter_name="one")
    unet.fuse_lora()
    return {name.replace(".base_layer", ""): weight for name, weight in unet.state_dict().items()}


@pytest.mark.parametrize("kind", ["sd1", "sdxl"])
@pytest.mark.parametrize("style", ["kohya", "kohya, original", "old", "peft", "peft, dora"])
def test_a_unet_becomes_what_diffusers_makes_of_it(kind: Any, style: str, tmp_path: Path) -> None:
    path = random_checkpoint(tmp_path / "model.safetensors", kind=kind, dtype="float32")
    file = open_checkpoint(path)
    family: Any = {"sd1": sd1, "sdxl": sdxl}[kind]
    architecture = family.detect(file).architecture
    prefix = "model.diffusion_model."
    weights: Weights = {name.removeprefix(prefix): file.tensor(name) for name in file.infos if name.startswith(prefix)}
    names = WeightNames({f"unet.{name}": tuple(weight.shape) for name, weight in weights.items()})
    tensors = tensors_for(style, weights, convolutions=style not in ("old", "peft, dora"))
    lora = save(tmp_path / "lora.safetensors", tensors)
    match = match_lora(read_lora(open_checkpoint(lora), "", FORMATS), names)
    assert (match.report.unused, match.report.missing) == ((), ())
    (patch,) = lora_patches([StackedLora(match, 1.0)])
    theirs = fused(unet_oracle(architecture, weights), lora)
    assert len(patch.targets) == sum(key.endswith(("up.weight", "lora_B.weight")) for key in tensors) > 10
    diffusers_names = unet_names_for_diffusers(weights)
    for name in patch.targets:
        own = name.removeprefix("unet.")
        expected = theirs[diffusers_names[own]]
        assert not torch.allclose(weights[own], expected, atol=1e-3)
        torch.testing.assert_close(patch.apply(name, weights[own]), expected, rtol=1e-4, atol=1e-5, msg=name)


class Net(nn.Module):
    """One layer of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(24, 40)
        self.conv = nn.Conv2d(24, 40, 3, padding=1)
        self.one = nn.Conv2d(24, 40, 1)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_rslora": True},
        {"use_dora": True},
        {"lora_bias": True, "init_lora_weights": False},
        {"alpha_pattern": {"conv": 3}, "rank_pattern": {"linear": 6}},
    ],
    ids=["plain", "rslora", "dora", "bias", "patterns"],
)
def test_an_adapter_that_peft_saved_is_what_peft_merges(options: dict[str, Any], tmp_path: Path) -> None:
    """With its config beside it, where alpha is."""
    net = Net()
    before = {f"unet.{name}": weight.clone() for name, weight in net.state_dict().items()}
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=["linear", "conv", "one"], **options)
    model = peft.get_peft_model(net, config)
    for seed, parameter in enumerate(each for each in model.parameters() if each.requires_grad):
        parameter.data += randn(*parameter.shape, seed=seed) * 0.2
    model.save_pretrained(tmp_path)
    expected = {f"unet.{name}": weight for name, weight in model.merge_and_unload().state_dict().items()}
    lora = read_lora(open_checkpoint(tmp_path / "adapter_model.safetensors"), "", FORMATS)
    match = match_lora(lora, WeightNames({name: tuple(weight.shape) for name, weight in before.items()}))
    assert (match.report.unused, match.report.missing) == ((), ())
    (patch,) = lora_patches([StackedLora(match, 1.0)])
    for name, weight in before.items():
        got = patch.apply(name, weight) if name in patch.targets else weight
        torch.testing.assert_close(got, expected[name], rtol=1e-5, atol=1e-6, msg=name)
    assert len(patch.targets) == (6 if "lora_bias" in options else 3)
