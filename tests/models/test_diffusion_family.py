import gzip
import json
import logging
import re
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr
from safetensors.torch import load_file, save_file

from sdkit.errors import UnknownModelError, WeightsError
from sdkit.models import (
    Declined,
    Detection,
    LatentDiffusion,
    TensorInfo,
    detect_family,
    open_checkpoint,
    save_model,
    sd1,
    sd2,
    sdxl,
    sdxl_refiner,
)
from sdkit.models.diffusion_family import Architecture, DiffusionFamily
from sdkit.models.families import looks_like
from sdkit.models.tokenizer import plain_prompt
from sdkit.sigmas import scaled_linear_sigmas, zero_terminal_snr
from sdkit.testing.models import Kind, random_checkpoint, shared_checkpoint

CPU = torch.device("cpu")
DATA = Path(__file__).parents[1] / "data"


def detection_of(path: Path) -> tuple[Detection, Architecture]:
    detection = sd1.detect(open_checkpoint(path))
    assert isinstance(detection, Detection), detection
    assert isinstance(detection.architecture, Architecture)
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
    assert unet.depths == tuple((int(level in attention),) * layers for level in range(len(widths)))
    assert (unet.in_channels, unet.out_channels, unet.context) == (4, 4, 32)


def test_vae_text_and_image_towers_are_read_off_the_shapes(tmp_path: Path) -> None:
    path = random_checkpoint(
        tmp_path / "m.safetensors", vae_widths=(32, 64, 96), vae_layers=2, text_width=128, text_layers=3
    )
    detection, architecture = detection_of(path)
    assert (architecture.vae.widths, architecture.vae.layers, architecture.vae.factor) == ((32, 64, 96), 2, 4)
    assert (
        architecture.texts[0].architecture.transformer.layers,
        architecture.texts[0].architecture.transformer.heads,
    ) == (3, 2)
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
    assert (unet.widths, unet.layers, unet.depths, unet.context) == (
        (320, 640, 1280, 1280),
        2,
        ((1, 1),) * 3 + ((0, 0),),
        768,
    )
    assert (
        architecture.texts[0].architecture.transformer.layers,
        architecture.texts[0].architecture.transformer.heads,
    ) == (12, 12)
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


# ── the other kinds ──────────────────────────────────────────────────────────────────────────────────────────────────

