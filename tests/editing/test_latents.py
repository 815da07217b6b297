"""Latents: arithmetic, and batches with masks and numbers."""

from __future__ import annotations

import math

import pytest
import torch

from sdkit.editing import (
    LatentBatch,
    add_latents,
    blend_latents,
    interpolate_latents,
    join_latents,
    match_latents,
    multiply_latents,
    noise_mask_for,
    pick_latents,
    rebatch_latents,
    repeat_latents,
    share_noise,
    subtract_latents,
    with_noise_mask,
)
from sdkit.errors import RequestError


def constant(*values: float, side: int = 2) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(-1, 1, 1, 1).repeat(1, 4, side, side)


def numbered(count: int, side: int = 2) -> LatentBatch:
    return LatentBatch(constant(*(float(number) for number in range(count)), side=side))


def values(latents: LatentBatch) -> list[float]:
    return latents.samples[:, 0, 0, 0].tolist()


def mask_values(latents: LatentBatch) -> list[float]:
    assert latents.noise_mask is not None
    return latents.noise_mask[:, 0, 0, 0].tolist()


def test_arithmetic_repeats_the_second_operand() -> None:
    first, second = constant(1, 2, 3), constant(10, 20)
    assert add_latents(first, second)[:, 0, 0, 0].tolist() == [11, 22, 13]
    assert subtract_latents(first[:1], second)[:, 0, 0, 0].tolist() == [-9]
    assert multiply_latents(first, -0.5)[:, 3, 1, 1].tolist() == [-0.5, -1, -1.5]
    # Six columns to a square of two: columns 2 and 3 are left.
    wide = torch.arange(6.0).reshape(1, 1, 1, 6).repeat(1, 4, 2, 1)
    assert match_latents(wide, first)[0, 0, 0].tolist() == [2, 3]
    with pytest.raises(RequestError, match=r"4 channels, \[3, 4, 2, 2\], and of 1, \[1, 1, 2, 2\], do not go together"):
        add_latents(first, torch.rand(1, 1, 2, 2))


def test_interpolating_keeps_lengths() -> None:
    first, second = torch.zeros(1, 2, 1, 1), torch.zeros(1, 2, 1, 1)
    first[0, 0], second[0, 1] = 2, 6
    mixed = interpolate_latents(first, second, 0.25).flatten()
    length = 0.25 * 2 + 0.75 * 6
    assert mixed.tolist() == pytest.approx(
        [length * 0.25 / math.hypot(0.25, 0.75), length * 0.75 / math.hypot(0.25, 0.75)]
    )
    assert torch.equal(interpolate_latents(first, second, 1.0), first)
    assert interpolate_latents(first, -first, 0.5).flatten().tolist() == [0, 0]
    assert interpolate_latents(torch.zeros(1, 2, 1, 1), second, 0.5).flatten().tolist() == [0, 3]


def test_blending_is_on_the_straight_line_and_the_first_counts_by_the_factor() -> None:
    assert blend_latents(constant(1), constant(5), 0.75)[0, 0, 0, 0] == 2
    assert blend_latents(constant(1, 2), constant(5, side=8), 0.5)[:, 0, 0, 0].tolist() == pytest.approx([3, 3.5])
    with pytest.raises(RequestError, match="latents to blend: batches of 2 and 3"):
        blend_latents(constant(1, 2), constant(1, 2, 3))


def test_picked_latents_keep_their_noise_and_masks() -> None:
    batch = with_noise_mask(numbered(5), torch.arange(2.0).reshape(2, 1, 1).repeat(1, 9, 9))
    picked = pick_latents(batch, 2, 2)
    assert values(picked) == [2, 3]
    assert picked.batch_index == (2, 3)
    assert mask_values(picked) == [0, 1]  # of 0, 1, 0, 1, 0
    again = pick_latents(picked, 1, 9)
    assert again.batch_index == (3,)
    assert pick_latents(batch, -1).batch_index == (4,)
    assert pick_latents(batch, 99).batch_index == (4,)
    assert pick_latents(batch, -99, 2).batch_index == (0, 1)
    one = pick_latents(with_noise_mask(numbered(3), torch.ones(9, 9)), 1)
    assert one.noise_mask is not None
    assert one.noise_mask.shape == (1, 1, 9, 9)


