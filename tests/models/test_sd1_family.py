import json
import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sdkit.errors import ModelError, UnknownModelError, WeightsError
from sdkit.models import Declined, Detection, LatentDiffusion, detect_family, open_checkpoint, sd1
from sdkit.models.families import looks_like
from sdkit.models.sd1_family import SD1Architecture
from sdkit.models.tokenizer import plain_prompt
from sdkit.sigmas import scaled_linear_sigmas
from sdkit.testing.models import random_checkpoint, shared_checkpoint

CPU = torch.device("cpu")


def detection_of(path: Path) -> tuple[Detection, SD1Architecture]:
    detection = sd1.detect(open_checkpoint(path))
    assert isinstance(detection, Detection), detection
    assert isinstance(detection.architecture, SD1Architecture)
    return detection, detection.architecture


def load(path: Path) -> LatentDiffusion:
    file = open_checkpoint(path)
    _, detection = detect_family(file, [sd1])
    return sd1.load(file, detection, device=CPU)


def changed(path: Path, to: Path, **changes: torch.Tensor | None) -> Path:
    """A copy of a checkpoint with tensors replaced, added or (None) taken out."""
    weights: dict[str, torch.Tensor | None] = {**load_file(path), **changes}
    save_file({key: weight.clone() for key, weight in weights.items() if weight is not None}, to)
    return to


