"""The stages by hand: encode, sample, decode give what a call gives, bit for bit, also the record in the picture."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from pydantic import BaseModel

import sdkit
from sdkit.errors import RequestError
from sdkit.images import Image
from sdkit.pipeline import Pipeline
from sdkit.request import Request, RequestFields
from sdkit.testing import ToyModel, make_pipeline
from sdkit.types import Run, RunPlan
from tests.pipeline._pictures import PROMPT, paint, pixels, plugin, seeded

PICTURE = Image(torch.randint(256, (3, 32, 32), generator=torch.Generator().manual_seed(0)) / 255)
MASK = Image((torch.arange(32) < 16).float().expand(3, 32, 32).contiguous())


def transform_prompt(plan: RunPlan) -> Callable[[str, int], str]:
    """Another colour for each seed."""
    return lambda text, seed: text.replace("COLOUR", ("red", "green", "blue")[seed % 3])


SAMPLED: dict[str, RequestFields] = {
    "defaults": {},
    "count": {"count": 3},
    "more than a batch": {"count": 6},
    "seeds": {"seeds": (9, 1, 9)},
    "sampler": {"sampler": "euler_ancestral", "schedule": "karras", "steps": 9, "sampler_options": {"eta": 0.5}},
    "size": {"width": 64, "height": 40},
    "no guidance": {"guidance_scale": 1.0},
    "img2img": {"init_image": PICTURE, "denoise": 0.6},
    "masked": {"init_image": PICTURE, "denoise": 0.6, "mask": MASK, "count": 2},
}


@pytest.mark.parametrize("fields", SAMPLED.values(), ids=list(SAMPLED))
@pytest.mark.parametrize("colours", [False, True], ids=["plain", "with prompts per picture"])
def test_by_hand_is_bit_identical_to_a_call(fields: RequestFields, colours: bool) -> None:
    pipe = make_pipeline(plugins=[plugin("colours", transform_prompt=transform_prompt)] if colours else [])
    prompt = "a COLOUR circle" if colours else PROMPT
    fields = seeded(fields)
    cond = pipe.encode(prompt, negative="a star", **fields)
    latents = pipe.sample(cond, **fields)
    images = pipe.decode(latents)
    whole = pipe(Request(prompt=prompt, **fields), negative_prompt="a star")
    assert torch.equal(latents.tensor, whole.latents.tensor)
    assert latents.seeds == whole.seeds
    assert torch.equal(torch.stack([image.pixels for image in images]), pixels(whole))
    assert [image.text for image in images] == [image.text for image in whole.images]


def test_clip_skip_and_syntax_belong_to_encode() -> None:
    pipe = make_pipeline()
    fields: RequestFields = {"clip_skip": 2, "prompt_syntax": "comfy"}
    cond = pipe.encode("a (red:1.4) circle", **fields)
    images = pipe.decode(pipe.sample(cond, seed=7))
    assert torch.equal(images[0].pixels, paint(pipe, "a (red:1.4) circle", **fields)[0])
    assert not torch.equal(images[0].pixels, paint(pipe, "a (red:1.4) circle")[0])


def test_one_conditioning_serves_any_number_of_pictures() -> None:
    pipe = make_pipeline()
    for encoded in (1, 3):
        images = pipe.decode(pipe.sample(pipe.encode(PROMPT, seed=0, count=encoded), seed=7, count=2))
        assert torch.equal(torch.stack([image.pixels for image in images]), paint(pipe, count=2))
        assert [image.prompt for image in images] == [PROMPT] * 2


def test_a_conditioning_for_other_pictures_is_an_error() -> None:
    pipe = make_pipeline(plugins=[plugin("colours", transform_prompt=transform_prompt)])
    cond = pipe.encode("COLOUR", seed=0, count=3)
    with pytest.raises(RequestError, match="the conditioning is for 3 pictures, but 2 are asked for"):
        pipe.sample(cond, seed=0, count=2)


def test_a_plan_with_more_pictures_is_no_single_stage() -> None:
    def double(plan: RunPlan) -> None:
        for name in ("seeds", "prompts", "negative_prompts"):
            setattr(plan, name, getattr(plan, name) * 2)

    pipe = make_pipeline(plugins=[plugin("double", prepare_run=double)])
    assert len(pipe(PROMPT).images) == 2
    with pytest.raises(RequestError, match="makes 2 pictures of a request for 1; call pipe"):
        pipe.encode(PROMPT)


@pytest.mark.parametrize("batch_size", [2, 5])
def test_a_results_latents_decode_to_its_pictures(batch_size: int) -> None:
    pipe = make_pipeline(plugins=[plugin("colours", transform_prompt=transform_prompt)])
    result = pipe("COLOUR", seed=7, count=5, batch_size=batch_size)
    images = pipe.decode(result.latents)
    assert torch.equal(torch.stack([image.pixels for image in images]), pixels(result))
    assert [image.text for image in images] == [image.text for image in result.images]


def test_bare_tensors_decode_too() -> None:
    pipe = make_pipeline()
    result = pipe(PROMPT, seed=7, count=2, width=48)
    images = pipe.decode(result.latents.tensor)
    assert torch.equal(torch.stack([image.pixels for image in images]), pixels(result))


@pytest.mark.parametrize("shape", [(4, 4, 4), (1, 3, 4, 4)])
def test_tensors_of_another_shape_are_an_error_that_shows_both(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        RequestError, match=rf"latents of 'toy' are \[B, 4, H, W\], not \[{', '.join(map(str, shape))}\]"
    ):
        make_pipeline().decode(torch.zeros(shape))


class Factor(BaseModel):
    """Options for the tests."""

    factor: float = 0.5


class Dimming:
    """A plugin with options around the decoder."""

    @sdkit.hookimpl
    def register_options(self, register) -> None:
        register("dim", Factor)

    @sdkit.hookimpl
    def wrap_decode(self, run: Run):
        return lambda decode: lambda latents: decode(latents) * run.option(Factor).factor


def test_latents_of_one_pipeline_decode_in_another_with_its_plugins_and_its_model() -> None:
    plain = make_pipeline()
    latents = plain.sample(plain.encode(PROMPT), seed=7)
    dimmed = plain.using(Dimming).decode(latents)
    assert torch.equal(dimmed[0].pixels, paint(plain)[0] * 0.5)
    with_options = plain.using(Dimming).sample(plain.encode(PROMPT), seed=7, options={"dim": {"factor": 0.25}})
    assert torch.equal(plain.decode(with_options)[0].pixels, paint(plain)[0])

    class White(ToyModel):
        def decode(self, latents: torch.Tensor) -> torch.Tensor:
            return torch.ones(len(latents), 3, 32, 32)

    assert make_pipeline(model=White()).decode(latents)[0].pixels.min() == 1


def test_encode_image_and_back() -> None:
    pipe = make_pipeline()
    flat = torch.full((3, 45, 38), 0.25)
    latents = pipe.encode_image(Image(flat))
    assert latents.tensor.shape == (1, 4, 5, 4), "cut to multiples of 8"
    assert torch.equal(latents.tensor, torch.full((1, 4, 5, 4), -0.5))
    assert torch.equal(pipe.decode(latents)[0].pixels, torch.full((3, 40, 32), 0.25))
    assert torch.equal(
        pipe.encode_image(Image(flat).to_pil()).tensor, pipe.encode_image(Image(flat[:, :40, :32]).to_pil()).tensor
    )


@pytest.mark.parametrize("prediction", ["eps", "flow"])
def test_add_noise_is_the_forward_process(prediction) -> None:
    pipe = Pipeline(ToyModel(prediction=prediction))
    latents = pipe.encode_image(PICTURE)
    same, once, other = (pipe.add_noise(latents, 0.5, seed=seed).tensor for seed in (3, 3, 4))
    assert torch.equal(same, once)
    assert not torch.equal(same, other)
    noise = torch.randn(4, 4, 4, generator=torch.Generator().manual_seed(3))[None]
    clean = latents.tensor * (0.5 if prediction == "flow" else 1.0)
    torch.testing.assert_close(same, clean + 0.5 * noise)
    assert torch.equal(pipe.add_noise(latents, 0.0).tensor, latents.tensor)


def test_tokenize_and_similarity() -> None:
    pipe = make_pipeline()
    (chunk,) = pipe.tokenize("a red circle")
    assert chunk.texts[:4] == ("a", "red", "circle", "")
    red, star = (pipe(text, seed=1, negative_prompt="", guidance_scale=1.0).images[0] for text in ("red", "star"))
    matrix = pipe.similarity(["red", "star"], [red, star])
    assert matrix.shape == (2, 2)
    assert matrix.diagonal().min() > matrix.flip(0).diagonal().max(), "each picture is nearest its own text"
    assert torch.equal(pipe.similarity("red", red), matrix[:1, :1])
    assert torch.equal(pipe.similarity("red", red.to_pil()).round(decimals=2), matrix[:1, :1].round(decimals=2))
