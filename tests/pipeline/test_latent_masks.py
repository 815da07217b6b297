"""Masks of latents, given to `pipe.sample` as tensors: where these are to change."""

from __future__ import annotations

from typing import cast

import pytest
import torch

from sdkit import Pipeline
from sdkit.errors import RequestError
from sdkit.testing import ToyModel
from sdkit.types import Conditioning, DiffusionModel

SIZE = 8


@pytest.fixture
def pipe() -> Pipeline:
    return Pipeline(cast("DiffusionModel", ToyModel()))


@pytest.fixture
def told(pipe: Pipeline) -> Conditioning:
    cond = pipe.encode("a red circle")
    return Conditioning(cond.positive, cond.negative)


def latents(count: int = 2) -> torch.Tensor:
    return torch.randn(count, 4, SIZE, SIZE, generator=torch.Generator().manual_seed(5))


def test_each_picture_changes_where_its_own_mask_is(pipe: Pipeline, told: Conditioning) -> None:
    given, mask = latents(), torch.zeros(2, 1, SIZE, SIZE)
    mask[0, :, :, :3], mask[1, :, :, 3:] = 1, 1
    made = pipe.sample(told, latents=given, mask=mask, seeds=(1, 2), steps=3, denoise=0.5).tensor
    kept = mask.expand_as(given) == 0
    assert torch.allclose(made[kept], given[kept], atol=1e-5)
    assert float((made - given)[~kept].abs().min()) > 1e-4


def test_pictures_of_an_adaptive_sampler_have_their_masks_in_runs_of_their_own(
    pipe: Pipeline, told: Conditioning
) -> None:
    given, mask = latents(), torch.zeros(2, 1, SIZE, SIZE)
    mask[1] = 1
    made = pipe.sample(
        told,
        latents=given,
        mask=mask,
        seeds=(1, 2),
        sampler="dpm_adaptive",
        sampler_options={"denoise_to_zero": True},
        denoise=0.5,
    ).tensor
    assert torch.allclose(made[0], given[0], atol=1e-3)
    assert float((made[1] - given[1]).abs().max()) > 0.1


def test_a_mask_that_does_not_fit_is_refused(pipe: Pipeline, told: Conditioning) -> None:
    with pytest.raises(RequestError, match=r"\[1 or 2, 1, 8, 8\], not \[1, 1, 4, 4\]"):
        pipe.sample(told, latents=latents(), mask=torch.ones(1, 1, 4, 4), seeds=(1, 2))
    with pytest.raises(RequestError, match="give latents, too"):
        pipe.sample(told, mask=torch.ones(1, 1, 4, 4))
