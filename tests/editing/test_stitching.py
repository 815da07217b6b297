"""Pictures side by side, and in frames."""

from __future__ import annotations

import pytest
import torch

from sdkit.editing import Direction, frame_images, stitch_images
from sdkit.errors import RequestError


def plain(height: int, width: int, value: float, count: int = 1, channels: int = 3) -> torch.Tensor:
    return torch.full((count, height, width, channels), value)


@pytest.mark.parametrize(
    ("direction", "shape", "first"),
    [("right", (4, 6 + 8), 0.25), ("left", (4, 8 + 6), 0.75), ("down", (4 + 3, 6), 0.25), ("up", (3 + 4, 6), 0.75)],
)
def test_the_second_gets_the_size_of_the_first_and_stands_where_it_should(
    direction: Direction, shape: tuple[int, int], first: float
) -> None:
    stitched = stitch_images(plain(4, 6, 0.25, count=2), plain(2, 4, 0.75), direction)
    assert stitched.shape == (2, *shape, 3)
    assert torch.allclose(stitched[1, 0, 0], torch.tensor(first), atol=1 / 255)  # Lanczos goes through 8 bits
    assert torch.allclose(stitched[1, -1, -1], torch.tensor(1 - first), atol=1 / 255)


def test_sizes_that_stay_get_room_around_their_middles_and_a_strip_between() -> None:
    red = (1.0, 0.0, 0.0)
    stitched = stitch_images(plain(4, 3, 0.5), plain(7, 2, 0.5), match_size=False, spacing=1, colour=red)
    assert stitched.shape == (1, 7, 3 + 2 + 2, 3)
    assert stitched[0, :, 0, 0].tolist() == [0, 0.5, 0.5, 0.5, 0.5, 0, 0], "black, because red is no grey"
    assert torch.equal(stitched[0, :, 3:5], torch.tensor(red).expand(7, 2, 3))
    white = stitch_images(plain(4, 3, 0.5), plain(7, 2, 0.5), "down", match_size=False)
    assert white.shape == (1, 11, 3, 3)
    assert white[0, 4, :, 0].tolist() == [0.5, 0.5, 1.0]


def test_alpha_is_added_where_only_one_has_it() -> None:
    stitched = stitch_images(plain(2, 2, 0.5), plain(2, 2, 0.5, channels=4), spacing=2, colour=(0.0, 0.0, 0.0))
    assert stitched[0, 0, :, 3].tolist() == pytest.approx([1, 1, 1, 1, 0.5, 0.5], abs=1 / 255)
    assert stitched[0, 0, 2, :3].tolist() == [0, 0, 0]


@pytest.mark.parametrize(("size", "inside"), [((9, 5), (5, 5)), ((4, 12), (4, 4)), ((8, 8), (8, 8))])
def test_a_frame_holds_the_picture_in_its_middle(size: tuple[int, int], inside: tuple[int, int]) -> None:
    framed = frame_images(plain(6, 6, 0.5), *size, colour=1.0, method="area")
    assert framed.shape == (1, size[1], size[0], 3)
    held = framed[0, :, :, 0] == 0.5
    assert (int(held.any(0).sum()), int(held.any(1).sum())) == inside
    left = (size[0] - inside[0]) // 2
    assert bool(held.any(0)[left])
    assert torch.equal(framed[0, ~held], torch.ones(int((~held).sum()), 3))


def test_what_cannot_be_stitched_is_refused() -> None:
    with pytest.raises(RequestError, match=r"pictures are \[B, H, W, C\]"):
        stitch_images(torch.zeros(4, 4, 3), plain(4, 4, 0.0))
    with pytest.raises(RequestError, match="spacing is at least 0"):
        stitch_images(plain(2, 2, 0.0), plain(2, 2, 0.0), spacing=-2)
    with pytest.raises(RequestError, match="width is at least 1"):
        frame_images(plain(2, 2, 0.0), 0, 5)
