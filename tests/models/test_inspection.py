import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sdkit.errors import CheckpointError
from sdkit.models import TensorInfo, inspect_file, sd1
from sdkit.models.describing import describe
from sdkit.models.training_notes import training_notes
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


def test_what_no_family_recognises_is_described_and_no_error(tmp_path: Path) -> None:
    save_file({"lora_te_x.lora_down.weight": torch.zeros(2, 3)}, tmp_path / "lora.safetensors")
    report = inspect_file(tmp_path / "lora.safetensors", [sd1])
    assert (report.family, report.prediction, report.why) == (None, None, ())
    assert (report.looks_like, report.facts) == ("a LoRA, kohya's names", {"rank": "2", "changes": "text encoder"})
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


CROSS = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"


@pytest.mark.parametrize(
    ("shapes", "kind", "what", "family", "facts"),
    [
        (
            {f"{CROSS}.lora_down.weight": (8, 768), f"{CROSS}.lora_up.weight": (320, 8), "lora_te_x.alpha": ()},
            *("loras", "a LoRA, kohya's names", "sd1", {"rank": "8", "changes": "U-Net, text encoder"}),
        ),
        (
            {f"{CROSS}.lora_down.weight": (4, 1024), "lora_unet_a_ff.lora_down.weight": (16, 320)},
            *("loras", "a LoRA, kohya's names", "sd2", {"rank": "4, 16", "changes": "U-Net"}),
        ),
        (
            {"unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_v.lora_A.weight": (4, 2048)},
            *("loras", "a LoRA, PEFT's names", "sdxl", {"rank": "4", "changes": "U-Net"}),
        ),
        (
            {"mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.down.weight": (4, 768)},
            *("loras", "a LoRA, diffusers' older names", "sd1", {"rank": "4"}),
        ),
        (
            {f"{CROSS}.hada_w1_a": (640, 4), f"{CROSS}.hada_w1_b": (4, 2048)},
            *("loras", "a LoHa", "sdxl", {"rank": "4", "changes": "U-Net"}),
        ),
        (
            {"lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": (2, 1280)},
            *("loras", "a LoRA, kohya's names", "sdxl", {"rank": "2", "changes": "text encoder 2"}),
        ),
        (
            {"emb_params": (3, 768)},
            *("embeddings", "a textual inversion (embedding)", "sd1", {"vectors": "3", "channels": "768"}),
        ),
        (
            {"clip_l": (2, 768), "clip_g": (2, 1280)},
            *("embeddings", "a textual inversion (embedding)", "sdxl", {"vectors": "2", "channels": "768 and 1280"}),
        ),
        (
            {"first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3)},
            "vae",
            "a VAE alone",
            "",
            {"latent channels": "4", "fits": "sd1, sd2, sdxl: their VAEs have the same shapes"},
        ),
        (
            {
                "control_model.input_hint_block.0.weight": (16, 3, 3, 3),
                "control_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768),
            },
            *("controlnet", "a ControlNet", "sd1", {}),
        ),
        (
            {
                "model.diffusion_model.input_blocks.0.0.weight": (320, 4, 3, 3),
                "model.diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_v.weight": (1280, 2048),
            },
            *("diffusion_models", "a diffusion network (U-Net) alone", "sdxl", {}),
        ),
        (
            {"text_model.embeddings.token_embedding.weight": (49408, 768)},
            *("text_encoders", "a text encoder alone (CLIP-L)", "", {"channels": "768"}),
        ),
        ({"body.0.rdb1.conv1.weight": (32, 64, 3, 3)}, "upscale_models", "an upscaler (RRDB)", "", {}),
    ],
)
def test_what_is_no_checkpoint_is_told_by_names_and_widths(
    shapes: dict[str, tuple[int, ...]], kind: str, what: str, family: str, facts: dict[str, str]
) -> None:
    found = describe({name: TensorInfo(shape, "F16") for name, shape in shapes.items()})
    assert found is not None
    assert (found.kind, found.what, found.family, dict(found.facts)) == (kind, what, family, facts)


@pytest.mark.parametrize("shapes", [{}, {"w": (3, 3)}, {"a": (768,), "b": (768,)}, {"unet": (2, 2), "<x>": (768,)}])
def test_what_is_nothing_known_is_not_described(shapes: dict[str, tuple[int, ...]]) -> None:
    assert describe({name: TensorInfo(shape, "F16") for name, shape in shapes.items()}) is None


def test_training_is_summarised_from_metadata_whatever_is_in_them() -> None:
    frequency = {"10_zyx cat": {"cat": 5, " sofa ": 7}, "5_zyx cat": {"cat": 6, "bad": "x"}, "reg": {"dog": 1}, "1_": 3}
    notes = training_notes(
        {
            "ss_network_dim": "16",
            "ss_network_alpha": "8.0",
            "ss_steps": "1200",
            "ss_v2": "False",
            "ss_clip_skip": "None",
            "ss_tag_frequency": json.dumps(frequency),
            "modelspec.title": "Ink",
            "modelspec.thumbnail": "data:image/png;base64,AAAA",
        }
    )
    assert notes == {
        "network dim": "16",
        "network alpha": "8.0",
        "steps": "1200",
        "trigger words": "zyx cat",
        "top tags": "cat (11), sofa (7), dog (1)",
        "title": "Ink",
    }
    assert training_notes({"modelspec.trigger_phrase": "in ink"})["trigger words"] == "in ink"
    for broken in ("", "[", "[1]", "3", '{"a": 3}', "[" * 100_000):
        assert training_notes({"ss_tag_frequency": broken}) == {}
