"""Noise: per image, per seed, and Brownian paths that add up."""

from __future__ import annotations

import math

import pytest
import torch

from sdkit.errors import SamplingError
from sdkit.sampling import BrownianNoise, SeededNoise, noise_for
from sdkit.sampling.noise.webui import nv
from sdkit.types import NoiseKind
from tests.sampling._figures import make_run, tensors

SHAPE = (4, 16, 16)


@pytest.mark.parametrize(
    ("key", "seed"),
    [
        ("prepare_noise_seed42_1x4x16x16", 42),
        ("prepare_noise_seed42_1x4x64x64", 42),
        ("prepare_noise_seed_max_1x4x16x16", 2**64 - 1),
    ],
)
def test_start_is_what_others_draw_for_the_seed(key: str, seed: int) -> None:
    expected = tensors("noise")[key]
    assert torch.equal(SeededNoise((seed,), expected.shape[1:]).start(), expected)


def test_every_image_is_its_seed_alone() -> None:
    together = SeededNoise((3, 9, 3), SHAPE)
    draws = torch.stack([together.start(), together(2.0, 1.0), together(1.0, 0.5)])
    for i, seed in enumerate((3, 9, 3)):
        alone = SeededNoise((seed,), SHAPE)
        assert torch.equal(torch.stack([alone.start(), alone(2.0, 1.0), alone(1.0, 0.5)])[:, 0], draws[:, i])
    assert torch.equal(draws[:, 0], draws[:, 2])
    assert not torch.equal(draws[:, 0], draws[:, 1])


@pytest.mark.parametrize("kind", ["white", "brownian"])
def test_run_noise_follows_the_start_and_repeats(kind: NoiseKind) -> None:
    run = make_run(seeds=(5, 6))
    start = SeededNoise(run.seeds, run.shape[1:]).start()
    first = noise_for(run, kind, "mine")
    drawn = [first(4.0, 2.0), first(2.0, 1.0)]
    again = noise_for(run, kind, "mine")
    assert torch.equal(again(4.0, 2.0), drawn[0])
    assert torch.equal(again(2.0, 1.0), drawn[1])
    for one in drawn:
        assert one.shape == run.shape
        assert abs(float((one * start).mean())) < 0.08, "independent of the start"
    alone = noise_for(make_run(seeds=(6,)), kind, "mine")
    assert torch.equal(alone(4.0, 2.0)[0], drawn[0][1])


def test_white_noise_goes_on_where_the_start_ended() -> None:
    run = make_run(seeds=(5, 6))
    source = SeededNoise(run.seeds, run.shape[1:])
    source.start()
    assert torch.equal(noise_for(run, "white", "mine")(4.0, 2.0), source.start())


def test_noise_for_asks_the_runs_source() -> None:
    run = make_run(seeds=(5, 6), total=2)
    for kind in ("white", "brownian"):
        assert torch.equal(noise_for(run, kind, "mine", nv)(10.0, 2.0), nv(run).steps(kind)(10.0, 2.0))


def test_a_sampler_that_declared_none_is_named() -> None:
    noise = noise_for(make_run(), "none", "sneaky")
    with pytest.raises(SamplingError, match=r'sampler \'sneaky\' declared noise="none" but asked for noise .* 2'):
        noise(2.0, 1.0)


@pytest.mark.parametrize("kind", ["white", "brownian"])
def test_global_generator_is_left_alone(kind: NoiseKind) -> None:
    before = torch.random.get_rng_state()
    noise = noise_for(make_run(), kind, "mine")
    noise(4.0, 2.0), noise(3.0, 2.5)  # pyright: ignore[reportUnusedExpression] - called for what they touch
    assert torch.equal(torch.random.get_rng_state(), before)


class TestBrownian:
    shape = (4, 128, 128)  # 2¹⁶ numbers: means to 0.004, variances to 0.0055

    def path(self) -> BrownianNoise:
        return BrownianNoise(SeededNoise((1,), self.shape))

    def test_unit_variance_wherever_it_is_asked_for(self) -> None:
        noise = self.path()
        for sigma, sigma_next in [
            (10.0, 1.0),
            (5.0, 2.0),
            (14.0, 10.0),
            (1.0, 0.2),
            (4.0, 3.9),
            (0.2, 0.0),
            (14.0, 0.0),
        ]:
            drawn = noise(sigma, sigma_next)
            assert float(drawn.mean()) == pytest.approx(0, abs=0.02), (sigma, sigma_next)
            assert float(drawn.var()) == pytest.approx(1, abs=0.03), (sigma, sigma_next)

    def test_no_draw_is_wasted(self) -> None:
        """The path begins where it is asked for first, so that the first increment is the first draw."""
        assert torch.equal(self.path()(2.0, 1.0), -SeededNoise((1,), self.shape).start())

    def test_increments_add_up(self) -> None:
        noise = self.path()
        whole = noise(10.0, 1.0) * math.sqrt(9.0)
        parts = noise(10.0, 4.0) * math.sqrt(6.0) + noise(4.0, 2.5) * math.sqrt(1.5) + noise(2.5, 1.0) * math.sqrt(1.5)
        assert torch.allclose(whole, parts, atol=1e-5)

    def test_order_of_asking_does_not_bend_the_path(self) -> None:
        noise = self.path()
        first = noise(10.0, 5.0)
        noise(20.0, 0.5), noise(7.0, 6.0)  # pyright: ignore[reportUnusedExpression] - called for what they draw
        assert torch.equal(noise(10.0, 5.0), first)

    def test_increments_that_do_not_overlap_are_independent(self) -> None:
        noise = self.path()
        noise(10.0, 1.0)  # the ends first, so that all of these are bridges
        pieces = [noise(10.0, 7.0), noise(7.0, 3.0), noise(3.0, 1.0), noise(12.0, 10.0)]
        for i, one in enumerate(pieces):
            for other in pieces[:i]:
                assert float((one * other).mean()) == pytest.approx(0, abs=0.02)

    def test_overlap_correlates_as_much_as_it_is_long(self) -> None:
        noise = self.path()
        assert float((noise(10.0, 0.0) * noise(10.0, 6.4)).mean()) == pytest.approx(math.sqrt(0.36), abs=0.02)

    def test_direction_changes_the_sign(self) -> None:
        noise = self.path()
        assert torch.equal(noise(3.0, 2.0), -noise(2.0, 3.0))

    def test_no_way_is_no_noise(self) -> None:
        with pytest.raises(SamplingError, match="from sigma 2 to itself"):
            self.path()(2.0, 2.0)
