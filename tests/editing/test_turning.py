"""Turning and mirroring."""

from __future__ import annotations

import pytest
import torch

from sdkit.editing import flip_images, flip_latents, rotate_images, rotate_latents
from sdkit.errors import RequestError

CORNERS = torch.tensor([[1.0, 2, 3], [4, 5, 6]])


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        (0, [[1, 2, 3], [4, 5, 6]]),
        (90, [[4, 1], [5, 2], [6, 3]]),
        (180, [[6, 5, 4], [3, 2, 1]]),
        (270, [[3, 6], [2, 5], [1, 4]]),
    ],
)
def test_turning_is_clockwise(degrees: int, expected: list[list[float]]) -> None:
    assert rotate_images(CORNERS[None, :, :, None], degrees)[0, ..., 0].tolist() == expected
    assert rotate_latents(CORNERS[None, None], degrees)[0, 0].tolist() == expected


def test_mirroring() -> None:
    assert flip_images(CORNERS[None, :, :, None], "vertically")[0, ..., 0].tolist() == [[4, 5, 6], [1, 2, 3]]
    assert flip_images(CORNERS[None, :, :, None], "horizontally")[0, ..., 0].tolist() == [[3, 2, 1], [6, 5, 4]]
    assert flip_latents(CORNERS[None, None], "vertically")[0, 0].tolist() == [[4, 5, 6], [1, 2, 3]]
    assert flip_latents(CORNERS[None, None], "horizontally")[0, 0].tolist() == [[3, 2, 1], [6, 5, 4]]


def test_refusals() -> None:
    with pytest.raises(RequestError, match="0, 90, 180 or 270 degrees, not 45"):
        rotate_images(torch.rand(1, 2, 2, 3), 45)
    with pytest.raises(RequestError, match=r"no direction named 'x'\. Known: horizontally, vertically"):
        flip_latents(torch.rand(1, 4, 2, 2), "x")  # pyright: ignore[reportArgumentType] -- the point
