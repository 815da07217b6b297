"""Contact sheets: who stands where."""

from __future__ import annotations

import pytest
import torch

from sdkit.errors import ImageError
from sdkit.images import Image, contact_sheet


def grey(value: float, height: int = 8, width: int = 8) -> Image:
    return Image(torch.full((3, height, width), float(value)))


def test_rows_from_left_to_right() -> None:
    sheet = contact_sheet([grey(i / 10) for i in range(5)], columns=2).pixels
    assert sheet.shape == (3, 24, 16)
    cells = sheet[0].unfold(0, 8, 8).unfold(1, 8, 8)
    assert cells.amin((2, 3)).flatten().tolist() == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 1])
    assert torch.equal(cells.amin((2, 3)), cells.amax((2, 3))), "nothing bleeds into the neighbours"


@pytest.mark.parametrize(
    ("count", "width", "height", "columns"),
    [(1, 8, 8, 1), (2, 8, 8, 2), (3, 8, 8, 2), (4, 8, 8, 2), (6, 8, 8, 3), (9, 8, 8, 3), (2, 16, 8, 1), (2, 8, 16, 2)],
)
def test_the_sheet_is_as_square_as_it_can_be(count: int, width: int, height: int, columns: int) -> None:
    sheet = contact_sheet([grey(0, height, width)] * count)
    assert (sheet.width, sheet.height) == (columns * width, -(-count // columns) * height)


def test_one_picture_is_its_own_sheet() -> None:
    image = Image(torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(contact_sheet([image]).pixels, image.pixels)


def test_smaller_pictures_stand_in_the_middle_of_their_cell() -> None:
    sheet = contact_sheet([grey(0, 8, 8), grey(0, 4, 2)], columns=2).pixels[0]
    assert sheet.shape == (8, 16)
    assert (sheet[:, 8:] == 0).nonzero().tolist() == [[y, x] for y in range(2, 6) for x in (3, 4)]


def test_captions_stand_below_their_picture_and_are_cut() -> None:
    images = [grey(0.5, 64, 64), grey(0.5, 64, 64)]
    plain = contact_sheet(images, columns=2)
    sheet = contact_sheet(images, columns=2, captions=["a red\ncircle on a very long background", ""])
    strip = sheet.height - plain.height
    assert strip == 12
    assert torch.equal(sheet.pixels[:, :64], plain.pixels)
    assert sheet.pixels[:, 64:, :64].min() < 0.3
    assert sheet.pixels[:, 64:, 62:].min() == 1, "the long caption stays in its cell, the empty one is empty"


def test_a_sheet_too_large_is_scaled_down() -> None:
    sheet = contact_sheet([grey(0.25, 1, 4096)] * 4, columns=4)
    assert (sheet.width, sheet.height) == (8192, 1)
    assert sheet.pixels.sub(0.25).abs().max() < 1e-6


def test_faults_of_the_call_are_explained() -> None:
    with pytest.raises(ImageError, match="at least one picture"):
        contact_sheet([])
    with pytest.raises(ImageError, match="at least one column, not 0"):
        contact_sheet([grey(0)], columns=0)
    with pytest.raises(ImageError, match="1 pictures but 2 captions"):
        contact_sheet([grey(0)], captions=["a", "b"])
