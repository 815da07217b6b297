"""Brownian trees: another library's numbers, and a Brownian path."""

from __future__ import annotations

import math

import pytest
import torch

from sdkit.errors import SamplingError
from sdkit.sampling.noise.streams import cpu_stream
from sdkit.sampling.noise.tree import TreeNoise
from tests.sampling._figures import assert_close, tensors

SHAPE = (1, 4, 128, 128)  # 2¹⁶ numbers: means to 0.004, variances to 0.0055
ULP = 3e-7  # PyTorch's normal numbers differ between kinds of CPU in the last place; torchsde's do, too
SIGMAS = (14.6, 7.0, 2.5, 0.4, 0.03, 0.0)


def tree(shape: tuple[int, ...] = SHAPE, sigmas: tuple[float, ...] = SIGMAS, seed: int = 1) -> TreeNoise:
    return TreeNoise([seed], lambda seed: cpu_stream(seed)(shape), sigmas)


def reference_sigmas() -> tuple[float, ...]:
    return tuple(float(sigma) for sigma in tensors("sigmas")["normal.10"])


def test_numbers_are_torchsdes() -> None:
    sigmas = reference_sigmas()
    noise = tree((1, 4, 16, 16), sigmas, seed=42)
    for i in range(9):
        assert_close(noise(sigmas[i], sigmas[i + 1]), tensors("noise")[f"brownian_cpuTrue.{i}"], ULP, f"step {i}")


def test_numbers_do_not_depend_on_the_order_of_asking() -> None:
    sigmas = reference_sigmas()
    noise = tree((1, 4, 16, 16), sigmas, seed=42)
    noise(5.0, 0.1), noise(3.3, 3.2)  # pyright: ignore[reportUnusedExpression] - called for what they draw
    for i in (8, 3, 0):
        assert_close(noise(sigmas[i], sigmas[i + 1]), tensors("noise")[f"brownian_cpuFalse.{i}"], ULP, f"step {i}")


def test_largest_seed_and_several_trees() -> None:
    seeds = (2**64 - 1, 0, 7)
    together = TreeNoise(seeds, lambda seed: cpu_stream(seed)((1, 2, 4, 4)), SIGMAS)(7.0, 2.5)
    assert together.shape == (3, 2, 4, 4)
    for i, seed in enumerate(seeds):
        assert torch.equal(together[i : i + 1], tree((1, 2, 4, 4), seed=seed)(7.0, 2.5))
    assert not torch.equal(together[0], together[1])


def test_sigmas_count_in_float32() -> None:
    noise = tree((1, 2, 4, 4))
    assert torch.equal(noise(0.1 + 1e-12, 0.03), noise(0.1, 0.03))


@pytest.mark.parametrize(
    ("sigma", "sigma_next"), [(14.6, 7.0), (14.6, 0.03), (3.0, 2.99), (0.4, 0.0), (0.02, 0.01), (0.03, 0.0)]
)
def test_unit_variance_wherever_it_is_asked_for(sigma: float, sigma_next: float) -> None:
    drawn = tree()(sigma, sigma_next)
    assert float(drawn.mean()) == pytest.approx(0, abs=0.02)
    assert float(drawn.var()) == pytest.approx(1, abs=0.03)


def test_increments_add_up_below_the_smallest_sigma_too() -> None:
    noise = tree((1, 4, 16, 16))
    whole = noise(7.0, 0.01) * math.sqrt(6.99)
    parts = noise(7.0, 0.4) * math.sqrt(6.6) + noise(0.4, 0.02) * math.sqrt(0.38) + noise(0.02, 0.01) * 0.1
    assert torch.allclose(whole, parts, atol=1e-5)


def test_increments_that_do_not_overlap_are_independent() -> None:
    noise = tree()
    pieces = [noise(14.6, 7.0), noise(7.0, 2.5), noise(2.5, 0.03), noise(0.03, 0.0)]
    for i, one in enumerate(pieces):
        for other in pieces[:i]:
            assert float((one * other).mean()) == pytest.approx(0, abs=0.02)


def test_direction_changes_the_sign() -> None:
    noise = tree((1, 2, 4, 4))
    assert torch.equal(noise(7.0, 2.5), -noise(2.5, 7.0))


def test_one_sigma_above_zero_is_enough() -> None:
    assert float(tree(sigmas=(3.0, 0.0))(3.0, 1.0).var()) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(
    ("sigma", "sigma_next", "says"),
    [
        (2.5, 2.5, "from sigma 2.5 to itself: there is none"),
        (2.5, 2.4999999, "from sigma 2.5 to 2.4999999, which is the same to 6 decimals: there is none"),
        (15.0, 2.5, "at sigma 15, but the tree that it comes from ends at the run's largest, 14.6; .*per_image"),
    ],
)
def test_what_no_tree_has(sigma: float, sigma_next: float, says: str) -> None:
    with pytest.raises(SamplingError, match=says):
        tree((1, 2, 4, 4))(sigma, sigma_next)
