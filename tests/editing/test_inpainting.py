"""What is encoded where a part is to be painted anew."""

from __future__ import annotations

import pytest
import torch

from sdkit.editing import grey_out, prepare_inpaint
from sdkit.errors import RequestError


def test_what_changes_is_grey_and_the_rest_stays() -> None:
    images = torch.rand(2, 8, 8, 4)
    mask = torch.zeros(1, 8, 8)
    mask[0, 2, 3], mask[0, 4, 4], mask[0, 5, 5] = 1, 0.5, 0.51
    pixels, kept = grey_out(images, mask)
    grey = (pixels[..., :3] == 0.5).all(-1)
    assert grey[1].nonzero().tolist() == [[2, 3], [5, 5]]  # ½ itself rounds to 0
    assert torch.equal(pixels[..., 3], images[..., 3])
    assert torch.allclose(pixels[~grey], images[~grey], atol=6e-8)
    assert torch.equal(kept[:, 0], mask)  # greys are kept


def test_sides_become_multiples_around_the_middle() -> None:
    images = torch.arange(21.0).reshape(1, 1, 21, 1).repeat(1, 19, 1, 3)
    pixels, mask = grey_out(images, torch.zeros(1, 1, 1))
    assert pixels.shape == (1, 16, 16, 3)
    assert pixels[0, 0, 0, 0] == 2  # (21 − 16)//2
    assert mask.shape == (1, 1, 16, 16)
    assert grey_out(images, torch.zeros(1, 19, 21), 4)[0].shape == (1, 16, 20, 3)
    with pytest.raises(RequestError, match=r"at least 8x8 pixels to be encoded: \[1, 7, 9, 3\]"):
        grey_out(torch.rand(1, 7, 9, 3), torch.zeros(1, 7, 9))


@pytest.mark.parametrize(
    ("grow_by", "rows"),
    [(0, [8]), (1, [8]), (2, [8, 9]), (3, [7, 8, 9]), (6, [6, 7, 8, 9, 10, 11])],
)
def test_the_mask_grows_more_to_the_right_and_below_for_even_numbers(grow_by: int, rows: list[int]) -> None:
    mask = torch.zeros(1, 16, 16)
    mask[0, 8, 8], mask[0, 0, 0] = 0.6, 0.4
    _, grown = prepare_inpaint(torch.rand(1, 16, 16, 3), mask, grow_by)
    assert grown.shape == (1, 1, 16, 16)
    assert grown[0, 0].nonzero()[:, 0].unique().tolist() == rows
    assert grown[0, 0].nonzero()[:, 1].unique().tolist() == rows
    assert grown.sum() == len(rows) ** 2


def test_growing_backwards_is_refused() -> None:
    with pytest.raises(RequestError, match="grow_by is at least 0, not -1"):
        prepare_inpaint(torch.rand(1, 8, 8, 3), torch.zeros(1, 8, 8), -1)
