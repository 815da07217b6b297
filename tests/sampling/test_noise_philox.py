"""Philox and CUDA's normal numbers: published vectors, and draws that others printed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sdkit.sampling.noise.philox import CudaStream, philox4x32

ONES = 2**32 - 1


def words(*values: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    c0, c1, c2, c3 = (np.array([value], dtype=np.uint64) for value in values)
    return c0, c1, c2, c3


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((ONES, ONES, ONES, ONES), (ONES, ONES), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),  # π's digits
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_known_answers_of_random123(counter: tuple[int, ...], key: tuple[int, int], expected: tuple[int, ...]) -> None:
    assert tuple(int(word[0]) for word in philox4x32(words(*counter), key)) == expected


def test_first_draw_is_cudas() -> None:
    """Of `torch.cuda.manual_seed(0)`, as A1111's documentation prints it; the device's sine is good to 4e-7."""
    published = torch.tensor(
        [
            [-0.92466259, -0.42534415, -2.6438457, 0.14518388],
            [-0.12086647, -0.57972564, -0.62285122, -0.32838709],
            [-1.07454231, -0.36314407, -1.67105047, 2.26550497],
        ]
    )
    assert torch.allclose(CudaStream(0)((3, 4)), published, rtol=0, atol=5e-7)


def test_draws_after_the_first_are_cudas() -> None:
    """A GPU's max(0, x + y/2 + z), printed to five digits, for three successive draws of seed 0: x, y [8, 8], z [8]."""
    published = torch.tensor(
        [
            [1.7098, 0, 0, 0, 0.67049, 0, 0.34424, 0.011223],
            [1.8750, 0, 0, 2.2105, 0.66808, 0, 1.8445, 1.9246],
            [2.2614, 1.3964, 0.51802, 2.0114, 0, 0, 0.27715, 0],
            [2.4750, 0, 1.9079, 0.54869, 0.37923, 0, 3.1791, 0.66843],
            [1.8234, 0, 0.11147, 0, 0, 0, 2.4250, 3.2593],
            [2.2903, 0, 1.1721, 0.69331, 1.0583, 0.67518, 0, 0.26185],
            [1.5804, 0, 0.90740, 0.16670, 0.055230, 0, 1.5325, 0.35984],
            [1.5554, 0, 0, 0.94380, 0.0029795, 0.074125, 1.6286, 0],
        ]
    )
    stream = CudaStream(0)
    x, y, z = stream((8, 8)), stream((8, 8)), stream((8,))
    assert torch.allclose(torch.relu(x + y / 2 + z), published, rtol=5e-5, atol=2e-6)


def test_seeds_of_64_bits_are_whole() -> None:
    drawn = [CudaStream(seed)((8,)) for seed in (1, 2**32 + 1, 2**63 + 1, 2**64 - 1)]
    for i, one in enumerate(drawn):
        assert all(not torch.equal(one, other) for other in drawn[:i])


def test_numbers_are_standard_normal() -> None:
    drawn = CudaStream(7)((4, 128, 128))
    assert drawn.dtype == torch.float32
    assert float(drawn.mean()) == pytest.approx(0, abs=0.015)
    assert float(drawn.var()) == pytest.approx(1, abs=0.02)
    assert float((drawn**4).mean()) == pytest.approx(3, abs=0.15)


class TestFewThreads:
    """A GPU with 256 resident threads: beyond 256 numbers, each thread gives its second, third and fourth."""

    def test_the_first_number_of_each_thread_comes_first(self) -> None:
        assert torch.equal(CudaStream(3, threads=256)((1000,))[:256], CudaStream(3)((256,)))
        assert torch.equal(CudaStream(3, threads=1024)((1000,)), CudaStream(3)((1000,)))

    def test_then_the_others_of_the_same_counter(self) -> None:
        zero = np.zeros(256, dtype=np.uint64)
        made = philox4x32((zero, zero, np.arange(256, dtype=np.uint64), zero), (3, 0))
        u, v = ((word + 0.5) / 2**32 for word in made[2:])
        third = torch.from_numpy(np.sqrt(-2 * np.log(u)) * np.sin(2 * np.pi * v)).float()
        drawn = CudaStream(3, threads=256)((2000,))
        assert torch.allclose(drawn[512:768], third, atol=1e-6)
        assert torch.allclose(drawn[768:1024] ** 2 + third**2, torch.from_numpy(-2 * np.log(u)).float(), atol=1e-5)

    def test_then_those_of_the_next_counter_and_draws_do_not_overlap(self) -> None:
        few, many = CudaStream(3, threads=256), CudaStream(3)
        drawn = few((1100,))  # two counters
        assert torch.equal(drawn[1024:], [many((256,)) for _ in range(2)][1][: 1100 - 1024])
        assert torch.equal(few((10,)), many((10,)))
