"""Fewer colours."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from sdkit.editing import Dither, quantise_images, to_uint8
from sdkit.editing.quantising import bayer_pattern
from sdkit.errors import RequestError


def gradient() -> torch.Tensor:
    return torch.linspace(0, 1, 64).reshape(1, 1, 64, 1).repeat(1, 16, 1, 3)


def colours(images: torch.Tensor) -> torch.Tensor:
    return to_uint8(images).reshape(-1, images.shape[3]).unique(dim=0)


def test_few_enough_colours_stay_as_they_are() -> None:
    images = torch.tensor([[0.0, 0.2, 0.4], [1, 1, 1], [0.6, 0, 0]]).reshape(1, 1, 3, 3).repeat(2, 4, 1, 1)
    images[1] = images[1].flip(-1)
    assert torch.allclose(quantise_images(images, 3), images)


@pytest.mark.parametrize("dither", get_args(Dither))
def test_no_more_colours_than_asked_for_all_from_one_palette(dither: Dither) -> None:
    plain = quantise_images(gradient(), 4)
    assert len(colours(plain)) == 4
    dithered = quantise_images(gradient(), 4, dither)
    kept = {tuple(colour) for colour in colours(plain).tolist()}
    assert {tuple(colour) for colour in colours(dithered).tolist()} <= kept
    if dither != "none":
        assert not torch.equal(plain, dithered)


def test_dithering_keeps_the_brightness_that_a_palette_alone_loses() -> None:
    part = slice(26, 31)
    wanted = gradient()[0, :, part].mean().item()
    assert abs(quantise_images(gradient(), 2)[0, :, part].mean().item() - wanted) > 0.1
    diffused = quantise_images(gradient(), 2, "floyd-steinberg")[0, :, part].mean().item()
    assert diffused == pytest.approx(wanted, abs=0.03)


def test_bayers_patterns() -> None:
    assert bayer_pattern(2).tolist() == [[-0.375, 0.125], [0.375, -0.125]]
    four = bayer_pattern(4)
    assert four[0].tolist() == [-0.46875, 0.03125, -0.34375, 0.15625]
    assert sorted((four.flatten() * 16 + 7.5).tolist()) == list(range(16))
    sixteen = bayer_pattern(16)
    assert sixteen.shape == (16, 16)
    assert len(set(sixteen.flatten().tolist())) == 256


def test_the_pattern_is_spread_over_two_steps_of_the_palette() -> None:
    images = torch.zeros(1, 2, 258, 3)
    images[:, :, 128:256], images[:, :, 256:] = 1, 0.3
    reduced = quantise_images(images, 2, "bayer-2")[0]
    # 256 levels for two colours: 76 + ½ and −96, +32; +96, −32. Only the third, 172, is nearer to white.
    assert (reduced[:, 256:, 0] > 0.5).tolist() == [[False, False], [True, False]]
    sixteen = torch.full((1, 2, 2, 3), 0.3)
    assert torch.equal(quantise_images(sixteen, 16, "bayer-2"), quantise_images(sixteen, 16))


def test_alpha_stays_and_wrong_inputs_are_refused() -> None:
    images = torch.rand(1, 4, 4, 4)
    assert torch.equal(quantise_images(images, 2)[..., 3], images[..., 3])
    with pytest.raises(RequestError, match="colours is from 1 to 256, not 300"):
        quantise_images(images, 300)
    with pytest.raises(RequestError, match=r"no dither named 'bayer-3'.*Allowed: none, floyd-steinberg, bayer-2"):
        quantise_images(images, 2, "bayer-3")  # pyright: ignore[reportArgumentType] -- the point
    with pytest.raises(RequestError, match="3 or 4 channels to be quantised"):
        quantise_images(images[..., :1], 2)