KINDS = ("sd1", "sd1_inpaint", "sd1_edit", "sd2", "sdxl", "sdxl_inpaint", "sdxl_refiner", "ssd1b")
FAMILIES = (sd1, sd2, sdxl, sdxl_refiner)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_recognised_by_its_own_family_and_no_other_and_by_all_its_keys(
    kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    file = open_checkpoint(shared_checkpoint(kind))
    expected = {"ssd1b": "sdxl"}.get(kind, kind.removesuffix("_inpaint").removesuffix("_edit"))
    assert [family.name for family in FAMILIES if isinstance(family.detect(file), Detection)] == [expected]
    family, detection = detect_family(file, FAMILIES)
    with caplog.at_level(logging.WARNING, "sdkit"):
        spec = family.load(file, detection, device=CPU, dtype="auto").spec
    assert not [record for record in caplog.records if "unknown keys" in record.getMessage()]
    extra = 5 if kind.endswith("inpaint") else 4 if kind.endswith("edit") else 0
    assert (spec.family, spec.prediction, spec.latent_channels, spec.input_channels) == (expected, "eps", 4, 4 + extra)
    assert spec.defaults.clip_skip == (1 if expected == "sd1" else 2)


def test_the_reasons_name_what_is_special() -> None:
    told = {kind: "\n".join(detect_family(open_checkpoint(shared_checkpoint(kind)), FAMILIES)[1].why) for kind in KINDS}
    assert "9 input and 4 output channels: inpaints" in told["sd1_inpaint"]
    assert "8 input and 4 output channels: edits a picture" in told["sd1_edit"]
    assert "attention between linear layers, and to texts of 32 channels: SD2" in told["sd2"]
    assert "1600 channels: 64 of the text, 256 for each of 6 numbers" in told["sdxl"]
    assert "1344 channels: 64 of the text, 256 for each of 5 numbers" in told["sdxl_refiner"]
    assert "transformer blocks by level: 0; 2; 2; none in the middle" in told["ssd1b"]


def published(name: str) -> dict[str, list[int]]:
    """Names and shapes of published checkpoints: of SDXL as it is, of others as its or SD 1.5's shapes changed."""
    with gzip.open(DATA / "shapes_sdxl.json.gz", "rt") as stream:
        shapes: dict[str, list[int]] = json.load(stream)
    unet = "model.diffusion_model."
    if name == "sdxl":
        return shapes
    if name == "ssd1b":
        gone = ("middle_block.1.", "middle_block.2.")
        kept = {"input_blocks.7.1": 4, "input_blocks.8.1": 4, "output_blocks.0.1": 4, "output_blocks.1.1": 4,
                "output_blocks.4.1": 1, "output_blocks.5.1": 1}  # fmt: skip
        for place, depth in kept.items():
            gone += tuple(f"{place}.transformer_blocks.{index}." for index in range(depth, 10))
        return {key: shape for key, shape in shapes.items() if not key.removeprefix(unet).startswith(gone)}
    assert name == "inpainting"
    shapes[f"{unet}input_blocks.0.0.weight"][1] = 9
    return shapes


@pytest.mark.parametrize(
    ("name", "evidence"),
    [
        ("sdxl", "transformer blocks by level: 0, 0; 2, 2; 10, 10; 10 in the middle (SDXL's)"),
        ("ssd1b", "transformer blocks by level: 0, 0; 2, 2; 4, 4; none in the middle (SSD-1B's)"),
        ("inpainting", "9 input and 4 output channels: inpaints"),
    ],
)
def test_the_shapes_of_stable_diffusion_xl_are_recognised_and_every_weight_finds_its_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, evidence: str
) -> None:
    file = open_checkpoint(shapes_only(tmp_path / "xl.safetensors", published(name)))
    family, detection = detect_family(file, FAMILIES)
    assert family is sdxl
    assert evidence in detection.why
    assert isinstance(detection.architecture, Architecture)
    unet, (first, second) = detection.architecture.unet, detection.architecture.texts
    assert (unet.widths, unet.heads, unet.context, unet.summary) == ((320, 640, 1280), (5, 10, 20), 2048, 2816)
    assert (first.architecture.transformer.layers, first.architecture.transformer.activation) == (12, "quick_gelu")
    assert (second.architecture.transformer.layers, second.architecture.transformer.heads) == (32, 20)
    assert (second.architecture.transformer.activation, second.architecture.projection) == ("gelu", 1280)
    with caplog.at_level(logging.WARNING, "sdkit"):
        spec = sdxl.load(file, detection, device=CPU).spec
    assert not caplog.records
    assert (spec.defaults.width, spec.defaults.height, spec.latent_factor) == (1024, 1024, 8)


def test_depths_on_the_way_up_are_read_block_by_block(tmp_path: Path) -> None:
    file = open_checkpoint(shapes_only(tmp_path / "xl.safetensors", published("ssd1b")))
    architecture = detect_family(file, FAMILIES)[1].architecture
    assert isinstance(architecture, Architecture)
    assert architecture.unet.depths_up == ((0, 0, 0), (2, 1, 1), (4, 4, 10))
    assert architecture.unet.middle == 0


