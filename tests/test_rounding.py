"""float32 arithmetic without torch, against torch's."""

from __future__ import annotations

import math

import pytest
import torch

from sdkit.rounding import exp32, float32, log32, mix32, power32, ramp32


def test_float32_is_the_nearest() -> None:
    assert float32(0.1) == torch.tensor(0.1).item() != 0.1
    assert float32(1.0 + 2.0**-24) == 1.0, "half-way to the even one"
    assert float32(1.0 + 3 * 2.0**-24) == 1.0 + 2.0**-22


def test_what_is_too_large_is_infinite() -> None:
    assert (float32(1e39), float32(-1e39), exp32(90.0)) == (math.inf, -math.inf, math.inf)


def test_functions_are_rounded_correctly() -> None:
    numbers = [float32(0.03 + i * 0.0731) for i in range(200)]
    doubles = torch.tensor(numbers, dtype=torch.float64)
    assert [log32(number) for number in numbers] == doubles.log().float().tolist()
    assert [exp32(number) for number in numbers] == doubles.exp().float().tolist()


@pytest.mark.parametrize("exponent", [7.0, 3.0, 2.0, 0.3])
def test_powers(exponent: float) -> None:
    numbers = torch.linspace(0.6, 1.5, 50)
    expected = numbers * numbers * numbers if exponent == 3 else (numbers.double() ** float32(exponent)).float()
    assert [power32(number, exponent) for number in numbers.tolist()] == expected.tolist()


def test_mixing_rounds_each_product() -> None:
    starts, ends = torch.rand(2, 100, generator=torch.Generator().manual_seed(0))
    part = torch.tensor(0.3)
    expected = (1 - part) * starts + part * ends
    came = [mix32(a, b, part.item()) for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
    assert came == expected.tolist()
    once = [float32(0.7 * a + 0.3 * b) for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
    assert came != once


@pytest.mark.parametrize("ends", [(999.0, 0.0), (1.0, 1e-3), (2.682, -3.5347)])
def test_a_ramp_counts_from_the_nearer_end(ends: tuple[float, float]) -> None:
    start, end = map(float32, ends)
    for count in (2, 3, 7, 30):
        stride = torch.tensor(end).sub(start).div(count - 1).item()
        exact = [start + stride * i for i in range(count // 2)]
        exact += [end - stride * i for i in reversed(range(count - count // 2))]
        assert ramp32(*ends, count) == [float32(number) for number in exact]
    assert ramp32(*ends, 1) == [start]


def test_the_middle_of_a_ramp_is_counted_from_its_end() -> None:
    assert ramp32(1.0, 1e-3, 3)[1] == 0.5005000233650208