def shapes_only(path: Path, shapes: dict[str, list[int]]) -> Path:
    """A sound file of these shapes in the smallest dtype, sparse on disk: gigabytes of zeros cost nothing."""
    header: dict[str, object] = {}
    end = 0
    for key, shape in shapes.items():
        size = torch.Size(shape).numel()
        header[key] = {"dtype": "U8", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    with path.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        stream.truncate(8 + len(text) + end)
    return path


# ── detecting ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("widths", [(32,), (32, 64), (64, 96, 160), (32, 32, 64, 64)])
@pytest.mark.parametrize("layers", [1, 2])
def test_unet_widths_layers_and_attention_are_read_off_the_shapes(
    tmp_path: Path, widths: tuple[int, ...], layers: int
) -> None:
    attention = (len(widths) - 1,) if len(widths) % 2 else ()
    path = random_checkpoint(
        tmp_path / "m.safetensors",
        unet_widths=widths,
        unet_layers=layers,
        attention_levels=attention,
        image_tower=False,
    )
    unet = detection_of(path)[1].unet
    assert (unet.widths, unet.layers, unet.heads) == (widths, layers, (8,) * len(widths))
    assert unet.depths == tuple(int(level in attention) for level in range(len(widths)))
    assert (unet.in_channels, unet.out_channels, unet.context) == (4, 4, 32)


def test_vae_text_and_image_towers_are_read_off_the_shapes(tmp_path: Path) -> None:
    path = random_checkpoint(
        tmp_path / "m.safetensors", vae_widths=(32, 64, 96), vae_layers=2, text_width=128, text_layers=3
    )
    detection, architecture = detection_of(path)
    assert (architecture.vae.widths, architecture.vae.layers, architecture.vae.factor) == ((32, 64, 96), 2, 4)
    assert (architecture.text.transformer.layers, architecture.text.transformer.heads) == (3, 2)
    assert architecture.image is not None
    assert (architecture.image.side, architecture.image.patch, architecture.image.projection) == (64, 16, 128)
    assert "image_tower" in detection.parts
    assert architecture.spec.latent_factor == 4
    assert architecture.spec.has_image_tower
    assert any("128, 3 layers" in line for line in detection.why)


def real_shapes(name: str) -> dict[str, list[int]]:
    figures = Path(__file__).parents[1] / "data" / "shapes_sd15.json"
    shapes: dict[str, list[int]] = json.loads(figures.read_text())
    if name == "inpainting":
        shapes["model.diffusion_model.input_blocks.0.0.weight"][1] = 9
    return shapes


def test_the_shapes_of_stable_diffusion_1_5_are_recognised(tmp_path: Path) -> None:
    detection, architecture = detection_of(shapes_only(tmp_path / "sd15.safetensors", real_shapes("1.5")))
    unet = architecture.unet
    assert (unet.widths, unet.layers, unet.depths, unet.context) == ((320, 640, 1280, 1280), 2, (1, 1, 1, 0), 768)
    assert (architecture.text.transformer.layers, architecture.text.transformer.heads) == (12, 12)
    assert (architecture.vae.widths, architecture.vae.layers) == ((128, 256, 512, 512), 2)
    assert architecture.image is None
    spec = architecture.spec
    assert (spec.defaults.width, spec.defaults.height, spec.prediction, spec.latent_factor) == (512, 512, "eps", 8)
    assert detection.prediction == "eps"


def test_every_weight_of_stable_diffusion_1_5_finds_its_place(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = shapes_only(tmp_path / "sd15.safetensors", real_shapes("1.5"))
    with caplog.at_level(logging.WARNING, "sdkit"):
        assert load(path).spec.family == "sd1"
    assert not caplog.records


def test_an_inpainting_model_is_recognised_and_says_that_it_cannot_be_run_yet(tmp_path: Path) -> None:
    path = shapes_only(tmp_path / "inpainting.safetensors", real_shapes("inpainting"))
    assert "9 input and 4 output channels" in detection_of(path)[0].why
    with pytest.raises(ModelError, match=r"inpainting\.safetensors .* 9 input channels.* cannot run yet"):
        load(path)


def test_small_models_default_to_small_pictures_whatever_the_metadata_says(tmp_path: Path) -> None:
    path = random_checkpoint(tmp_path / "m.safetensors", metadata={"modelspec.resolution": "1024x1024"})
    assert detection_of(path)[1].spec.defaults.width == 128


def test_sigmas_are_those_of_the_reference() -> None:
    figures = load_file(Path(__file__).parents[1] / "data" / "parity" / "sigmas.safetensors")["model_sigmas"]
    assert torch.equal(torch.tensor(scaled_linear_sigmas()), figures)


# ── declining ────────────────────────────────────────────────────────────────────────────────────────────────────────

UNET_IN = "model.diffusion_model.input_blocks.0.0.weight"
PROJECTION = "model.diffusion_model.middle_block.1.proj_in.weight"
TOKENS = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({UNET_IN: None}, "it has no model.diffusion_model.input_blocks.0.0.weight"),
        ({UNET_IN: torch.zeros(32)}, r"has the shape \[32\], not 4 dimensions"),
        ({PROJECTION: torch.zeros(64, 64)}, "attention sits between linear layers: SD2 or SDXL"),
        ({"model.diffusion_model.label_emb.0.0.weight": torch.zeros(1)}, "summary vector .*: SDXL"),
        ({TOKENS: None}, "it has no cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"),
        ({TOKENS: torch.zeros(49408, 64)}, "text encoder gives 64 channels, but the U-Net reads 32"),
        ({TOKENS: torch.zeros(100, 32)}, "knows 100 tokens at 77 positions, not CLIP's 49408 at 77"),
        ({"model.diffusion_model.input_blocks.1.0.in_layers.2.weight": torch.zeros(20, 32, 3, 3)}, "into 32 groups"),
        ({"model.diffusion_model.middle_block.1.transformer_blocks.1.x": torch.zeros(1)}, "blocks per attention"),
        ({"model.diffusion_model.out.2.weight": torch.zeros(8, 32, 3, 3)}, "gives 8 channels, but the VAE reads 4"),
        ({"cond_stage_model.transformer.text_model.encoder.layers.9999.x": torch.zeros(1)}, "numbered up to 9999"),
        ({"first_stage_model.encoder.down.8.block.0.conv1.weight": torch.zeros(1)}, "its VAE has 9 levels"),
        ({TOKENS: torch.zeros(49408, 200)}, "the width 200 of .*encoder does not divide into 3 heads"),
    ],
)  # fmt: skip
def test_what_is_missing_or_different_is_the_reason(
    tmp_path: Path, changes: dict[str, torch.Tensor | None], reason: str
) -> None:
    file = open_checkpoint(changed(shared_checkpoint(), tmp_path / "m.safetensors", **changes))
    assert isinstance(sd1.detect(file), Declined)
    with pytest.raises(UnknownModelError, match=rf"no model family recognises .*m\.safetensors.* sd1: .*{reason}"):
        detect_family(file, [sd1])


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        (["lora_unet_x.lora_up.weight", "lora_unet_x.lora_down.weight", "lora_unet_x.alpha"], "a LoRA"),
        (["unet.x.lora_A.weight", "unet.x.lora_B.weight"], "a LoRA"),
        (["encoder.down.0.block.0.conv1.weight", "decoder.up.0.block.0.conv1.weight"], "a VAE alone"),
        (["first_stage_model.encoder.conv_in.weight", "first_stage_model.decoder.conv_in.weight"], "a VAE alone"),
        (["text_model.encoder.layers.0.mlp.fc1.weight"], "a text encoder alone"),
        (["input_hint_block.0.weight", "zero_convs.0.0.weight"], "a ControlNet"),
        (["down_blocks.0.resnets.0.time_emb_proj.weight"], "one part of a diffusers folder"),
        (["input_blocks.0.0.weight"], "a diffusion network alone"),
        (["emb_params"], "a textual inversion"),
    ],
)
def test_files_that_are_no_checkpoints_are_named(tmp_path: Path, keys: list[str], kind: str) -> None:
    save_file({key: torch.zeros(1) for key in keys}, tmp_path / "x.safetensors")
    with pytest.raises(UnknownModelError, match=rf"It looks like {kind}.*`sdkit inspect FILE`"):
        detect_family(open_checkpoint(tmp_path / "x.safetensors"), [sd1])


