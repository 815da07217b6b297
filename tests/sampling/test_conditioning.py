"""Conditioning algebra: what comes out, in numbers."""

from __future__ import annotations

import math

import pytest
import torch

from sdkit.errors import RequestError
from sdkit.sampling import (
    average,
    combine,
    compose,
    concat,
    make_evaluate,
    parameterisation,
    with_area,
    with_mask,
    with_range,
    with_strength,
    zero_out,
)
from sdkit.types import Area, Conditioning, Embedding
from tests.sampling._figures import FormulaModel, as_model, spec


def branch(value: float, tokens: int = 2, pooled: float | None = None, rows: int = 1) -> tuple[Embedding, ...]:
    return (Embedding(torch.full((rows, tokens, 3), value), None if pooled is None else torch.full((rows, 4), pooled)),)


def test_concat_lays_tokens_end_to_end() -> None:
    (found,) = concat(branch(1.0, 2, pooled=5.0), branch(2.0, 3, pooled=6.0))
    assert found.context[0, :, 0].tolist() == [1, 1, 2, 2, 2]
    assert found.pooled is not None
    assert float(found.pooled.mean()) == 5
    (found,) = concat(branch(1.0, rows=3), branch(2.0))
    assert found.context.shape == (3, 4, 3)


def test_average_blends_token_by_token() -> None:
    (found,) = average(branch(1.0, 2, pooled=5.0), branch(2.0, 2, pooled=6.0), 0.75)
    assert torch.allclose(found.context, torch.tensor(1.25))
    assert found.pooled is not None
    assert torch.allclose(found.pooled, torch.tensor(5.25))


def test_average_fills_and_cuts_the_other() -> None:
    (short,) = average(branch(1.0, 3), branch(2.0, 1, pooled=6.0), 0.5)
    assert short.context[0, :, 0].tolist() == [1.5, 0.5, 0.5]
    assert short.pooled is not None
    assert float(short.pooled.mean()) == 6
    (long,) = average(branch(1.0, 1), branch(2.0, 3), 0.5)
    assert long.context[0, :, 0].tolist() == [1.5]


@pytest.mark.parametrize("other", [branch(1.0, rows=2), (Embedding(torch.zeros(1, 2, 5)),)])
def test_shapes_that_do_not_fit_are_named(other: tuple[Embedding, ...]) -> None:
    with pytest.raises(RequestError, match=r"concat: contexts of shapes \[3, 2, 3\] and \[., 2, .\] do not fit"):
        concat(branch(1.0, rows=3), other)
    with pytest.raises(RequestError, match=r"average: contexts of shapes"):
        average(branch(1.0, rows=3), other, 0.5)
    with pytest.raises(RequestError, match="the second branch is empty"):
        concat(branch(1.0), ())


def test_combining_keeps_all() -> None:
    first, second = branch(1.0), with_strength(branch(2.0), 0.5)
    assert combine(first, second) == (*first, *second)
    assert combine(first, second)[1].strength == 0.5


def test_zeroing() -> None:
    (found,) = zero_out(branch(1.0, pooled=2.0))
    assert found.pooled is not None
    assert not found.context.any()
    assert not found.pooled.any()
    assert zero_out(branch(1.0))[0].pooled is None


def test_areas_and_masks() -> None:
    (found,) = with_area(with_strength(branch(1.0), 0.5), Area(0, 0.5, 1, 0.5), 0.5)
    assert (found.area, found.strength) == (Area(0, 0.5, 1, 0.5), 0.25)
    (masked,) = with_mask((found,), torch.ones(4, 6), 2.0)
    assert masked.mask is not None
    assert (masked.mask.shape, masked.strength, masked.area) == ((1, 4, 6), 0.5, Area(0, 0.5, 1, 0.5))
    assert with_mask((found,), torch.ones(2, 4, 6), bounds=True)[0].area == "mask"
    with pytest.raises(RequestError, match=r"must be \[h, w\] or \[B, h, w\], not \[1, 1, 4, 6\]"):
        with_mask(branch(1.0), torch.ones(1, 1, 4, 6))
    for area in (Area(1, 0, 1, 1), Area(0, -0.1, 1, 1), Area(0, 0, 0, 1), Area(0, 0, 1, math.nan)):
        with pytest.raises(RequestError, match="an area's top and left must be in 0…1"):
            with_area(branch(1.0), area)


def test_ranges_are_shares_of_the_training_steps() -> None:
    sigmas = spec().sigmas
    (found,) = with_range(branch(1.0), spec(), 0.0, 0.5)
    assert found.sigmas is not None
    assert found.sigmas[0] > sigmas[-1]
    assert sigmas[499] < found.sigmas[1] < sigmas[500]
    (rest,) = with_range(branch(1.0), spec(), 0.5)
    assert rest.sigmas == (found.sigmas[1], 0.0)
    with pytest.raises(RequestError, match=r"must not end before it starts; got 0\.6 to 0\.5"):
        with_range(branch(1.0), spec(), 0.6, 0.5)


@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.7, -0.5), (0.25, 0.75), (3.0,), (1.0, 0.5, -0.5)])
def test_composing_adds_pulls(weights: tuple[float, ...]) -> None:
    """uncond + Σ weight·(cond − uncond), with each prediction worked out alone."""
    model, x = FormulaModel(), torch.randn(1, 4, 6, 5, generator=torch.Generator().manual_seed(1))
    rules = parameterisation(model.spec)

    def predicted(positive: tuple[Embedding, ...]) -> torch.Tensor:
        run = make_evaluate(as_model(model), rules, Conditioning(positive, branch(-0.3)))
        return run(x, 3.0, ("positive",))["positive"]

    uncond, conds = predicted(branch(-0.3)), [predicted(branch(0.2 * index)) for index in range(len(weights))]
    expected = uncond + sum(weight * (cond - uncond) for weight, cond in zip(weights, conds, strict=True))
    parts = [(branch(0.2 * index), weight) for index, weight in enumerate(weights)]
    composed = compose(parts, branch(-0.3))
    assert torch.allclose(predicted(composed), expected, atol=1e-5)
    assert len(composed) == len(weights) + (sum(weights) != 1)