def test_repeats_get_noise_of_their_own() -> None:
    assert repeat_latents(numbered(2), 2).batch_index is None
    batch = LatentBatch(constant(1, 2), torch.tensor([0.0, 1]).reshape(2, 1, 1, 1), (3, 6))
    repeated = repeat_latents(batch, 3)
    assert values(repeated) == [1, 2] * 3
    assert repeated.batch_index == (3, 6, 7, 10, 11, 14)  # 3…6 spans four
    assert mask_values(repeated) == [0, 1] * 3
    assert mask_values(repeat_latents(with_noise_mask(batch, torch.ones(1, 4, 4)), 3)) == [1]


def test_joined_latents_keep_their_numbers_and_the_first_mask() -> None:
    first = with_noise_mask(numbered(2), torch.full((1, 4, 4), 0.5))
    joined = join_latents([first, LatentBatch(constant(7, side=4), batch_index=(9,)), numbered(2)])
    assert values(joined) == [0, 1, 7, 0, 1]
    assert joined.batch_index == (0, 1, 9, 0, 1)
    assert mask_values(joined) == [0.5]
    with pytest.raises(RequestError, match="no latents"):
        join_latents([])


def test_noise_may_be_shared() -> None:
    batch = pick_latents(numbered(5), 2, 3)
    assert share_noise(batch).batch_index == (2, 2, 2)
    assert share_noise(numbered(2)).batch_index == (0, 0)
    assert share_noise(batch, shared=False).batch_index is None


def test_rebatched_latents_are_split_and_numbered_through() -> None:
    parts = rebatch_latents([numbered(3), numbered(2), numbered(1, side=4), numbered(1)], 2)
    assert [values(part) for part in parts] == [[0, 1], [2, 0], [1], [0], [0]]
    assert [part.batch_index for part in parts] == [(0, 1), (2, 3), (4,), (5,), (6,)]
    assert all(part.noise_mask is None for part in parts)
    kept = rebatch_latents([LatentBatch(constant(1, 2), batch_index=(8, 4)), numbered(1)], 3)
    assert [part.batch_index for part in kept] == [(8, 4, 2)]


def test_rebatched_masks_are_filled_up_and_all_ones_dropped() -> None:
    masked = with_noise_mask(numbered(2), torch.full((1, 16, 16), 0.5))
    parts = rebatch_latents([masked, numbered(2)], 3)
    assert mask_values(parts[0]) == [0.5, 0.5, 1]
    assert parts[1].noise_mask is None
    small = with_noise_mask(numbered(1), torch.full((1, 5, 7), 0.25))
    mixed = rebatch_latents([masked, small], 9)
    assert mixed[0].noise_mask is not None
    assert mixed[0].noise_mask.shape == (3, 1, 16, 16)
    assert rebatch_latents([small], 9)[0].noise_mask is not None
    alone = rebatch_latents([small], 9)[0].noise_mask
    assert alone is not None
    assert alone.shape == (1, 1, 5, 7)


def test_masks_become_the_size_of_latents() -> None:
    mask = torch.tensor([0.0, 0, 1, 1]).expand(1, 4, 4)
    small = noise_mask_for(mask[:, None], constant(1, 2, 3))
    assert small.shape == (3, 1, 2, 2)
    assert small[2, 0].tolist() == [[0, 1], [0, 1]]


def test_latent_batches_are_checked() -> None:
    with pytest.raises(RequestError, match="2 latents have as many numbers, not 1"):
        LatentBatch(constant(1, 2), batch_index=(0,))
    with pytest.raises(RequestError, match=r"latents are \[B, C, h, w\]"):
        LatentBatch(torch.rand(4, 8, 8))
