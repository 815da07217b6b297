"""sdkit's networks against diffusers' and transformers', on the same random weights."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from sdkit.models import LatentDiffusion, open_checkpoint, sd1
from sdkit.models.clip import clip_pixels
from sdkit.models.families import Detection
from sdkit.models.sd1_family import SD1Architecture
from sdkit.models.tokenizer import plain_prompt
from sdkit.testing.models import random_checkpoint

oracles = pytest.importorskip("tests.models.oracles")


def assert_same(ours: Tensor, theirs: Tensor) -> None:
    """In float32, with sums in another order."""
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=2e-5)


class Case:
    """A random checkpoint, loaded, and its raw weights."""

    def __init__(self, path: Path) -> None:
        file = open_checkpoint(path)
        detection = sd1.detect(file)
        assert isinstance(detection, Detection)
        assert isinstance(detection.architecture, SD1Architecture)
        self.architecture = detection.architecture
        self.model: LatentDiffusion = sd1.load(file, detection, device=torch.device("cpu"))
        self.file = file

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
