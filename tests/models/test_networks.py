"""sdkit's networks against diffusers' and transformers', on the same random weights."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sdkit.models import LatentDiffusion, detect_family, open_checkpoint, sd1, sd2, sdxl, sdxl_refiner
from sdkit.models.clip import clip_pixels
from sdkit.models.diffusion_family import Architecture, DiffusionFamily
from sdkit.models.tokenizer import plain_prompt
from sdkit.models.views import canonical
from sdkit.testing.models import Kind, random_checkpoint
from sdkit.types import SizeConditioning

FAMILIES = (sd1, sd2, sdxl, sdxl_refiner)

oracles = pytest.importorskip("tests.models.oracles")


def assert_same(ours: Tensor, theirs: Tensor) -> None:
    """In float32, with sums in another order."""
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=2e-5)


class Case:
    """A random checkpoint, loaded, and its raw weights."""

    def __init__(self, path: Path) -> None:
        file = open_checkpoint(path)
        family, detection = detect_family(file, FAMILIES)
        assert isinstance(family, DiffusionFamily)
        assert isinstance(detection.architecture, Architecture)
        self.architecture = detection.architecture
        self.model: LatentDiffusion = family.load(file, detection, device=torch.device("cpu"))
        self.file = canonical(file)

    def weights(self, *prefixes: str, strip: str) -> dict[str, Tensor]:
        keys = [key for key in self.file.infos if key.startswith(prefixes)]
        return {key.removeprefix(strip): self.file.tensor(key).float() for key in keys}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Two layers per level, three levels, none of attention at the finest: every kind of block occurs."""
    path = tmp_path_factory.mktemp("networks") / "case.safetensors"
    return Case(
        random_checkpoint(path, unet_widths=(32, 64, 96), unet_layers=2, vae_widths=(32, 64, 64, 96), text_layers=3)
    )


@pytest.mark.parametrize("size", [(16, 16), (11, 14)], ids=["even", "odd"])
def test_unet_equals_diffusers(case: Case, size: tuple[int, int]) -> None:
    oracle = oracles.unet_oracle(
        case.architecture, case.weights("model.diffusion_model.", strip="model.diffusion_model.")
    )
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 4, *size, generator=generator)
    embedding = case.model.encode_text(plain_prompt("a red circle"))
    ours = case.model.predict(x, 321.5, embedding)
    theirs = oracle(x, torch.tensor(321.5), embedding.context.expand(2, -1, -1)).sample
    assert theirs.std() > 0.1
    assert_same(ours, theirs)


def test_vae_equals_diffusers(case: Case) -> None:
    oracle = oracles.vae_oracle(case.architecture, case.weights("first_stage_model.", strip="first_stage_model."))
    pixels = torch.rand(2, 3, 48, 64, generator=torch.Generator().manual_seed(2))
    latents = case.model.encode_image(pixels)
    assert_same(latents, oracle.encode(pixels * 2 - 1).latent_dist.mode() * 0.18215)
    theirs = (oracle.decode(latents / 0.18215).sample / 2 + 0.5).clamp(0, 1)
    assert theirs.std() > 0.1
    assert_same(case.model.decode(latents), theirs)


def test_text_tower_equals_transformers_also_with_clip_skip(case: Case) -> None:
    prefix = "cond_stage_model.transformer."
    tower = oracles.clip_oracle(case.architecture, case.weights(prefix, strip=prefix)).text_model
    prompt = plain_prompt("two cats, and a dog")
    ids = torch.tensor([case.model.tokenize(prompt)[0].ids])
    theirs = tower(input_ids=ids, output_hidden_states=True)
    assert_same(case.model.encode_text(prompt, 1).context, theirs.last_hidden_state)
    skipped = tower.final_layer_norm(theirs.hidden_states[-2])
    assert (skipped - theirs.last_hidden_state).abs().max() > 0.1
    assert_same(case.model.encode_text(prompt, 2).context, skipped)


def test_similarity_equals_transformers(case: Case) -> None:
    prefix = "cond_stage_model.transformer."
    oracle = oracles.clip_oracle(case.architecture, case.weights(prefix, strip=prefix))
    texts = ("a cat", "a photograph of two dogs on the beach")
    pixels = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    ids = torch.tensor([case.model.tokenize(plain_prompt(text))[0].ids for text in texts])
    output = oracle(input_ids=ids, pixel_values=clip_pixels(pixels, 64))
    theirs = output.text_embeds @ output.image_embeds.T
    assert (theirs[0] - theirs[1]).abs().max() > 0.01
    assert_same(case.model.similarity(texts, pixels), theirs)


# ── the other kinds ──────────────────────────────────────────────────────────────────────────────────────────────────

OTHERS: tuple[Kind, ...] = ("sd2", "sdxl", "sdxl_refiner", "ssd1b")


