"""Resizing: the methods' numbers, and the rules for sizes."""

from __future__ import annotations

import math

import pytest
import torch
from PIL import Image as pillow

from sdkit.editing import (
    resize,
    scale_images,
    scale_images_by,
    scale_images_to_pixels,
    scale_images_to_side,
    scale_latents,
    scale_latents_by,
    scale_masks,
)
from sdkit.errors import RequestError, UnknownNameError


def ramp(width: int) -> torch.Tensor:
    return torch.arange(float(width)).reshape(1, 1, 1, width)


def row(pixels: torch.Tensor) -> list[float]:
    return [round(number, 4) for number in pixels.flatten().tolist()]


def test_methods_make_pixels_between_pixels_in_their_way() -> None:
    four = ramp(4)
    assert row(resize(four, 8, 1, "nearest-exact")) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert row(resize(four, 8, 1, "bilinear")) == [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]
    assert row(resize(four, 2, 1, "area")) == [0.5, 2.5]
    assert row(resize(four, 2, 1, "bilinear")) == [0.5, 2.5]
    # Keys' cubic with a = −0.75, without a filter: at ½ the weights are −3/32, 19/32, 19/32, −3/32.
    peak = torch.tensor([0.0, 0, 1, 0, 0, 0]).reshape(1, 1, 1, 6)
    assert row(resize(peak, 3, 1, "bicubic")) == [-0.0938, 0.5938, 0.0]


def test_a_third_of_the_pixels_without_a_filter_are_taken_as_they_are() -> None:
    assert row(resize(ramp(9), 3, 1, "bilinear")) == [1, 4, 7]


def test_lanczos_is_pillows_on_pixels_cut_off_to_bytes() -> None:
    images = torch.rand(1, 7, 9, 3, generator=torch.Generator().manual_seed(1)) * 1.2 - 0.1
    plain = pillow.fromarray((images[0] * 255).clamp(0, 255).to(torch.uint8).numpy())
    expected = plain.resize((13, 4), pillow.Resampling.LANCZOS)
    got = scale_images(images, 13, 4, "lanczos")
    assert (got[0] * 255).round().to(torch.uint8).flatten().tolist() == list(expected.tobytes())
    grey = scale_masks(torch.full((2, 3, 3), 0.5), 5, 5, "lanczos")
    assert torch.equal(grey, torch.full((2, 5, 5), 127 / 255))  # 127.5 is cut off
    with pytest.raises(RequestError, match="lanczos resizes pictures of 1, 3 or 4 channels, not 2"):
        resize(torch.rand(1, 2, 4, 4), 2, 2, "lanczos")


def test_center_cuts_both_sides_before_it_resizes() -> None:
    # 10 wide, 4 high to a square: (10 − 10·(1/2.5))/2 = 3 columns go on each side.
    assert row(resize(ramp(10).expand(1, 1, 4, 10), 4, 4, "nearest-exact", "center")[0, 0, 0]) == [3, 4, 5, 6]
    tall = torch.arange(9.0).reshape(1, 1, 9, 1).expand(1, 1, 9, 4)
    # (9 − 4)/2 = 2.5 rows, rounded to the even 2.
    assert row(resize(tall, 5, 5, "nearest-exact", "center")[0, 0, :, 0]) == [2, 3, 4, 5, 6]
    assert row(resize(ramp(10), 1, 10, "bilinear", "center")) == [4.5] * 10  # two columns are left, not none


def test_an_arc_keeps_the_length_where_a_line_loses_it() -> None:
    latents = torch.zeros(1, 2, 1, 2)
    latents[0, :, 0, 0] = torch.tensor([2.0, 0])
    latents[0, :, 0, 1] = torch.tensor([0.0, 4])
    middle = resize(latents, 3, 1, "bislerp")[0, :, 0, 1]
    assert middle.tolist() == pytest.approx([3 * math.sqrt(0.5)] * 2)  # 45°, length (2 + 4)/2
    assert resize(latents, 3, 1, "bilinear")[0, :, 0, 1].tolist() == [1, 2]


