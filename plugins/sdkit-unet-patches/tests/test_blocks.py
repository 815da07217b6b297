"""FreeU and deep shrink: their numbers, written down a second time in other ways."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from sdkit import Pipeline, hookimpl
from sdkit.types import BlockPatch, BlockSite, NetworkCall
from sdkit_unet_patches import DeepShrink, FreeU
from sdkit_unet_patches.freeu import structure, with_low_frequencies_times

CALL = NetworkCall(1.0, 500.0, (2, 4, 8, 8), (("negative",), ("positive",)))
NO_RUN: Any = None


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def output(technique: FreeU, x: torch.Tensor, skip: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    patch: BlockPatch = technique.block_patches(NO_RUN)
    assert patch.output is not None
    return patch.output(x, skip, BlockSite("output", 0, 8, CALL))


# ── FreeU ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [(6, 8), (5, 7), (2, 2), (1, 3)])
def test_only_the_frequencies_0_and_minus_1_are_multiplied(size: tuple[int, int]) -> None:
    """By the sums that define them: what is added are four waves, (factor − 1) times their shares in the map."""
    x, factor = randn(2, 3, *size).double(), 0.25
    height, width = size
    rows, columns = torch.arange(height), torch.arange(width)
    expected = x.clone()
    for row, column in {(a % height, b % width) for a in (0, -1) for b in (0, -1)}:
        phase = 2 * math.pi * (row * rows[:, None] / height + column * columns / width)
        share = torch.einsum("bchw,hw->bc", x + 0j, torch.exp(-1j * phase).to(torch.complex128)) / (height * width)
        wave = torch.exp(1j * phase).to(torch.complex128)
        expected += (factor - 1) * (share[..., None, None] * wave).real
    torch.testing.assert_close(with_low_frequencies_times(x, factor), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(with_low_frequencies_times(x, 1.0), x, atol=1e-6, rtol=0)


def test_structure_goes_from_0_to_1_in_each_picture_and_is_0_where_it_is_flat() -> None:
    found = structure(torch.cat((randn(1, 6, 4, 4), 100 * randn(1, 6, 4, 4, seed=1), torch.ones(1, 6, 4, 4))))
    assert found.shape == (3, 1, 4, 4)
    assert found.amin((1, 2, 3)).tolist() == [0, 0, 0]
    assert found.amax((1, 2, 3)).tolist() == [1, 1, 0]


@pytest.mark.parametrize(("width", "b", "s"), [(32, 1.1, 0.9), (16, 1.2, 0.2)])
def test_version_1_multiplies_half_of_the_channels(width: int, b: float, s: float) -> None:
    x, skip = randn(2, width, 4, 4), randn(2, 12, 4, 4, seed=1)
    kept = x.clone()
    changed, filtered = output(FreeU(version=1), x, skip)
    torch.testing.assert_close(changed[:, : width // 2], x[:, : width // 2] * b)
    assert torch.equal(changed[:, width // 2 :], x[:, width // 2 :])
    torch.testing.assert_close(filtered, with_low_frequencies_times(skip, s))
    assert torch.equal(x, kept), "what came in is as it was"


@pytest.mark.parametrize(("width", "b"), [(32, 1.3), (16, 1.4)])
def test_version_2_multiplies_by_structure(width: int, b: float) -> None:
    x, skip = randn(2, width, 4, 4), randn(2, 12, 4, 4, seed=1)
    changed, _ = output(FreeU(), x, skip)
    for row in range(2):
        mean = x[row].mean(0)
        share = (mean - mean.min()) / (mean.max() - mean.min())
        torch.testing.assert_close(changed[row, : width // 2], x[row, : width // 2] * (1 + (b - 1) * share))


def test_other_widths_are_left_alone() -> None:
    x, skip = randn(2, 8, 4, 4), randn(2, 8, 4, 4)
    assert output(FreeU(), x, skip)[0] is x
    assert output(FreeU(), x, skip)[1] is skip


def test_it_keeps_half_precision() -> None:
    x, skip = randn(1, 32, 8, 8).half(), randn(1, 8, 8, 8).half()
    for given, came in zip((x, skip), output(FreeU(), x, skip), strict=True):
        assert came.dtype == torch.float16
        assert came.isfinite().all()
        assert not torch.equal(came, given)


# ── deep shrink ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Sizes:
    """A plugin that notes which sizes the middle and the output blocks see, at which sigmas."""

    def __init__(self) -> None:
        self.middle: dict[float, tuple[int, int]] = {}
        self.skips: list[tuple[int, int]] = []

    def seen(self, x: torch.Tensor, site: BlockSite) -> torch.Tensor:
        self.middle[site.call.sigma] = (x.shape[2], x.shape[3])
        return x

    def joined(self, x: torch.Tensor, skip: torch.Tensor, site: BlockSite) -> tuple[torch.Tensor, torch.Tensor]:
        assert x.shape[2:] == skip.shape[2:]
        self.skips.append((skip.shape[2], skip.shape[3]))
        return x, skip

    @hookimpl
    def block_patches(self, run: object) -> BlockPatch:
        return BlockPatch(middle=self.seen, output=self.joined)


ASKED: dict[str, Any] = {"width": 128, "height": 64, "steps": 4, "sampler": "euler", "guidance_scale": 3.0, "seed": 1}


@pytest.mark.parametrize(("after", "method"), [(True, "bicubic"), (False, "bislerp")])
def test_maps_are_smaller_in_the_first_part_of_a_run(pipe: Pipeline, after: bool, method: Any) -> None:
    sizes = Sizes()
    shrink = DeepShrink(
        block_number=1, end_percent=0.5, downscale_after_skip=after, downscale_method=method, upscale_method=method
    )
    pipe.using(shrink, sizes)("a cat", **ASKED)
    half = sorted(sizes.middle)[len(sizes.middle) // 2]
    assert {size for sigma, size in sizes.middle.items() if sigma >= half} == {(1, 2)}
    assert {size for sigma, size in sizes.middle.items() if sigma < half} == {(2, 4)}
    assert (sizes.skips[4] == (8, 16)) is after, "the map behind block 1, while it is small"


def test_nothing_is_shrunk_outside_of_its_part(pipe: Pipeline) -> None:
    never = DeepShrink(start_percent=0.999, end_percent=0.999)
    plain = pipe("a cat", **ASKED).latents.tensor
    assert torch.equal(pipe.using(never)("a cat", **ASKED).latents.tensor, plain)
    assert not torch.equal(pipe.using(DeepShrink(block_number=2))("a cat", **ASKED).latents.tensor, plain)
