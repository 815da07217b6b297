"""Putting pictures and latents onto others."""

from __future__ import annotations

import pytest
import torch

from sdkit.editing import composite_images, composite_latents, composite_latents_feathered
from sdkit.errors import RequestError


def test_a_picture_lies_where_it_is_put_and_is_cut_at_the_edges() -> None:
    onto, source = torch.zeros(1, 4, 5, 1), torch.ones(1, 2, 2, 1)
    put = composite_images(onto, source, 4, 1)
    assert put[0, ..., 0].tolist() == [[0, 0, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]
    assert composite_images(onto, source, -1, -1)[0, ..., 0].sum() == 1
    assert composite_images(onto, source, 5, 0).sum() == 0
    assert composite_images(onto, source, 0, -2).sum() == 0


def test_a_mask_says_how_much_shows_and_is_resized_to_the_source() -> None:
    onto, source = torch.full((2, 3, 4, 3), 0.2), torch.ones(1, 2, 4, 3)
    put = composite_images(onto, source, 0, 1, torch.tensor([[[0.0, 1.0]]]))
    assert put[1, 1, :, 0].tolist() == pytest.approx([0.2, 0.4, 0.8, 1.0])  # weights 0, ¼, ¾, 1
    assert put[:, 0].unique().tolist() == pytest.approx([0.2])
    two = composite_images(onto, source, 0, 0, torch.tensor([0.0, 1.0]).reshape(2, 1, 1))
    assert two[0].unique().tolist() == pytest.approx([0.2])
    assert two[1, :2].unique().tolist() == [1]


def test_sources_are_repeated_cut_resized_and_given_alpha() -> None:
    onto = torch.zeros(3, 4, 4, 4)
    source = torch.tensor([0.25, 0.5]).reshape(2, 1, 1, 1).repeat(1, 2, 2, 3)
    put = composite_images(onto, source, resize_source=True)
    assert put[:, 3, 3].tolist() == [[0.25, 0.25, 0.25, 1], [0.5, 0.5, 0.5, 1], [0.25, 0.25, 0.25, 1]]
    assert composite_images(onto[:1, ..., :3], torch.ones(5, 1, 1, 4)).shape == (1, 4, 4, 3)


def test_latents_are_put_by_pixels_of_the_picture() -> None:
    onto, source = torch.zeros(1, 4, 4, 4), torch.ones(1, 4, 2, 2)
    put = composite_latents(onto, source, 15, 23)
    assert put[0, 0].nonzero().tolist() == [[2, 1], [2, 2], [3, 1], [3, 2]]
    half = composite_latents(onto, source, 0, 0, torch.full((1, 16, 16), 0.5))
    assert half[0, 0, 0].tolist() == [0.5, 0.5, 0, 0]
    with pytest.raises(RequestError, match=r"latents of 16 channels, \[1, 16, 2, 2\].*different model families"):
        composite_latents(onto, torch.ones(1, 16, 2, 2))


def test_feathered_latents_fade_at_sides_inside_of_the_destination() -> None:
    onto, source = torch.zeros(1, 4, 8, 8), torch.ones(1, 4, 5, 5)
    put = composite_latents_feathered(onto, source, 16, 0, 16)[0, 0]
    assert put[0].tolist() == [0, 0, 0.5, 1, 1, 1, 0.5, 0]  # at the top nothing fades
    assert put[:, 3].tolist() == [1, 1, 1, 1, 0.5, 0, 0, 0]  # the last of two rows counts ½, the one before it 2/2
    assert put[4].tolist() == [0, 0, 0.25, 0.5, 0.5, 0.5, 0.25, 0]
    edge = composite_latents_feathered(onto, source, 40, 24, 16)[0, 0]
    assert edge[5].tolist() == [0, 0, 0, 0, 0, 0.5, 1, 1]
    assert edge[7].tolist() == [0, 0, 0, 0, 0, 0.5, 1, 1]
    corner = composite_latents_feathered(onto, source, 0, 16, 16)[0, 0]
    assert corner[4].tolist() == [1, 1, 1, 1, 0.5, 0, 0, 0]
    plain = composite_latents_feathered(onto, source, 16, 0, 7)[0, 0]
    assert plain[0].tolist() == [0, 0, 1, 1, 1, 1, 1, 0]
    assert composite_latents_feathered(onto, source, 64, 0, 16).sum() == 0


def test_feathered_batches_go_together_or_not() -> None:
    onto, source = torch.zeros(2, 4, 4, 4), torch.ones(1, 4, 2, 2)
    assert composite_latents_feathered(onto, source)[:, 0, 0, 0].tolist() == [1, 1]
    with pytest.raises(RequestError, match="batches of 2 and 3 do not go together"):
        composite_latents_feathered(onto, torch.ones(3, 4, 2, 2))