@pytest.mark.parametrize(
    ("kind", "changes", "family", "reason"),
    [
        ("sd2", {"model.diffusion_model.label_emb.0.0.weight": torch.zeros(8, 1536)}, sd2, "SDXL, or SD2 unCLIP"),
        ("sdxl", {"model.diffusion_model.label_emb.0.0.weight": torch.zeros(128, 1000)}, sdxl, "1000 channels, not 64"),
        ("sdxl", {"edm_mean": torch.zeros(1)}, sdxl, "Playground v2.5.*not supported"),
        ("sdxl", {"edm_vpred.sigma_max": torch.zeros(1)}, sdxl, "CosXL.*not supported"),
        (
            "sd1",
            {"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(32, 6, 3, 3)},
            sd1,
            "reads 6 channels, n",
        ),
    ],
)
def test_what_cannot_be_run_is_declined(
    tmp_path: Path, kind: Kind, changes: dict[str, torch.Tensor], family: DiffusionFamily, reason: str
) -> None:
    answer = family.detect(open_checkpoint(changed(shared_checkpoint(kind), tmp_path / "m.safetensors", **changes)))
    assert isinstance(answer, Declined)
    assert re.search(reason, answer.reason)


# ── what it predicts ─────────────────────────────────────────────────────────────────────────────────────────────────

TELLING = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"


def prediction_of(path: Path) -> tuple[str, float, str]:
    detection = detect_family(open_checkpoint(path), FAMILIES)[1]
    assert isinstance(detection.architecture, Architecture)
    spec = detection.architecture.spec
    assert spec.prediction == detection.prediction
    return spec.prediction, spec.sigmas[-1], next(line for line in detection.why if line.startswith("predicts"))


@pytest.mark.parametrize("kind", ["sd1", "sdxl"])
def test_marker_keys_tell_what_it_predicts_and_with_how_much_noise(tmp_path: Path, kind: Kind) -> None:
    path = random_checkpoint(tmp_path / "v.safetensors", kind=kind, prediction="v", image_tower=False)
    assert prediction_of(path)[:2] == ("v", pytest.approx(14.6146, abs=1e-4))
    path = random_checkpoint(tmp_path / "z.safetensors", kind=kind, prediction="v", zero_snr=True, image_tower=False)
    prediction, largest, why = prediction_of(path)
    assert (prediction, largest) == ("v", pytest.approx((1 / 4.8973451890853435e-08 - 1) ** 0.5))
    assert why == "predicts v: it has the key v_pred, and the noise of its last step is pure"


def test_zero_snr_keeps_the_first_sigma_and_grows_towards_the_last() -> None:
    plain = scaled_linear_sigmas()
    pure = zero_terminal_snr(plain)
    assert pure[0] == pytest.approx(plain[0], rel=1e-6)
    assert all(low < high for low, high in pairwise(pure))
    alphas = 1 / (1 + torch.tensor(plain, dtype=torch.float64) ** 2)
    betas = 1 - alphas / torch.cat((torch.ones(1, dtype=torch.float64), alphas[:-1]))
    theirs = rescale_zero_terminal_snr(betas)  # diffusers', by betas; its last alpha is 0
    expected = ((1 - (1 - theirs).cumprod(0)) / (1 - theirs).cumprod(0)) ** 0.5
    torch.testing.assert_close(torch.tensor(pure[:-1], dtype=torch.float64), expected[:-1], rtol=1e-9, atol=0)


def test_a_name_in_the_metadata_tells_where_no_key_does(tmp_path: Path) -> None:
    for said, expected in (("v", "v"), ("V_Prediction", "v"), ("epsilon", "eps"), ("unknown", "eps")):
        path = random_checkpoint(tmp_path / "m.safetensors", metadata={"modelspec.prediction_type": said})
        assert prediction_of(path)[0] == expected
    path = random_checkpoint(
        tmp_path / "m.safetensors", prediction="v", metadata={"modelspec.prediction_type": "epsilon"}
    )
    assert prediction_of(path)[0] == "v"


@pytest.mark.parametrize(("spread", "channels", "expected"), [(0.08, 4, "eps"), (0.1, 4, "v"), (0.1, 9, "eps")])
def test_stable_diffusion_2_is_told_by_the_spread_of_one_weight(
    tmp_path: Path, spread: float, channels: int, expected: str
) -> None:
    path = random_checkpoint(
        tmp_path / "a.safetensors", kind="sd2", in_channels=channels,
        unet_widths=(32, 32, 32, 32), unet_layers=2, attention_levels=(0, 1, 2, 3),
    )  # fmt: skip
    bias = torch.tensor([spread, -spread]).repeat(16)
    assert TELLING in open_checkpoint(path).infos
    path = changed(path, tmp_path / "b.safetensors", **{TELLING: bias})
    prediction, _, why = prediction_of(path)
    assert prediction == expected
    assert ("the standard deviation of" in why) == (channels == 4)
    marked = changed(path, tmp_path / "c.safetensors", v_pred=torch.zeros(0))
    assert prediction_of(marked)[0] == "v"


def test_small_models_default_to_small_pictures_whatever_the_metadata_says(tmp_path: Path) -> None:
    path = random_checkpoint(tmp_path / "m.safetensors", metadata={"modelspec.resolution": "1024x1024"})
    assert detection_of(path)[1].spec.defaults.width == 128


def test_sigmas_are_those_of_the_reference() -> None:
    figures = load_file(Path(__file__).parents[1] / "data" / "parity" / "sigmas.safetensors")["model_sigmas"]
    torch.testing.assert_close(
        torch.tensor(scaled_linear_sigmas(), dtype=torch.float64), figures.double().flatten(), rtol=1e-6, atol=0
    )


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
        ({"model.diffusion_model.label_emb.0.0.weight": torch.zeros(8, 9)}, "summary vector .*: SDXL"),
        ({TOKENS: None}, "it has no cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"),
        ({TOKENS: torch.zeros(49408, 64)}, "text encoder gives 64 channels, but the U-Net reads 32"),
        ({TOKENS: torch.zeros(100, 32)}, "knows 100 tokens at 77 positions, not CLIP's 49408 at 77"),
        ({"model.diffusion_model.input_blocks.1.0.in_layers.2.weight": torch.zeros(20, 32, 3, 3)}, "into 32 groups"),
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
    ("keys", "message"),
    [
        (["lora_unet_x.lora_up.weight", "lora_unet_x.lora_down.weight", "lora_unet_x.alpha"], r"a LoRA, .*<lora:NAME"),
        (["unet.x.lora_A.weight", "unet.x.lora_B.weight"], "a LoRA, PEFT's names"),
        (["encoder.conv_in.weight", "decoder.conv_in.weight"], "a VAE alone. Load a checkpoint, and give this file as"),
        (["first_stage_model.encoder.conv_in.weight", "first_stage_model.decoder.conv_in.weight"], "a VAE alone"),
        (["text_model.embeddings.token_embedding.weight"], r"a text encoder alone \(CLIP\)"),
        (["input_hint_block.0.weight", "zero_convs.0.0.weight"], "a ControlNet. It steers a checkpoint"),
        (["input_hint_block.0.weight", *(f"input_blocks.{n}.0.weight" for n in range(9))], "a ControlNet"),
        (["down_blocks.0.resnets.0.time_emb_proj.weight"], r"a diffusion network \(U-Net\) alone"),
        (["model.diffusion_model.input_blocks.0.0.weight", "x.token_embedding.weight"], "a checkpoint without its VAE"),
        (["model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight"], "Stable Diffusion 3. sdkit does not run"),
        (["double_blocks.0.img_attn.qkv.weight"], "Flux, or a model built like it. sdkit does not run it"),
        (["emb_params"], "a textual inversion .*put this file into the folder of embeddings"),
        (["body.0.rdb1.conv1.weight"], "an upscaler"),
    ],
)
def test_files_that_are_no_checkpoints_are_named_with_their_use(tmp_path: Path, keys: list[str], message: str) -> None:
    save_file({key: torch.zeros(1) for key in keys}, tmp_path / "x.safetensors")
    with pytest.raises(UnknownModelError, match=rf"It looks like {message}.*`sdkit inspect FILE`"):
        detect_family(open_checkpoint(tmp_path / "x.safetensors"), [sd1])


