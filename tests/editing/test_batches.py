"""Batches: repeated, picked from, put together, cut up."""

from __future__ import annotations

import pytest
import torch

from sdkit.editing import (
    match_channels,
    pick_images,
    rebatch_images,
    repeat_images,
    repeat_to,
    stack_images,
)
from sdkit.errors import RequestError


def numbered(count: int, size: int = 2) -> torch.Tensor:
    return torch.arange(float(count)).reshape(count, 1, 1, 1).repeat(1, size, size, 3)


def numbers(images: torch.Tensor) -> list[float]:
    return images[:, 0, 0, 0].tolist()


def test_batches_become_as_long_as_needed() -> None:
    assert numbers(repeat_to(numbered(3), 5)) == [0, 1, 2, 0, 1]
    assert numbers(repeat_to(numbered(3), 2)) == [0, 1]
    with pytest.raises(RequestError, match="count is at least 1, not 0"):
        repeat_to(numbered(3), 0)
    with pytest.raises(RequestError, match="an empty batch"):
        repeat_to(torch.zeros(0, 2), 2)


def test_alpha_comes_and_goes() -> None:
    assert match_channels(numbered(1), 4)[0, 0, 0].tolist() == [0, 0, 0, 1]
    assert match_channels(torch.rand(1, 2, 2, 4), 3).shape == (1, 2, 2, 3)
    with pytest.raises(RequestError, match="pictures of 1 channels cannot become 3"):
        match_channels(torch.rand(1, 2, 2, 1), 3)


def test_pictures_are_stacked_in_the_first_ones_size() -> None:
    wide = torch.arange(8.0).reshape(1, 1, 8, 1).repeat(1, 4, 1, 4) / 8
    stacked = stack_images([torch.zeros(1, 2, 2, 3), wide])
    assert stacked.shape == (2, 2, 2, 4)
    assert stacked[0, 0, 0].tolist() == [0, 0, 0, 1]
    assert stacked[1, 0, :, 0].tolist() == [2.5 / 8, 4.5 / 8]  # columns 2 to 5 are left, two by two
    assert numbers(stack_images([numbered(2), numbered(1), numbered(3)])) == [0, 1, 0, 0, 1, 2]
    with pytest.raises(RequestError, match="give at least one"):
        stack_images([])


def test_pictures_are_picked_within_the_batch() -> None:
    assert numbers(pick_images(numbered(5), 1, 2)) == [1, 2]
    assert numbers(pick_images(numbered(5), 3, 9)) == [3, 4]
    assert numbers(pick_images(numbered(5), 9)) == [4]
    assert numbers(repeat_images(numbered(2), 2)) == [0, 1, 0, 1]


def test_pictures_are_cut_into_batches_of_a_size() -> None:
    parts = rebatch_images([numbered(3), numbered(2)], 2)
    assert [numbers(part) for part in parts] == [[0, 1], [2, 0], [1]]
    assert rebatch_images([], 2) == []
    with pytest.raises(RequestError, match=r"pictures 0…1 are to be one batch.*\[2, 2, 3\], \[3, 3, 3\]"):
        rebatch_images([numbered(1), numbered(1, 3)], 2)
    assert [len(part) for part in rebatch_images([numbered(2), numbered(2, 3)], 2)] == [2, 2]