def test_arcs_between_parallel_opposite_and_zero_vectors() -> None:
    def between(first: float, second: float) -> float:
        return resize(torch.tensor([first, second], dtype=torch.float32).reshape(1, 1, 1, 2), 3, 1, "bislerp")[
            0, 0, 0, 1
        ].item()

    assert between(2, 6) == 2  # the same way: the first one, as it is
    assert between(2, -6) == -2  # opposite: the straight line
    # Zero has no direction: ½ of the way at 90°, sin 45°/sin 90°, of length (0 + 6)/2.
    assert between(0, 6) == pytest.approx(3 * math.sqrt(0.5))


def test_sizes_of_pictures() -> None:
    images = torch.rand(2, 30, 20, 3)
    assert scale_images(images, 10, 0).shape == (2, 15, 10, 3)
    assert scale_images(images, 0, 1).shape == (2, 1, 1, 3)
    assert torch.equal(scale_images(images, 0, 0), images)
    assert scale_images_by(images, 0.25).shape == (2, 8, 5, 3)  # 7.5 goes to the even 8
    assert scale_images_to_side(images, 12).shape == (2, 12, 8, 3)
    assert scale_images_to_side(images.transpose(1, 2), 12).shape == (2, 8, 12, 3)
    # √(0.01·1024² / 600) = 4.1804…: 83.6 and 125.4.
    assert scale_images_to_pixels(images, 0.01).shape == (2, 125, 84, 3)
    assert scale_images_to_pixels(images, 0.01, multiple=16).shape == (2, 128, 80, 3)


def test_sizes_of_latents_are_in_pixels_and_at_least_64() -> None:
    latents = torch.rand(1, 4, 8, 16)
    assert scale_latents(latents, 200, 100).shape == (1, 4, 12, 25)
    assert scale_latents(latents, 8, 0).shape == (1, 4, 8, 8)
    assert scale_latents(latents, 0, 100).shape == (1, 4, 12, 25)
    assert scale_latents(latents, 300, 0).shape == (1, 4, 18, 37)  # 150 high, 18.75 of which 18
    assert torch.equal(scale_latents(latents, 0, 0), latents)
    assert scale_latents_by(latents, 1.53).shape == (1, 4, 12, 24)
    assert scale_latents(torch.rand(1, 4, 8, 16), 64, 64, "bislerp", "center").shape == (1, 4, 8, 8)


def test_refusals_name_what_came_and_what_is_allowed() -> None:
    with pytest.raises(
        UnknownNameError, match=r"no scaling method named 'bilinera'.*'bilinear'.*Allowed: nearest-exact"
    ):
        scale_images(torch.rand(1, 4, 4, 3), 2, 2, "bilinera")  # pyright: ignore[reportArgumentType] -- the point
    with pytest.raises(UnknownNameError, match=r"no crop named 'top'\. Known: center, disabled"):
        scale_images(torch.rand(1, 4, 4, 3), 2, 2, crop="top")  # pyright: ignore[reportArgumentType] -- the point
    with pytest.raises(UnknownNameError, match="no method to scale latents with named 'lanczos'"):
        scale_latents(torch.rand(1, 4, 4, 4), 64, 64, "lanczos")  # pyright: ignore[reportArgumentType] -- the point
    with pytest.raises(RequestError, match="cannot resize 4x4 to 0x0: at least 1x1"):
        scale_images_by(torch.rand(1, 4, 4, 3), 0.01)
    with pytest.raises(RequestError, match="width is at least 0, not -8"):
        scale_latents(torch.rand(1, 4, 4, 4), -8, 64)
    with pytest.raises(RequestError, match=r"pictures are \[B, H, W, C\] with 1 to 4 channels; these are \[3, 8, 8\]"):
        scale_images(torch.rand(3, 8, 8), 2, 2)
    with pytest.raises(RequestError, match=r"floating point, not torch.uint8; pictures in bytes: from_uint8"):
        scale_images(torch.zeros(1, 8, 8, 3, dtype=torch.uint8), 2, 2)
    with pytest.raises(RequestError, match=r"latents are \[B, C, h, w\]; these are \[4, 8, 8\]"):
        scale_latents_by(torch.rand(4, 8, 8), 2)
    with pytest.raises(RequestError, match=r"masks are \[B, H, W\]; these are \[1, 3, 8, 8\]"):
        scale_masks(torch.rand(1, 3, 8, 8), 2, 2)