def test_the_family_that_such_a_file_is_for_is_said_and_like_reasons_stand_together(tmp_path: Path) -> None:
    key = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight"
    save_file({key: torch.zeros(4, 2048)}, tmp_path / "x.safetensors")
    with pytest.raises(UnknownModelError) as caught:
        detect_family(open_checkpoint(tmp_path / "x.safetensors"), FAMILIES)
    assert "It looks like a LoRA, kohya's names, for sdxl. " in str(caught.value)
    assert "sd1, sd2, sdxl, sdxl_refiner: no key begins with 'model.diffusion_model.'. " in str(caught.value)


def test_a_few_odd_keys_do_not_make_a_file_look_like_something() -> None:
    one = TensorInfo((1,), "F16")
    assert looks_like({"a": one, "b": one, "c": one, "lora_unet_x.alpha": one}) == ""
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


def test_lying_metadata_change_nothing_that_shapes_show(tmp_path: Path) -> None:
    liar = {"modelspec.architecture": "stable-diffusion-xl-v1", "modelspec.resolution": "1024x1024"}
    with_it = load(random_checkpoint(tmp_path / "with.safetensors", metadata=liar))
    without = load(random_checkpoint(tmp_path / "without.safetensors"))
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    embedding = with_it.encode_text(plain_prompt("a cat"))
    assert with_it.spec == without.spec
    assert torch.equal(embedding.context, without.encode_text(plain_prompt("a cat")).context)
    assert torch.equal(with_it.predict(x, 500, embedding), without.predict(x, 500, embedding))
    assert torch.equal(with_it.decode(x), without.decode(x))


