"""Masked img2img: what the model sees, what is kept."""

from __future__ import annotations

import pytest
import torch

from sdkit.builtin.masks import wrap_denoiser
from sdkit.sampling.samplers.dpmpp import dpmpp_2m
from sdkit.sampling.samplers.euler import euler_ancestral
from sdkit.testing.denoisers import ConstantDenoiser
from sdkit.testing.samplers import SamplerFunction
from sdkit.types import Prediction, PredictionType, Run
from tests.sampling._figures import FormulaModel, make_run

FLOW = tuple((i + 1) / 1000 for i in range(1000))


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def masked_run(prediction: PredictionType = "eps") -> Run:
    """Two pictures of 4×4 latents: the left column is kept, the next is half kept, the rest is free."""
    mask = torch.ones(1, 1, 4, 4)
    mask[..., 0], mask[..., 1] = 0.0, 0.5
    model = FormulaModel(prediction, FLOW if prediction == "flow" else ())
    return make_run(size=32, model=model, init=normal(1, 1, 4, 4, 4), mask=mask, noise=normal(2, 2, 4, 4, 4))


class Spy:
    """A model that always predicts 9, and remembers what it saw."""

    def __init__(self) -> None:
        self.seen = torch.empty(0)

    def __call__(self, x: torch.Tensor, sigma: float, /) -> Prediction:
        self.seen = x
        nine = torch.full_like(x, 9.0)
        return Prediction(denoised=nine, cond=nine + 1, uncond=nine - 1)


@pytest.mark.parametrize("prediction", ["eps", "flow"])
def test_the_model_sees_the_initial_image_with_noise_where_it_is_kept(prediction: PredictionType) -> None:
    run, spy, x, sigma = masked_run(prediction), Spy(), normal(3, 2, 4, 4, 4), 0.6
    wrap = wrap_denoiser(run)
    assert wrap is not None
    assert run.init is not None
    assert run.noise is not None
    before = x.clone()
    answer = wrap(spy)(x, sigma)

    noisy = run.init * (0.4 if prediction == "flow" else 1.0) + run.noise * 0.6
    assert torch.allclose(spy.seen[..., 0], noisy[..., 0])
    assert torch.allclose(spy.seen[..., 1], (x[..., 1] + noisy[..., 1]) / 2)
    assert torch.equal(spy.seen[..., 2:], x[..., 2:])

    init = run.init.expand(2, -1, -1, -1)
    assert torch.equal(answer.denoised[..., 0], init[..., 0])
    assert torch.allclose(answer.denoised[..., 1], (init[..., 1] + 9) / 2)
    assert torch.equal(answer.denoised[..., 2:], torch.full((2, 4, 4, 2), 9.0))
    assert answer.uncond is not None
    assert (float(answer.cond.mean()), float(answer.uncond.mean())) == (10.0, 8.0)
    assert torch.equal(x, before)


@pytest.mark.parametrize("sampler", [dpmpp_2m, euler_ancestral])
def test_what_is_kept_comes_out_as_it_went_in(sampler: SamplerFunction) -> None:
    run = masked_run()
    wrap = wrap_denoiser(run)
    assert wrap is not None
    assert run.init is not None
    x = normal(4, 2, 4, 4, 4) * 10
    for step in sampler(wrap(ConstantDenoiser(9.0)), x, (10.0, 2.0, 0.5, 0.0), lambda *_: normal(5, 2, 4, 4, 4)):
        x = step.x
    assert torch.equal(x[..., 0], run.init[..., 0].expand(2, -1, -1))
    assert torch.equal(x[..., 2:], torch.full((2, 4, 4, 2), 9.0))


def test_without_a_mask_it_stays_out() -> None:
    assert wrap_denoiser(make_run()) is None
    assert wrap_denoiser(make_run(init=torch.zeros(1, 4, 16, 16))) is None
