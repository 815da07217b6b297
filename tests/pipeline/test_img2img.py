"""img2img: sizes from the picture, how much of it stays, and masks that keep exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sdkit.errors import ImageError, RequestError
from sdkit.images import Image
from sdkit.request import Request, RequestFields
from sdkit.testing import ToyModel, make_pipeline
from sdkit.types import StepDone
from tests.pipeline._pictures import PROMPT, paint, seeded

PICTURE = Image(torch.randint(256, (3, 32, 32), generator=torch.Generator().manual_seed(0)) / 255)
LEFT = (torch.arange(32) < 16).float()


def mask(columns: torch.Tensor) -> Image:
    """White where the columns say 1."""
    return Image(columns.expand(3, 32, -1).contiguous())


@pytest.mark.parametrize("prediction", ["eps", "v", "flow"])
def test_denoise_0_returns_the_initial_latents(prediction) -> None:
    model = ToyModel(prediction=prediction)
    pipe = make_pipeline(model=model)
    result = pipe(PROMPT, init_image=PICTURE, denoise=0.0, count=2)
    assert torch.equal(result.latents.tensor, pipe.encode_image(PICTURE).tensor.expand(2, -1, -1, -1))
    assert model.evaluations == 0


def test_denoise_decides_where_the_steps_begin_and_not_how_many() -> None:
    events = list(make_pipeline().stream(PROMPT, init_image=PICTURE, denoise=0.5, steps=4))
    sigmas = [event.step.sigma for event in events if isinstance(event, StepDone)]
    whole = [event.step.sigma for event in make_pipeline().stream(PROMPT, steps=8) if isinstance(event, StepDone)]
    assert sigmas == whole[4:]


def test_sampling_starts_from_the_picture_with_the_noise_of_the_first_sigma() -> None:
    pipe = make_pipeline()
    events = pipe.stream(PROMPT, seed=7, init_image=PICTURE, denoise=0.5)
    (first, *_) = (event.step for event in events if isinstance(event, StepDone))
    noise = torch.randn(4, 4, 4, generator=torch.Generator().manual_seed(7))[None]
    torch.testing.assert_close(first.x_in, pipe.encode_image(PICTURE).tensor + first.sigma * noise)


def test_the_more_denoise_the_farther_from_the_picture() -> None:
    pipe = make_pipeline()
    start = pipe.encode_image(PICTURE).tensor

    def distance(denoise: float) -> float:
        latents = pipe(PROMPT, seed=7, init_image=PICTURE, denoise=denoise, steps=20).latents.tensor
        return float((latents - start).abs().mean())

    distances = [distance(denoise) for denoise in (0.0, 0.2, 0.5, 0.9)]
    assert distances == sorted(distances)
    assert distances[1] < 0.5 * distances[3]


@pytest.mark.parametrize(("width", "height", "made"), [(32, 32, (32, 32)), (45, 38, (40, 32)), (5, 9, (8, 8))])
def test_the_size_comes_from_the_picture(width: int, height: int, made: tuple[int, int]) -> None:
    result = make_pipeline()(PROMPT, init_image=Image(torch.rand(3, height, width)), denoise=0.5)
    assert result.request.size == made
    assert (result.images[0].width, result.images[0].height) == made


def test_a_size_that_is_asked_for_wins_over_the_pictures() -> None:
    result = make_pipeline()(PROMPT, init_image=PICTURE, denoise=0.5, width=64)
    assert result.request.size == (64, 32)


@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral", "dpmpp_2m", "heun"])
@pytest.mark.parametrize("prediction", ["eps", "flow"])
def test_a_mask_keeps_exactly_what_is_black(sampler: str, prediction) -> None:
    pipe = make_pipeline(model=ToyModel(prediction=prediction))
    start = pipe.encode_image(PICTURE).tensor
    fields: RequestFields = {"init_image": PICTURE, "mask": mask(LEFT), "denoise": 0.8, "sampler": sampler, "count": 2}
    latents = pipe(PROMPT, **seeded(fields)).latents.tensor
    assert torch.equal(latents[..., 2:], start[..., 2:].expand(2, -1, -1, -1)), "black keeps"
    assert (latents[..., :2] - start[..., :2]).abs().mean() > 0.1, "white changes"


def test_a_white_mask_is_no_mask_and_a_black_one_keeps_all() -> None:
    pipe = make_pipeline()
    white, black = mask(torch.ones(32)), mask(torch.zeros(32))
    unmasked = paint(pipe, init_image=PICTURE, denoise=0.8)
    assert torch.equal(paint(pipe, init_image=PICTURE, denoise=0.8, mask=white), unmasked)
    start = pipe.encode_image(PICTURE).tensor
    assert torch.equal(pipe(PROMPT, init_image=PICTURE, denoise=0.8, mask=black).latents.tensor, start)


def test_a_mask_of_another_size_is_an_error_that_shows_both() -> None:
    with pytest.raises(
        RequestError, match="the mask is 16×32, but the initial image is 32×32; they must have the same"
    ):
        make_pipeline()(PROMPT, init_image=PICTURE, mask=mask(torch.ones(16)), denoise=0.5)


def test_mask_and_denoise_need_a_picture() -> None:
    with pytest.raises(RequestError, match="a mask needs an init_image"):
        make_pipeline()(PROMPT, mask=mask(LEFT))
    with pytest.raises(RequestError, match="denoise below 1 needs an init_image"):
        make_pipeline()(PROMPT, denoise=0.5)


def test_a_picture_is_read_from_its_file_and_may_not_change_until_then(tmp_path: Path) -> None:
    path = PICTURE.save(tmp_path / "start.png")
    request = Request(prompt=PROMPT, seed=7, init_image=path, denoise=0.5)
    read = Image.from_pil(PICTURE.to_pil())
    assert torch.equal(
        paint(make_pipeline(), init_image=read, denoise=0.5), make_pipeline()(request).images[0].pixels[None]
    )
    Image(torch.zeros(3, 32, 32)).save(path, overwrite=True)
    with pytest.raises(ImageError, match=r"start.png' is not the one that the request was made with: it has changed"):
        make_pipeline()(request)


def test_a_missing_picture_names_its_path(tmp_path: Path) -> None:
    with pytest.raises((ImageError, RequestError), match=r"nowhere.png"):
        make_pipeline()(PROMPT, init_image=tmp_path / "nowhere.png", denoise=0.5)
