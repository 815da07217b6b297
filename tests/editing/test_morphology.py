"""Growing, shrinking, and what follows from the two."""

from __future__ import annotations

import pytest
import torch

from sdkit.editing import Morph, grow_masks, morph_images
from sdkit.errors import RequestError


def dot(side: int, value: float = 1.0) -> torch.Tensor:
    masks = torch.zeros(1, side, side)
    masks[0, side // 2, side // 2] = value
    return masks


def test_a_dot_grows_into_a_rhombus_or_a_square() -> None:
    grown = grow_masks(dot(7, 0.5), 2)[0]
    assert grown[3].tolist() == [0, 0.5, 0.5, 0.5, 0.5, 0.5, 0]
    assert grown[2].tolist() == [0, 0, 0.5, 0.5, 0.5, 0, 0]
    assert grown[1].tolist() == [0, 0, 0, 0.5, 0, 0, 0]
    square = grow_masks(dot(7, 0.5), 2, tapered=False)[0]
    assert square.sum() == 25 * 0.5
    assert square[1:6, 1:6].unique().tolist() == [0.5]


def test_shrinking_is_growing_what_is_not() -> None:
    masks = torch.rand(2, 9, 8, generator=torch.Generator().manual_seed(0))
    for tapered in (True, False):
        shrunk = grow_masks(masks, -2, tapered=tapered)
        assert torch.allclose(shrunk, 1 - grow_masks(1 - masks, 2, tapered=tapered))
        assert shrunk.mean() < masks.mean()
    assert grow_masks(torch.ones(1, 3, 3), -5).eq(1).all()  # what is outside does not eat the edges


def test_growing_by_nothing_or_by_far_too_much() -> None:
    assert torch.equal(grow_masks(dot(5), 0), dot(5))
    assert torch.equal(grow_masks(dot(5), 0, tapered=False), dot(5))
    assert grow_masks(dot(5), 16384).eq(1).all()
    assert grow_masks(dot(5), 16384, tapered=False).eq(1).all()
    assert grow_masks(dot(5)[0], 1).shape == (1, 5, 5)


def line(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(1, 1, -1, 1)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("erode", [1, 0, 0, 0, 2, 3, 3]),
        ("dilate", [5, 5, 5, 3, 4, 4, 4]),
        ("open", [1, 1, 0, 2, 3, 3, 3]),
        ("close", [5, 5, 3, 3, 3, 4, 4]),
        ("gradient", [4, 5, 5, 3, 2, 1, 1]),
        ("top_hat", [0, 4, 0, 0, 0, 1, 0]),
        ("bottom_hat", [4, 0, 3, 1, 0, 0, 1]),
    ],
)
def test_operations_on_a_line(operation: Morph, expected: list[float]) -> None:
    got = morph_images(line(1, 5, 0, 2, 3, 4, 3), operation, 3)
    assert got.flatten().tolist() == expected


def test_even_squares_move_nothing_when_opening_and_closing() -> None:
    images = torch.zeros(1, 14, 14, 1)
    images[0, 4:9, 5:10] = 1
    assert torch.equal(morph_images(images, "open", 4), images)
    assert torch.equal(morph_images(images, "close", 4), images)
    assert morph_images(line(0, 0, 1, 0, 0), "dilate", 2).flatten().tolist() == [0, 1, 1, 0, 0]
    assert morph_images(line(1, 1, 0, 1, 1), "erode", 2).flatten().tolist() == [1, 1, 0, 0, 1]
    assert morph_images(images, "dilate", 99).eq(1).all()


def test_refusals() -> None:
    with pytest.raises(RequestError, match=r"no morphological operation named 'opne'\. Did you mean 'open'"):
        morph_images(torch.rand(1, 2, 2, 3), "opne")  # pyright: ignore[reportArgumentType] -- the point
    with pytest.raises(RequestError, match="size is at least 1, not 0"):
        morph_images(torch.rand(1, 2, 2, 3), "erode", 0)
