"""Cutting out, and room around pictures."""

from __future__ import annotations

import pytest
import torch

from sdkit.editing import crop_images, crop_latents, crop_masks, pad_for_outpaint
from sdkit.errors import RequestError


def grid(height: int, width: int) -> torch.Tensor:
    """10·row + column."""
    return torch.arange(height)[:, None] * 10.0 + torch.arange(width)[None, :]


def test_pictures_are_cut_where_they_are() -> None:
    images = grid(5, 6)[None, :, :, None]
    assert crop_images(images, 2, 1, 3, 2)[0, ..., 0].tolist() == [[12, 13, 14], [22, 23, 24]]
    assert crop_images(images, 4, 3, 9, 9)[0, ..., 0].tolist() == [[34, 35], [44, 45]]
    assert crop_images(images, 50, 50, 4, 4)[0, ..., 0].tolist() == [[45]]
    with pytest.raises(RequestError, match="x is at least 0, not -1"):
        crop_images(images, -1, 0, 2, 2)


def test_masks_are_cut_where_they_are() -> None:
    masks = grid(5, 6)
    assert crop_masks(masks, 4, 3, 9, 1).tolist() == [[[34, 35]]]
    with pytest.raises(RequestError, match="a rectangle at 6, 0 has nothing of a mask of 6x5 in it"):
        crop_masks(masks, 6, 0, 1, 1)


def test_latents_are_cut_by_pixels_of_the_picture() -> None:
    latents = grid(12, 20)[None, None]
    cut = crop_latents(latents, 17, 31, 16, 24)
    assert cut.shape == (1, 1, 3, 2)
    assert cut[0, 0, 0, 0] == 32  # row 31//8, column 17//8
    corner = crop_latents(latents, 160, 96, 64, 64)
    assert corner.shape == (1, 1, 8, 8)
    assert corner[0, 0, 0, 0] == 4 * 10 + 12  # eight rows and columns are always left
    assert crop_latents(grid(4, 4)[None, None], 24, 24, 64, 64).shape == (1, 1, 4, 4)
    with pytest.raises(RequestError, match="at least 8x8 pixels, not 8x4"):
        crop_latents(latents, 0, 0, 8, 4)


def test_room_around_a_picture_is_grey_and_to_be_painted() -> None:
    images = torch.rand(2, 3, 4, 3)
    padded, mask = pad_for_outpaint(images, 1, 2, 3, 4, feathering=0)
    assert padded.shape == (2, 9, 8, 3)
    assert torch.equal(padded[:, 2:5, 1:5], images)
    assert padded[:, 0].unique().tolist() == [0.5]
    assert mask.shape == (1, 9, 8)
    assert mask[0, 2:5, 1:5].eq(0).all()
    assert mask.sum() == 72 - 12


def test_the_mask_fades_into_the_picture_from_where_room_is() -> None:
    _, mask = pad_for_outpaint(torch.rand(1, 9, 9, 3), 1, 0, 0, 1, feathering=4)
    inside = mask[0, :9, 1:]
    # From the left d = 0, 1, 2 …, from below d = 9 − row = 9, 8 … 1; nothing from above and from the right.
    assert inside[0].tolist() == [1, 0.5625, 0.25, 0.0625, 0, 0, 0, 0, 0]
    assert inside[:, 8].tolist() == [0, 0, 0, 0, 0, 0, 0.0625, 0.25, 0.5625]
    assert inside[8, 0] == 1  # the nearest side counts
    assert inside[7, 1] == 0.5625
    _, mask = pad_for_outpaint(torch.rand(1, 9, 8, 3), 1, 0, 0, 1, feathering=4)
    assert mask[0, :9, 1:].eq(0).all()  # twice 4 is not less than 8
    with pytest.raises(RequestError, match="bottom is at least 0, not -1"):
        pad_for_outpaint(torch.rand(1, 9, 8, 3), 0, 0, 0, -1)
