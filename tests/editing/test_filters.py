"""Blur, sharpen, invert."""

from __future__ import annotations

import math

import pytest
import torch

from sdkit.editing import blur_images, invert_images, sharpen_images
from sdkit.errors import RequestError


def dot(side: int) -> torch.Tensor:
    images = torch.zeros(1, side, side, 3)
    images[0, side // 2, side // 2] = 1
    return images


def test_a_dot_is_blurred_into_the_kernel() -> None:
    blurred = blur_images(dot(5), 1, 0.5)[0, 1:4, 1:4, 0]
    edge = math.exp(-1 / (2 * 0.25))  # a whole radius away
    expected = torch.tensor([[edge * edge, edge, edge * edge], [edge, 1, edge], [edge * edge, edge, edge * edge]])
    assert torch.allclose(blurred, expected / expected.sum(), atol=1e-7)


def test_the_sigma_counts_in_radii() -> None:
    weights = torch.tensor([math.exp(-((d / 2) ** 2) / 2) for d in (-2, -1, 0, 1, 2)])
    blurred = blur_images(dot(9), 2, 1.0)[0, 4, 2:7, 0]
    assert torch.allclose(blurred / blurred[2], weights, atol=1e-6)


def test_edges_are_mirrored_without_the_edge_itself() -> None:
    images = torch.tensor([[0.0, 1, 0], [0, 1, 0], [0, 1, 0]]).reshape(1, 3, 3, 1)
    edge = math.exp(-0.5)
    share = edge / (1 + 2 * edge)
    assert blur_images(images, 1)[0, 0, :, 0].tolist() == pytest.approx([2 * share, 1 - 2 * share, 2 * share])


def test_sharpening_adds_ten_times_what_blurring_takes_away() -> None:
    images = 0.4 + 0.05 * dot(5)
    taken = images - blur_images(images, 1, 0.5)
    sharp = sharpen_images(images, 1, 0.5, 0.5)
    assert torch.allclose(sharp, images + 5 * taken, atol=1e-6)
    assert sharp[0, 2, 2, 0] > 0.5
    assert sharp[0, 2, 1, 0] < 0.4
    strong = sharpen_images(images, 1, 0.5, 5)
    assert strong.max() == 1
    assert strong.min() >= 0
    assert torch.allclose(sharpen_images(images, 1, 0.5, 0), images)


def test_inverting_leaves_alpha() -> None:
    assert invert_images(torch.full((1, 1, 1, 4), 0.25)).flatten().tolist() == [0.75, 0.75, 0.75, 0.25]
    assert invert_images(torch.full((1, 1, 1, 3), 0.25)).flatten().tolist() == [0.75, 0.75, 0.75]


def test_radius_0_changes_nothing_and_large_ones_are_refused() -> None:
    images = torch.rand(1, 4, 6, 3)
    assert torch.equal(blur_images(images, 0), images)
    assert torch.equal(sharpen_images(images, 0), images)
    assert blur_images(images, 3).shape == images.shape
    with pytest.raises(RequestError, match=r"radius 4 mirrors 4 pixels.*only 6x4. Take a smaller radius"):
        blur_images(images, 4)
    with pytest.raises(RequestError, match="sigma is above 0, not 0"):
        blur_images(images, 1, 0)
    with pytest.raises(RequestError, match="amount is at least 0, not nan"):
        sharpen_images(images, 1, amount=math.nan)