@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_weights_that_are_no_numbers_are_named_at_once_or_at_the_first_result(tmp_path: Path, number: float) -> None:
    key = "model.diffusion_model.middle_block.0.in_layers.2.weight"
    broken = torch.zeros(64, 64, 3, 3)
    broken[0, 0, 0, 0] = number
    path = changed(shared_checkpoint(), tmp_path / "m.safetensors", **{key: broken})
    with pytest.raises(WeightsError, match=rf"m\.safetensors: the weight {key} holds numbers that are not finite"):
        load(path)
    hidden = torch.zeros(64, 64, 3, 3)
    hidden[:, -1] = number
    model = load(changed(shared_checkpoint(), tmp_path / "n.safetensors", **{key: hidden}))
    with pytest.raises(WeightsError, match=f"{key} holds numbers that are not finite"):
        model.predict(torch.zeros(1, 4, 8, 8), 5.0, model.encode_text(plain_prompt("a")))


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_weights_of_every_dtype_are_computed_with_in_full(tmp_path: Path, dtype: str) -> None:
    exact = load(random_checkpoint(tmp_path / "f.safetensors", dtype="float32"))
    rough = load(random_checkpoint(tmp_path / "r.safetensors", dtype=dtype))
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    embedding = exact.encode_text(plain_prompt("a cat"))
    ours, theirs = rough.predict(x, 500.0, embedding), exact.predict(x, 500.0, embedding)
    assert rough.dtype == torch.float32
    assert 0 < (ours - theirs).norm() / theirs.norm() < (0.05 if dtype == "bfloat16" else 0.7)
    key = "model.diffusion_model.out.2.weight"
    stored = rough.networks.unet().state_dict()["out.2.weight"]
    assert torch.equal(stored, open_checkpoint(tmp_path / "r.safetensors").tensor(key).float())


def test_weights_of_one_byte_with_scales_are_their_products(tmp_path: Path) -> None:
    whole = {key: weight.float() for key, weight in load_file(shared_checkpoint("sdxl")).items()}
    scaled: dict[str, torch.Tensor] = {}
    for key, weight in whole.items():
        if key.startswith("model.diffusion_model.") and weight.ndim == 2 and key.endswith(".weight"):
            rows = "attn1.to_q" in key  # one scale for each row; one for all elsewhere
            scale = (weight.abs().amax(1) if rows else weight.abs().max()) / 448
            scaled[key] = (weight / (scale[:, None] if rows else scale)).to(torch.float8_e4m3fn)
            scaled[key.removesuffix("weight") + "scale_weight"] = scale
        else:
            scaled[key] = weight
    marker = torch.zeros(2).to(torch.float8_e4m3fn)
    save_file({**scaled, "model.diffusion_model.scaled_fp8": marker}, tmp_path / "s.safetensors")
    file = open_checkpoint(tmp_path / "s.safetensors")
    family, detection = detect_family(file, FAMILIES)
    assert family is sdxl
    model = sdxl.load(file, detection, device=CPU)
    for name in ("attn1.to_q", "attn1.to_k"):
        key = f"middle_block.1.transformer_blocks.0.{name}.weight"
        stored, expected = model.networks.unet().state_dict()[key], whole[f"model.diffusion_model.{key}"]
        assert stored.dtype == torch.float32
        assert 0.01 < (stored - expected).norm() / expected.norm() < 0.04
    saved = save_model(model, tmp_path / "saved.safetensors", dtype="float16")
    assert not [key for key in load_file(saved) if "scale" in key]