@pytest.fixture(scope="module", params=OTHERS)
def other(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Two layers per level; heads of 64 channels, more than one at the coarsest."""
    path = tmp_path_factory.mktemp("networks") / f"{request.param}.safetensors"
    return Case(random_checkpoint(path, kind=request.param, unet_layers=2, text_layers=3))


@pytest.mark.parametrize("size", [(16, 16), (9, 14)], ids=["even", "odd"])
def test_unets_of_other_kinds_equal_diffusers(other: Case, size: tuple[int, int]) -> None:
    unet = "model.diffusion_model."
    oracle = oracles.unet_oracle(other.architecture, other.weights(unet, strip=unet))
    x = torch.randn(2, 4, *size, generator=torch.Generator().manual_seed(1))
    embedding = other.model.encode_text(plain_prompt("a red circle"))
    pooled = embedding.pooled
    assert pooled is not None
    added: dict[str, Tensor] = {}
    if other.architecture.kind.numbers:
        numbers = [256.0, 512.0, 8.0, 16.0, 384.0, 640.0]
        embedding = replace(embedding, size=SizeConditioning(256, 512, 8, 16, 384, 640, aesthetic_score=7.5))
        if other.architecture.kind.numbers == 5:
            numbers = [*numbers[:4], 7.5]
        added = {"text_embeds": pooled.expand(2, -1), "time_ids": torch.tensor([numbers, numbers])}
    ours = other.model.predict(x, 321.5, embedding)
    context = embedding.context.expand(2, -1, -1)
    theirs = oracle(x, torch.tensor(321.5), context, added_cond_kwargs=added).sample
    assert theirs.std() > 0.1
    assert_same(ours, theirs)


def test_text_towers_of_other_kinds_equal_transformers(other: Case) -> None:
    prompt = plain_prompt("two cats, and a dog")
    features: list[Tensor] = []
    pooled = torch.zeros(0)
    for number, text in enumerate(other.architecture.texts):
        kept = (f"{text.prefix}text_model.", f"{text.prefix}text_projection." if text.kind.projects else "none")
        oracle = oracles.text_oracle(other.architecture, number, other.weights(*kept, strip=text.prefix))
        ids = other.model.tokenize(prompt)[0].ids
        padding = 49407 if text.kind.name == "l" else 0
        first_end = ids.index(49407)
        ids = (*ids[: first_end + 1], *[padding] * (76 - first_end))
        theirs = oracle(input_ids=torch.tensor([ids]), output_hidden_states=True)
        hidden = theirs.hidden_states[-2]
        features.append(oracle.text_model.final_layer_norm(hidden) if text.kind.name == "h" else hidden)
        pooled = theirs.text_embeds
    ours = other.model.encode_text(prompt)
    assert ours.pooled is not None
    assert_same(ours.context, torch.cat(features, dim=-1))
    assert_same(ours.pooled, pooled)
    assert (other.model.encode_text(prompt, 1).context - ours.context).abs().max() > 0.1


def test_vaes_of_other_kinds_differ_by_their_scale_alone(other: Case) -> None:
    scale = 0.13025 if other.architecture.kind.numbers else 0.18215
    vae = "first_stage_model."
    oracle = oracles.vae_oracle(other.architecture, other.weights(vae, strip=vae))
    pixels = torch.rand(1, 3, 32, 40, generator=torch.Generator().manual_seed(2))
    latents = other.model.encode_image(pixels)
    assert_same(latents, oracle.encode(pixels * 2 - 1).latent_dist.mode() * scale)
    assert_same(other.model.decode(latents), (oracle.decode(latents / scale).sample / 2 + 0.5).clamp(0, 1))


def test_towers_of_open_clip_are_views_of_their_file(other: Case) -> None:
    stored = open_checkpoint(other.file.path)
    fused = [key for key in stored.infos if key.endswith("0.attn.in_proj_weight")]
    assert len(fused) == 1
    whole = stored.tensor(fused[0])
    third = len(whole) // 3
    prefix = fused[0].removesuffix("transformer.resblocks.0.attn.in_proj_weight")
    for index, name in enumerate(("q_proj", "k_proj", "v_proj")):
        view = other.file.tensor(f"{prefix}text_model.encoder.layers.0.self_attn.{name}.weight")
        assert torch.equal(view, whole[index * third : (index + 1) * third])
        assert view.is_contiguous()
    view = other.file.tensor(f"{prefix}text_model.encoder.layers.0.self_attn.q_proj.weight")
    assert (
        view.data_ptr() == other.file.tensor(f"{prefix}text_model.encoder.layers.0.self_attn.q_proj.weight").data_ptr()
    )


def test_guidance_goes_into_latent_consistency_models(tmp_path: Path) -> None:
    path = random_checkpoint(tmp_path / "m.safetensors", image_tower=False)
    key = "model.diffusion_model.time_embed.cond_proj.weight"
    weight = torch.randn(32, 256, generator=torch.Generator().manual_seed(5)) / 16
    save_file({**load_file(path), key: weight.half()}, path)
    case = Case(path)
    assert case.model.spec.defaults.steps == 4
    unet = "model.diffusion_model."
    weights = case.weights(unet, strip=unet)
    oracle = oracles.unet_oracle(case.architecture, weights, time_cond_proj_dim=256)
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    embedding = case.model.encode_text(plain_prompt("a red circle"))
    angles = 7500 * torch.exp(torch.arange(128) * -torch.log(torch.tensor(10_000.0)) / 127)
    guidance = torch.cat((angles.sin(), angles.cos()))[None]
    theirs = oracle(x, torch.tensor(321.0), embedding.context, timestep_cond=guidance).sample
    without = oracle(x, torch.tensor(321.0), embedding.context).sample
    assert (theirs - without).abs().max() > 0.01
    torch.testing.assert_close(case.model.predict(x, 321.0, embedding), theirs, rtol=1e-3, atol=1e-3)  # sines of 7500
