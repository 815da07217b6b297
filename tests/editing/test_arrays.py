"""Batches and bytes."""

from __future__ import annotations

import pytest
import torch

from sdkit.editing import from_pictures, from_uint8, to_pictures, to_pillow, to_uint8
from sdkit.errors import ImageError, RequestError
from sdkit.images import Image


def test_bytes_are_cut_off_and_not_rounded() -> None:
    numbers = torch.tensor([-0.5, 0, 0.999 / 255, 0.5, 254.9 / 255, 1, 1.7])
    assert to_uint8(numbers).tolist() == [0, 0, 0, 127, 254, 255, 255]
    assert from_uint8(torch.tensor([0, 51, 255], dtype=torch.uint8)).tolist() == pytest.approx([0, 0.2, 1])


def test_every_byte_survives_the_way_there_and_back() -> None:
    numbers = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(from_uint8(numbers)), numbers)


def test_pictures_of_sdkit_hold_the_bytes_that_are_cut_off() -> None:
    images = torch.full((2, 1, 2, 3), 0.5)
    first, _ = to_pictures(images)
    assert first.to_uint8().unique().tolist() == [127]  # Image alone would round to 128
    assert torch.equal(from_pictures([first, first]), torch.full((2, 1, 2, 3), 127 / 255))
    alpha = torch.rand(1, 2, 2, 4)
    assert to_pictures(alpha)[0].pixels.shape == (3, 2, 2)
    assert to_pictures(alpha[..., :1])[0].pixels.shape == (3, 2, 2)


def test_pillow_images_have_the_mode_of_their_channels() -> None:
    images = torch.rand(2, 3, 5, 4)
    assert [picture.mode for picture in to_pillow(images)] == ["RGBA", "RGBA"]
    assert to_pillow(images[..., :3])[0].size == (5, 3)
    assert to_pillow(images[..., :1])[0].mode == "L"
    assert to_pillow(images)[1].tobytes() == bytes(to_uint8(images[1]).flatten().tolist())


def test_refusals() -> None:
    with pytest.raises(ImageError, match=r"the pictures \[1, 1, 1, 3\] have NaN in them"):
        to_pillow(torch.full((1, 1, 1, 3), float("nan")))
    with pytest.raises(RequestError, match=r"bytes are torch\.uint8, not torch\.float32"):
        from_uint8(torch.rand(2))
    with pytest.raises(RequestError, match="not 2"):
        to_pillow(torch.rand(1, 2, 2, 2))
    with pytest.raises(RequestError, match="pictures of one size; these are 1x2, 2x2"):
        from_pictures([Image(torch.rand(3, 2, 2)), Image(torch.rand(3, 2, 1))])
    with pytest.raises(RequestError, match="these are none at all"):
        from_pictures([])