def test_a_few_odd_keys_do_not_make_a_file_look_like_something() -> None:
    assert looks_like({"a": 1, "b": 1, "c": 1, "lora_unet_x.alpha": 1}) == ""
    assert looks_like({}) == ""


def test_without_any_family_the_error_says_so() -> None:
    with pytest.raises(UnknownModelError, match="No family is registered"):
        detect_family(open_checkpoint(shared_checkpoint()), [])


# ── loading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_missing_weights_are_named_at_once(tmp_path: Path) -> None:
    key = "first_stage_model.decoder.up.1.block.0.conv1.weight"
    path = changed(shared_checkpoint(), tmp_path / "m.safetensors", **{key: None})
    with pytest.raises(WeightsError, match=rf"m\.safetensors lacks 1 of the \d+ weights of its Vae \(first: {key}\)"):
        load(path)


def test_a_wrong_shape_shows_both(tmp_path: Path) -> None:
    key = "model.diffusion_model.out.2.weight"
    path = changed(shared_checkpoint(), tmp_path / "m.safetensors", **{key: torch.zeros(4, 16, 3, 3)})
    with pytest.raises(WeightsError, match=rf"{key} has the shape \[4, 16, 3, 3\], but .* \[4, 32, 3, 3\]"):
        load(path)


def test_unknown_keys_are_reported_and_harmless_ones_are_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = torch.zeros(1)
    harmless = {"alphas_cumprod": one, "model_ema.decay": one, "betas": one, "sqrt_alphas_cumprod": one}
    changes = {**harmless, "mystery.weight": one}
    path = changed(shared_checkpoint(), tmp_path / "m.safetensors", **changes)
    with caplog.at_level(logging.WARNING, "sdkit"):
        load(path)
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: 1 unknown keys are not used (first: mystery.weight)"
    ]


def test_metadata_changes_nothing_that_is_computed(tmp_path: Path) -> None:
    liar = {"modelspec.architecture": "stable-diffusion-xl-v1", "modelspec.prediction_type": "v"}
    with_it = load(random_checkpoint(tmp_path / "with.safetensors", metadata=liar))
    without = load(random_checkpoint(tmp_path / "without.safetensors"))
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    embedding = with_it.encode_text(plain_prompt("a cat"))
    assert with_it.spec == without.spec
    assert torch.equal(embedding.context, without.encode_text(plain_prompt("a cat")).context)
    assert torch.equal(with_it.predict(x, 500, embedding), without.predict(x, 500, embedding))
    assert torch.equal(with_it.decode(x), without.decode(x))
