"""Edges by Canny's method."""

from __future__ import annotations

import math

import pytest
import torch

from sdkit.editing import canny
from sdkit.errors import RequestError


def step(height: float, *, side: int = 16) -> torch.Tensor:
    """Dark on the left, bright by `height` on the right, one grey column between."""
    images = torch.zeros(1, side, side, 3)
    images[:, :, side // 2] = height / 2
    images[:, :, side // 2 + 1 :] = height
    return images


def test_an_edge_is_one_pixel_wide_and_where_it_is_steepest() -> None:
    edges = canny(step(1))
    assert edges.shape == (1, 16, 16, 3)
    assert edges[0, :, :, 0].nonzero()[:, 1].unique().tolist() == [8]
    assert edges.sum() == 16 * 3
    turned = canny(step(1).transpose(1, 2))
    assert torch.equal(turned, edges.transpose(1, 2))


@pytest.mark.parametrize("mirrored", [False, True])
def test_edges_along_diagonals_are_thin_too(mirrored: bool) -> None:
    place = torch.arange(24.0)
    ramp = ((place[:, None] - place[None, :]) / 4 + 0.5).clamp(0, 1)  # brighter to below left
    images = (ramp.flip(1) if mirrored else ramp)[None, :, :, None]
    edges = canny(images)[0, 4:-4, 4:-4, 0]
    on = torch.eye(16).flip(1) if mirrored else torch.eye(16)
    assert torch.equal(edges, on)


def test_what_is_outside_is_mirrored_without_the_edge_itself() -> None:
    images = torch.zeros(1, 9, 9, 1)
    images[:, :, 1] = 1  # mirrored, it is at −1, too, and column 1 is brighter for it
    # 4·(0.0545 − 0.4571) = −1.61 at column 2; with the edge repeated it would be 4·(0.0545 − 0.4026) = −1.39.
    assert canny(images, 1.5, 1.5)[0, 4, :, 0].tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 0]


def test_the_thresholds_are_heights_of_gradients() -> None:
    # Sobel without a factor: four times the difference from column 7 to 9 of the blurred step.
    bell = [math.exp(-d * d / 2) for d in (-2, -1, 0, 1, 2)]
    weight = [number / sum(bell) for number in bell]
    row = [0.0] * 8 + [0.5] + [1.0] * 7
    blurred = {x: sum(weight[d + 2] * row[x + d] for d in (-2, -1, 0, 1, 2)) for x in (7, 9)}
    steepest = 4 * (blurred[9] - blurred[7])
    for height, found in ((0.999 / steepest, False), (1.001 / steepest, True)):
        assert bool(canny(step(height), 1.0, 1.0).any()) is found


def test_weak_edges_count_where_they_are_connected_to_strong_ones() -> None:
    fading = step(1, side=32) * torch.linspace(1, 0.3, 32)[:, None, None]
    strong = canny(fading, 1.5, 1.5)[0, :, 16, 0]
    assert strong[:5].tolist() == [1] * 5
    assert strong[-10:].tolist() == [0] * 10
    assert canny(fading, 0.2, 1.5)[0, :, 16, 0].tolist() == [1] * 32
    assert canny(fading[:, -10:], 0.2, 1.5).sum() == 0  # the same weak part alone


def test_colours_count_as_bright_as_they_look_and_alpha_does_not() -> None:
    images = torch.cat((step(1), step(1)[..., :1]), dim=-1)
    assert torch.equal(canny(images), canny(step(1)))
    blue = step(1) * torch.tensor([0.0, 0, 1])
    green = step(1) * torch.tensor([0.0, 1, 0])
    assert canny(blue, 0.5, 0.5).sum() == 0
    assert canny(green, 0.5, 0.5).sum() > 0
    flat = torch.full((2, 8, 8, 1), 0.5)
    assert canny(flat).shape == (2, 8, 8, 3)
    assert canny(flat).sum() == 0


def test_refusals() -> None:
    with pytest.raises(RequestError, match=r"low is 0.9, high is 0.8"):
        canny(step(1), 0.9, 0.8)
    with pytest.raises(RequestError, match=r"at least 3x3 pixels to have edges; these are \[1, 2, 9, 3\]"):
        canny(torch.rand(1, 2, 9, 3))
