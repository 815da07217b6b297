"""What the noise predictor reads beside the latents."""

import gc
import weakref
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sdkit.errors import ModelError
from sdkit.models import LatentDiffusion, detect_family, open_checkpoint, sd1, sdxl, sdxl_refiner
from sdkit.models.diffusion_family import DiffusionFamily
from sdkit.models.inputs import BLANK
from sdkit.models.summary import negative_size, size_numbers
from sdkit.models.tokenizer import plain_prompt
from sdkit.testing.models import Kind, shared_checkpoint
from sdkit.types import SizeConditioning


def load(kind: Kind) -> LatentDiffusion:
    file = open_checkpoint(shared_checkpoint(kind))
    family, detection = detect_family(file, (sd1, sdxl, sdxl_refiner))
    assert isinstance(family, DiffusionFamily)
    return family.load(file, detection, device=torch.device("cpu"))


def latents(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("kind", ["sd1_inpaint", "sdxl_inpaint"])
def test_an_inpainting_model_without_a_mask_sees_a_blank_picture_masked_all_over(kind: Kind) -> None:
    model, x = load(kind), latents(2, 4, 8, 10)
    embedding = model.encode_text(plain_prompt("a cat"))
    blank = torch.tensor((1.0, *BLANK))[None, :, None, None].expand(2, 5, 8, 10)
    told = model.predict(x, 500.0, replace(embedding, channels=blank))
    assert torch.equal(model.predict(x, 500.0, embedding), told)
    assert BLANK == (0.8223, -0.6876, 0.6364, 0.1380)
    other = model.predict(x, 500.0, replace(embedding, channels=torch.zeros(1, 5, 8, 10)))
    assert (other - told).abs().max() > 0.01


def test_an_editing_model_without_a_picture_sees_zeros() -> None:
    model, x = load("sd1_edit"), latents(1, 4, 8, 8)
    embedding = model.encode_text(plain_prompt("a cat"))
    zeros = model.predict(x, 500.0, replace(embedding, channels=torch.zeros(1, 4, 8, 8)))
    assert torch.equal(model.predict(x, 500.0, embedding), zeros)


def test_channels_are_resized_to_the_latents_and_their_number_is_checked() -> None:
    model, x = load("sd1_edit"), latents(2, 4, 8, 8)
    embedding = model.encode_text(plain_prompt("a cat"))
    flat = torch.full((1, 4, 3, 5), 0.5)
    large = model.predict(x, 500.0, replace(embedding, channels=torch.full((2, 4, 8, 8), 0.5)))
    torch.testing.assert_close(model.predict(x, 500.0, replace(embedding, channels=flat)), large)
    for wrong in (torch.zeros(1, 5, 8, 8), torch.zeros(3, 4, 8, 8)):
        with pytest.raises(
            ModelError, match=r"reads 4 channels beside the latents, of 1 or 2 pictures, but .*\[\d, \d, 8"
        ):
            model.predict(x, 500.0, replace(embedding, channels=wrong))


def test_only_the_refiner_is_told_a_lower_score_with_the_negative_prompt() -> None:
    assert negative_size("sdxl", 64, 80) is None
    size = negative_size("sdxl_refiner", 64, 80)
    assert size is not None
    assert size_numbers(size, 5) == (64, 80, 0, 0, 2.5)
    assert size_numbers(SizeConditioning(64, 80), 5) == (64, 80, 0, 0, 6.0)


def test_without_a_size_the_model_is_told_that_of_the_latents() -> None:
    for kind in ("sdxl", "sdxl_refiner"):
        model, x = load(kind), latents(1, 4, 8, 10)
        embedding = model.encode_text(plain_prompt("a cat"))
        said = model.predict(x, 500.0, replace(embedding, size=SizeConditioning(64, 80)))
        assert torch.equal(model.predict(x, 500.0, embedding), said)
        for size in (SizeConditioning(80, 64), SizeConditioning(64, 80, top=8), SizeConditioning(64, 80, left=8)):
            assert (model.predict(x, 500.0, replace(embedding, size=size)) - said).abs().max() > 1e-4
    default = replace(embedding, size=SizeConditioning(64, 80, aesthetic_score=6.0))
    assert torch.equal(model.predict(x, 500.0, default), said)


def test_an_embedding_of_another_family_is_refused() -> None:
    model, x = load("sdxl"), latents(1, 4, 8, 8)
    embedding = model.encode_text(plain_prompt("a cat"))
    with pytest.raises(ModelError, match="Stable Diffusion XL needs the pooled text beside the context"):
        model.predict(x, 500.0, replace(embedding, pooled=None))
    with pytest.raises(ModelError, match=r"needs a summary of 1600 channels, but .* \[1, 9\] gives 1545"):
        model.predict(x, 500.0, replace(embedding, pooled=torch.zeros(1, 9)))


def test_inputs_are_prepared_once_per_embedding_and_shape_and_go_with_it() -> None:
    model = load("sdxl")
    embedding = model.encode_text(plain_prompt("a cat"))
    cache = model._inputs
    first = cache.get(embedding, torch.Size((1, 4, 8, 8)))
    assert cache.get(embedding, torch.Size((1, 4, 8, 8))) is first
    assert cache.get(embedding, torch.Size((2, 4, 8, 8))).context.shape[0] == 2
    equal = replace(embedding, context=embedding.context + 1)
    assert not torch.equal(cache.get(equal, torch.Size((1, 4, 8, 8))).context, first.context)
    gone = weakref.ref(embedding)
    del embedding
    gc.collect()
    assert gone() is None
    assert len(cache._kept) == 1


def test_unloading_a_model_frees_its_weights() -> None:
    model = load("sd1")
    embedding = model.encode_text(plain_prompt("a cat"))
    model.predict(latents(1, 4, 8, 8), 5.0, embedding)
    weights = [weakref.ref(weight) for weight in model.networks.unet().parameters()]
    assert model.timings["unet"].bytes == sum(4 * each.numel() for each in model.networks.unet().parameters())
    assert set(model.timings) == {"unet", "text_encoder"}
    assert model.timings["unet"].seconds > 0
    model.unload()
    gc.collect()
    assert all(weight() is None for weight in weights)
