"""Masks: made, combined, feathered."""

from __future__ import annotations

import pytest
import torch

from sdkit.editing import (
    MaskOperation,
    colour_to_masks,
    combine_masks,
    empty_images,
    empty_latents,
    feather_masks,
    images_to_masks,
    invert_masks,
    masks_to_images,
    solid_masks,
    threshold_masks,
)
from sdkit.errors import RequestError


def test_channels_become_masks_and_masks_pictures() -> None:
    images = torch.arange(8.0).reshape(1, 1, 2, 4) / 8
    assert images_to_masks(images, "green").tolist() == [[[0.125, 0.625]]]
    assert images_to_masks(images, "alpha").tolist() == [[[0.375, 0.875]]]
    back = masks_to_images(images_to_masks(images, "green"))
    assert back.tolist() == [[[[0.125] * 3, [0.625] * 3]]]
    with pytest.raises(RequestError, match=r"no channel 'alpha', only 3: \[1, 1, 2, 3\]"):
        images_to_masks(images[..., :3], "alpha")


def test_a_colour_is_found_in_rounded_bytes() -> None:
    images = torch.tensor([0x12, 0x34, 0x56]).expand(1, 1, 3, 3) / 255
    images = images + torch.tensor([0.0, 0.4, 0.6]).reshape(1, 1, 3, 1) / 255
    assert colour_to_masks(images, 0x123456).tolist() == [[[1, 1, 0]]]
    assert colour_to_masks(torch.full((1, 1, 1, 4), 7.0), 0xFFFFFF).item() == 1
    with pytest.raises(RequestError, match="colour is from 0 to 16777215, not 16777216"):
        colour_to_masks(images, 1 << 24)


def test_thresholds_and_inverses() -> None:
    masks = torch.tensor([[0.2, 0.5, 0.7]])
    assert threshold_masks(masks, 0.5).tolist() == [[0, 0, 1]]
    assert invert_masks(masks).flatten().tolist() == pytest.approx([0.8, 0.5, 0.3])


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("multiply", [0.15, 0.48, 0.2]),
        ("add", [0.8, 1.0, 0.2]),
        ("subtract", [0.0, 0.0, 0.2]),
        ("and", [0, 1, 0.2]),
        ("or", [0, 1, 0.2]),
        ("xor", [0, 0, 0.2]),
    ],
)
def test_masks_are_combined_where_they_overlap(operation: MaskOperation, expected: list[float]) -> None:
    destination, source = torch.tensor([[[0.3, 0.6, 0.2]]]), torch.tensor([[[9.0, 0.5, 0.8]]])
    # The source lies one column to the left of where both overlap: 0.3 with 0.5, 0.6 with 0.8.
    assert combine_masks(destination, source[..., 1:], 0, 0, operation).flatten().tolist() == pytest.approx(expected)


def test_combined_masks_are_cut_at_the_edge_clipped_and_repeated() -> None:
    destination = torch.tensor([[[0.3, 7.0]]])
    assert combine_masks(destination, torch.ones(3, 4, 4), 1, 0, "subtract").tolist() == [[[pytest.approx(0.3), 1]]] * 3
    assert combine_masks(destination, torch.ones(1, 1, 1), 5, 5, "or").flatten().tolist() == pytest.approx([0.3, 1])
    assert combine_masks(torch.zeros(2, 1, 1), torch.ones(1, 1), 0, 0, "xor").flatten().tolist() == [1, 1]
    assert combine_masks(torch.full((1, 1), 0.5), torch.full((1, 1), 0.5), operation="or").item() == 0  # ½ to 0
    with pytest.raises(RequestError, match="masks to combine: batches of 2 and 3"):
        combine_masks(torch.zeros(2, 1, 1), torch.ones(3, 1, 1))
    with pytest.raises(RequestError, match="no operation on masks named 'nand'"):
        combine_masks(destination, destination, operation="nand")  # pyright: ignore[reportArgumentType] -- the point


def test_masks_fade_towards_their_edges() -> None:
    feathered = feather_masks(torch.full((1, 5, 6), 0.5), left=2, top=0, right=4, bottom=1)
    assert feathered[0, 0].tolist() == pytest.approx([0.25, 0.5, 0.5, 0.375, 0.25, 0.125])
    assert torch.equal(feathered[0, 4], feathered[0, 0])  # one pixel counts 1/1
    assert feather_masks(torch.ones(3, 2), top=99)[0].tolist() == [
        [pytest.approx(1 / 3)] * 2,
        [pytest.approx(2 / 3)] * 2,
        [1, 1],
    ]
    with pytest.raises(RequestError, match="left is at least 0, not -1"):
        feather_masks(torch.ones(1, 3, 3), left=-1)


def test_blank_batches() -> None:
    assert empty_images(3, 2, 2, 0x3366FF)[1, 1, 2].tolist() == pytest.approx([0.2, 0.4, 1])
    assert empty_images(3, 2, 2).shape == (2, 2, 3, 3)
    assert solid_masks(0.25, 3, 2).tolist() == [[[0.25] * 3] * 2]
    assert empty_latents(100, 60, 3).shape == (3, 4, 7, 12)
    assert empty_latents(64, 64).sum() == 0
    with pytest.raises(RequestError, match="width is at least 8, not 7"):
        empty_latents(7, 64)
    with pytest.raises(RequestError, match="height is at least 1, not 0"):
        solid_masks(1, 4, 0)
