"""Mixing two noises, and shifting one per channel."""

from __future__ import annotations

import math

import pytest
import torch

from sdkit.errors import RequestError
from sdkit.sampling import SeededNoise, slerp, starting_noise, with_noise_offset
from sdkit.sampling.noise.comfy import comfy
from tests.sampling._figures import make_run
from tests.sampling._noise_runs import part_of

SHAPE = (4, 16, 16)


def white(*seeds: int) -> torch.Tensor:
    return SeededNoise(seeds, SHAPE).start()


class TestSlerp:
    def test_a_quarter_circle(self) -> None:
        """Columns at right angles, of lengths 2 and 3: cos and sin of the share."""
        a, b = torch.zeros(1, 1, 4, 3), torch.zeros(1, 1, 4, 3)
        a[..., 0, :], b[..., 2, :] = 2.0, 3.0
        mixed = slerp(a, b, 1 / 3)
        assert torch.allclose(mixed[..., 0, :], torch.tensor(2 * math.cos(math.pi / 6)))
        assert torch.allclose(mixed[..., 2, :], torch.tensor(3 * math.sin(math.pi / 6)))

    def test_every_column_turns_by_its_own_angle(self) -> None:
        """Column 0 by 60°, column 1 by 90°: half of the way is (a + b)/(2·cos(half of the angle))."""
        a = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
        b = torch.tensor([[[[0.5, 0.0], [math.sqrt(0.75), 1.0]]]])
        expected = torch.stack([(a + b)[..., 0] / math.sqrt(3), (a + b)[..., 1] / math.sqrt(2)], dim=-1)
        assert torch.allclose(slerp(a, b, 0.5), expected)

    def test_ends(self) -> None:
        a, b = white(1, 2), white(3, 4)
        assert torch.allclose(slerp(a, b, 0.0), a, atol=1e-6)
        assert torch.allclose(slerp(a, b, 1.0), b, atol=1e-6)

    def test_variance_stays(self) -> None:
        mixed = slerp(white(*range(20)), white(*range(20, 40)), 0.5)
        assert float(mixed.var()) == pytest.approx(1, abs=0.04)

    def test_images_do_not_mix(self) -> None:
        mixed = slerp(white(1, 2), white(3, 4), 0.3)
        assert torch.equal(mixed[1:], slerp(white(2), white(4), 0.3))

    @pytest.mark.parametrize("factor", [1.0, -1.0])
    def test_columns_in_line_are_mixed_straight(self, factor: float) -> None:
        a = white(1)
        assert torch.allclose(slerp(a, factor * a, 0.25), a * (0.75 + 0.25 * factor), atol=1e-6)

    def test_nothing_is_nothing(self) -> None:
        assert torch.equal(slerp(torch.zeros(1, *SHAPE), torch.zeros(1, *SHAPE), 0.5), torch.zeros(1, *SHAPE))


class TestOffset:
    def test_one_number_per_image_and_channel(self) -> None:
        shift = with_noise_offset(torch.zeros(2, *SHAPE), 0.5, (3, 4))
        assert torch.equal(shift, shift[:, :, :1, :1].expand_as(shift))
        assert shift[:, :, 0, 0].unique().numel() == 8
        assert torch.allclose(with_noise_offset(white(3, 4), 0.5, (3, 4)) - white(3, 4), shift, atol=1e-6)

    def test_numbers_are_each_images_own_and_normal(self) -> None:
        seeds = tuple(range(2000))
        shifts = with_noise_offset(torch.zeros(2000, 4, 1, 1), 2.0, seeds)
        assert torch.equal(shifts[7:8], with_noise_offset(torch.zeros(1, 4, 1, 1), 2.0, (7,)))
        assert float(shifts.mean()) == pytest.approx(0, abs=0.1)
        assert float(shifts.std()) == pytest.approx(2, abs=0.1)

    def test_the_stream_is_not_the_starts(self) -> None:
        shifts = with_noise_offset(torch.zeros(1, *SHAPE), 1.0, (3,))[0, :, 0, 0]
        assert not torch.isin(shifts, white(3)).any()


class TestStart:
    def test_plain(self) -> None:
        run = part_of((1, 2))
        assert torch.equal(starting_noise(run), SeededNoise((1, 2), run.shape[1:]).start())

    def test_variation_counts_up_from_its_seed(self) -> None:
        run = part_of((5, 5, 5, 5), 2)
        shape = run.shape[1:]
        expected = slerp(SeededNoise((5, 5), shape).start(), SeededNoise((1, 2), shape).start(), 0.3)
        assert torch.equal(starting_noise(run, variation_seed=2**64 - 1, variation_strength=0.3), expected)

    def test_variation_is_the_same_sources(self) -> None:
        run = part_of((5, 6), 1)
        shape = run.shape[1:]
        whole, other = (SeededNoise((seed,), (2, *shape)).start()[0] for seed in (5, 9))
        came = starting_noise(run, comfy, variation_seed=9, variation_strength=0.6)
        assert torch.equal(came, slerp(whole[1:], other[1:], 0.6))

    def test_offset_comes_last_and_from_the_images_seeds(self) -> None:
        run = part_of((5, 6))
        varied = starting_noise(run, variation_seed=9, variation_strength=0.6)
        came = starting_noise(run, variation_seed=9, variation_strength=0.6, noise_offset=0.1)
        assert torch.equal(came, with_noise_offset(varied, 0.1, (5, 6)))

    @pytest.mark.parametrize("strength", [-0.1, 1.5])
    def test_strengths_that_are_none(self, strength: float) -> None:
        with pytest.raises(RequestError, match=f"from 0, none, to 1, nothing else, not {strength:g}"):
            starting_noise(make_run(), variation_seed=1, variation_strength=strength)

    def test_strength_needs_a_seed(self) -> None:
        with pytest.raises(RequestError, match="variation_strength needs a variation_seed"):
            starting_noise(make_run(), variation_strength=0.5)
