"""Previews: the right colours in the right places, fitted once per model."""

from __future__ import annotations

import gc
import threading

import pytest
import torch

from sdkit.builtin.previews import Previews
from sdkit.images import Image
from sdkit.request import Request
from sdkit.testing import ToyModel, make_pipeline
from sdkit.types import CancelToken, Prediction, Run, Step, StepDone


class Counted(ToyModel):
    """Latents are an invertible mixture of the patches' colours, away from zero; encodings are counted."""

    encodings = 0
    mixture = torch.tensor([[0.5, -1.0, 0.2], [1.0, 0.3, -0.7], [-0.2, 0.4, 0.9], [1.0, 1.0, 1.0]])

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        self.encodings += 1
        colours = torch.nn.functional.avg_pool2d(pixels, 8)
        return torch.einsum("cr,brhw->bchw", self.mixture, colours) + 3


def made(previews: Previews, model: ToyModel, latents: torch.Tensor) -> tuple[Image, ...]:
    count = len(latents)
    seeds, prompts = tuple(range(count)), tuple(f"p{i}" for i in range(count))
    run = Run(Request(), model, seeds, prompts, ("n",) * count, (1.0, 0.0), CancelToken(), model.spec)
    step = Step(0, 1.0, 0.0, torch.zeros_like(latents), Prediction(latents, latents), torch.zeros_like(latents))
    return previews.preview(step, run)


def test_colours_and_places_are_right() -> None:
    model = Counted()
    pixels = torch.rand(2, 3, 2, 3, generator=torch.Generator().manual_seed(0))
    latents = model.encode_image(pixels.repeat_interleave(8, 2).repeat_interleave(8, 3))
    images = made(Previews(), model, latents)
    for image, expected in zip(images, pixels, strict=True):
        assert image.pixels.shape == (3, 16, 24)
        corners = image.pixels[:, [0, 0, -1, -1], [0, -1, 0, -1]]
        assert torch.allclose(corners, expected[:, [0, 0, -1, -1], [0, -1, 0, -1]], atol=1e-4)
    assert [(image.seed, image.prompt, image.negative_prompt) for image in images] == [(0, "p0", "n"), (1, "p1", "n")]


@pytest.mark.parametrize(
    ("latents", "preview"),
    [((16, 16), (128, 128)), ((64, 64), (256, 256)), ((64, 128), (128, 256)), ((1, 64), (4, 256))],
)
def test_previews_are_at_most_256_pixels(latents: tuple[int, int], preview: tuple[int, int]) -> None:
    (image,) = made(Previews(), ToyModel(), torch.zeros(1, 4, *latents))
    assert (image.height, image.width) == preview


def test_colours_out_of_range_are_clipped() -> None:
    (image,) = made(Previews(), ToyModel(), torch.full((1, 4, 2, 2), 100.0, dtype=torch.float16))
    assert image.pixels.dtype == torch.float32
    assert (image.pixels.min(), image.pixels.max()) == (1, 1)


def test_the_chart_is_encoded_once_per_model_and_forgotten_with_it() -> None:
    previews, model, other = Previews(), Counted(), Counted()
    threads = [threading.Thread(target=made, args=(previews, model, torch.zeros(1, 4, 2, 2))) for _ in range(8)]
    _ = [thread.start() for thread in threads], [thread.join() for thread in threads]
    made(previews, other, torch.zeros(1, 4, 2, 2))
    assert (model.encodings, other.encodings) == (1, 1)
    assert len(previews._maps) == 2
    del model, threads
    gc.collect()
    assert len(previews._maps) == 1


def test_a_model_that_encodes_everything_alike_gives_grey_not_an_error() -> None:
    class Blind(ToyModel):
        def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
            return torch.zeros(1, 4, pixels.shape[2] // 8, pixels.shape[3] // 8)

    (image,) = made(Previews(), Blind(), torch.ones(1, 4, 2, 2))
    assert image.pixels.sub(0.5).abs().max() < 1e-5


def test_the_last_preview_of_a_run_looks_like_the_picture() -> None:
    pipe = make_pipeline()
    shown = [event.preview() for event in pipe.stream("a cat", seed=1, steps=4) if isinstance(event, StepDone)]
    final = pipe("a cat", seed=1, steps=4).images[0]
    assert len(shown) == 4
    assert shown[-1][0].pixels.shape == final.pixels.shape
    patches = [torch.nn.functional.avg_pool2d(image.pixels, 8) for image in (shown[-1][0], final)]
    assert (patches[0] - patches[1]).abs().mean() < 0.1
