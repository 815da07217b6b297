"""Loading, LoRAs and mixing, with small real files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sdkit.errors import NodeError
from sdkit.pipeline.workspace import Workspace
from sdkit.settings import Settings
from sdkit.testing.models import random_checkpoint

from .conftest import Nodes, node

Make = Callable[..., Nodes]
LAYER = "input_blocks.1.0.in_layers.2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoints, the parts of the first in files of their own, and a LoRA for its U-Net."""
    root = tmp_path_factory.mktemp("models")
    for name in ("checkpoints", "vae", "text_encoders", "diffusion_models", "loras"):
        (root / name).mkdir()
    for seed, name in enumerate(("a", "b")):
        random_checkpoint(root / "checkpoints" / f"{name}.safetensors", seed=seed, image_tower=False)
    whole = load_file(root / "checkpoints" / "a.safetensors")
    for kind, prefix in (
        ("diffusion_models", "model.diffusion_model."), ("vae", "first_stage_model."),
        ("text_encoders", "cond_stage_model.transformer."),
    ):  # fmt: skip
        part = {key.removeprefix(prefix): w.clone() for key, w in whole.items() if key.startswith(prefix)}
        save_file(part, root / kind / "part.safetensors")
    wide = whole[f"model.diffusion_model.{LAYER}.weight"].shape
    name = f"lora_unet_{LAYER.replace('.', '_')}"
    generator = torch.Generator().manual_seed(3)
    lora = {
        f"{name}.lora_down.weight": torch.randn(2, wide[1], 3, 3, generator=generator),
        f"{name}.lora_up.weight": torch.randn(wide[0], 2, 1, 1, generator=generator),
        f"{name}.alpha": torch.tensor(2.0),
        "lora_unet_nothing_of_this_name.alpha": torch.tensor(1.0),
    }
    save_file(lora, root / "loras" / "unet.safetensors")
    save_file({key.replace("in_layers", "x"): w for key, w in lora.items()}, root / "loras" / "other.safetensors")
    return root


@pytest.fixture(scope="module")
def workspace(folder: Path) -> Workspace:
    return Workspace(plugins=["sdkit_comfy.plugin"], settings=Settings(models=folder, cache=folder), device="cpu")


@pytest.fixture
def made(workspace: Workspace, workflow: Make) -> Callable[..., torch.Tensor]:
    """The latents that one step with node `model` gives, other nodes added."""

    def make(model: list[object] | None = None, **more: Nodes) -> torch.Tensor:
        nodes = workflow(steps=1, model=model or ["1", 0]) | more
        nodes["1"]["inputs"]["ckpt_name"] = "a.safetensors"
        value: Any = workspace.run(nodes, outputs=["5"]).values["5"][0]
        return value["samples"]

    return make


def test_parts_of_their_own_make_the_checkpoint_s_picture(workspace: Workspace, workflow: Make) -> None:
    nodes = workflow(steps=1)
    nodes["6"] = node("VAEDecode", samples=["5", 0], vae=["1", 2])
    nodes["1"]["inputs"]["ckpt_name"] = "a.safetensors"
    whole: Any = workspace.run(nodes, outputs=["6"]).values["6"][0]
    nodes["7"] = node("UNETLoader", unet_name="part.safetensors", weight_dtype="default")
    nodes["8"] = node("CLIPLoader", clip_name="part.safetensors", type="stable_diffusion")
    nodes["9"] = node("VAELoader", vae_name="part.safetensors")
    nodes["5"]["inputs"]["model"] = ["7", 0]
    nodes["6"]["inputs"]["vae"] = ["9", 0]
    for text in ("2", "3"):
        nodes[text]["inputs"]["clip"] = ["8", 0]
    parts: Any = workspace.run(nodes, outputs=["6"]).values["6"][0]
    assert torch.allclose(parts, whole, atol=1e-6)


def test_a_lora_changes_what_matches_and_strength_0_nothing(made: Callable[..., torch.Tensor]) -> None:
    plain = made()
    given = {"model": ["1", 0], "clip": ["1", 1], "lora_name": "unet.safetensors", "strength_clip": 1.0}
    loaded = {strength: node("LoraLoader", **given, strength_model=strength) for strength in (0.0, 0.5, 1.0)}
    latents = {strength: made(["6", 0], **{"6": lora}) for strength, lora in loaded.items()}
    assert torch.equal(latents[0.0], plain)
    assert not torch.allclose(latents[0.5], plain, atol=0.1)
    twice = {
        "6": node("LoraLoaderModelOnly", model=["1", 0], lora_name="unet", strength_model=0.5),
        "7": node("LoraLoaderModelOnly", model=["6", 0], lora_name="unet", strength_model=0.5),
    }
    assert torch.allclose(made(["7", 0], **twice), latents[1.0], atol=5e-3)


def test_a_lora_that_matches_nothing_at_all_is_an_error(made: Callable[..., torch.Tensor]) -> None:
    given = {"model": ["1", 0], "clip": ["1", 1], "strength_model": 1.0, "strength_clip": 1.0}
    with pytest.raises(NodeError, match=r"no key in .* matches anything"):
        made(["6", 0], **{"6": node("LoraLoader", **given, lora_name="other.safetensors")})


def test_models_are_mixed_by_their_ratio(made: Callable[..., torch.Tensor]) -> None:
    other = {"6": node("CheckpointLoaderSimple", ckpt_name="b.safetensors")}
    first, second = made(), made(["6", 0], **other)
    assert not torch.allclose(first, second, atol=0.1)

    def mixed(kind: str, **given: float) -> torch.Tensor:
        return made(["7", 0], **other, **{"7": node(kind, model1=["1", 0], model2=["6", 0], **given)})

    assert torch.allclose(mixed("ModelMergeSimple", ratio=1.0), first, atol=5e-3)
    assert torch.allclose(mixed("ModelMergeSimple", ratio=0.0), second, atol=5e-3)
    half = mixed("ModelMergeSimple", ratio=0.5)
    assert torch.allclose(mixed("ModelMergeBlocks", input=0.5, middle=0.5, out=0.5), half, atol=5e-3)
    assert not torch.allclose(mixed("ModelMergeBlocks", input=0.5, middle=0.5, out=1.0), half, atol=0.1)


def test_a_lora_after_mixing_is_whole_and_one_before_it_is_mixed(made: Callable[..., torch.Tensor]) -> None:
    def lora(model: list[object], strength: float) -> Nodes:
        return node("LoraLoaderModelOnly", model=model, lora_name="unet.safetensors", strength_model=strength)

    mix = {"ratio": 0.5, "model2": ["1", 0]}
    before = {"6": lora(["1", 0], 1.0), "7": node("ModelMergeSimple", model1=["6", 0], **mix)}
    after = {"6": node("ModelMergeSimple", model1=["1", 0], **mix), "7": lora(["6", 0], 1.0)}
    of_second = {"6": lora(["1", 0], 1.0), "7": node("ModelMergeSimple", model1=["1", 0], model2=["6", 0], ratio=0.5)}
    half, whole = made(["8", 0], **{"8": lora(["1", 0], 0.5)}), made(["8", 0], **{"8": lora(["1", 0], 1.0)})
    assert torch.allclose(made(["7", 0], **before), half, atol=5e-3)
    assert torch.allclose(made(["7", 0], **of_second), half, atol=5e-3)
    assert torch.allclose(made(["7", 0], **after), whole, atol=5e-3)
    assert not torch.allclose(half, whole, atol=0.1)
