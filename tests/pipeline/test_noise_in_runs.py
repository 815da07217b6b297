"""Noise sources, variations and offsets in whole runs: what a seed stands for, and what a picture's record asks for."""

from __future__ import annotations

import pytest
import torch

from sdkit.errors import RequestError
from sdkit.request import Request
from sdkit.testing import make_pipeline
from tests.pipeline._pictures import PROMPT

SOURCES = list(make_pipeline().noise_sources)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral", "dpmpp_2m_sde"])
def test_a_picture_can_be_made_again_from_its_record(source: str, sampler: str, tmp_path) -> None:
    pipe = make_pipeline()
    made = pipe(PROMPT, seed=7, count=3, steps=3, noise=source, sampler=sampler, batch_size=2)
    path = made.images[1].save(tmp_path / "picture.png")
    again = pipe(Request.from_image(path)).images
    assert torch.equal(again[-1 if len(again) == 1 else 1].pixels, made.images[1].pixels)


@pytest.mark.parametrize("source", SOURCES)
def test_how_many_share_a_batch_changes_no_noise(source: str) -> None:
    pipe = make_pipeline()
    fields = {"prompt": PROMPT, "seed": 7, "count": 3, "steps": 3, "noise": source, "sampler": "euler_ancestral"}
    together, apart = (pipe(Request(**fields, batch_size=size)).latents.tensor for size in (4, 1))
    torch.testing.assert_close(together, apart, rtol=1e-6, atol=1e-6)


def test_sources_differ() -> None:
    pipe = make_pipeline()
    second = {source: pipe(PROMPT, seed=7, count=2, noise=source).latents.tensor[1] for source in SOURCES}
    assert not torch.allclose(second["per_image"], second["comfy"])
    assert not torch.allclose(second["per_image"], second["nv"])
    assert torch.equal(second["per_image"], second["a1111"])


def test_variations_share_the_seed_and_differ_as_much_as_asked() -> None:
    pipe = make_pipeline()
    plain = pipe(PROMPT, seed=7).latents.tensor
    small = pipe(PROMPT, seed=7, count=3, variation_seed=100, variation_strength=0.05)
    large = pipe(PROMPT, seed=7, count=3, variation_seed=100, variation_strength=0.6)
    assert small.seeds == (7, 7, 7)
    for row in range(3):
        assert 0 < (small.latents.tensor[row] - plain[0]).norm() < (large.latents.tensor[row] - plain[0]).norm()
    assert not torch.allclose(small.latents.tensor[0], small.latents.tensor[1])
    whole = pipe(PROMPT, seed=7, variation_seed=100, variation_strength=1.0).latents.tensor
    torch.testing.assert_close(whole, pipe(PROMPT, seed=100).latents.tensor)


def test_a_variation_can_be_made_again_from_its_record(tmp_path) -> None:
    pipe = make_pipeline()
    made = pipe(PROMPT, seed=7, count=3, variation_seed=100, variation_strength=0.3)
    path = made.images[2].save(tmp_path / "picture.png")
    (again,) = pipe(Request.from_image(path)).images
    assert torch.equal(again.pixels, made.images[2].pixels)


def test_an_offset_shifts_channels_of_the_start_alone() -> None:
    pipe = make_pipeline()
    plain, shifted = (pipe(PROMPT, seed=7, noise_offset=offset).latents.run for offset in (0.0, 0.5))
    assert plain is not None
    assert shifted is not None
    assert plain.noise is not None
    assert shifted.noise is not None
    difference = shifted.noise - plain.noise
    spread = difference.std((2, 3))
    assert spread.max() < 1e-6
    assert difference.mean((2, 3)).abs().max() > 0.01


def test_unknown_sources_and_options() -> None:
    with pytest.raises(RequestError, match=r"There is no noise source named .comfi.\. Did you mean .comfy"):
        make_pipeline()(PROMPT, noise="comfi")
    with pytest.raises(RequestError, match="noise source 'per_image' has no options, so 'delta' cannot be set"):
        make_pipeline()(PROMPT, noise_options={"delta": 1})
