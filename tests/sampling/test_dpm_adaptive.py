"""dpm_adaptive: against another implementation's attempts, picture by picture, and its way of keeping the error."""

from __future__ import annotations

import functools
import math
from typing import Any, Literal

import pytest
import torch

from sdkit.errors import NonFiniteError, SamplingError
from sdkit.sampling import SeededNoise
from sdkit.sampling.samplers.dpm_adaptive import Controller, dpm_adaptive
from sdkit.testing.denoisers import ConstantDenoiser, RecordingDenoiser
from sdkit.testing.samplers import SamplerFunction, assert_sampler_ok
from sdkit.types import Denoiser, Prediction
from tests.sampling._figures import assert_close, double, golden, golden_denoiser

SIGMAS = (10.0, 3.0, 0.1)
X = torch.randn(3, 1, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 10


@pytest.mark.parametrize("kind", ["eps", "flow"])
def test_trajectory(kind: str) -> None:
    """The figures' trail has every attempt with the state that it led to, which after a rejection is the one before.

    They were computed with rtol and atol rounded to float32, which moves the steps by about 1e-9.
    """
    figures: dict[str, Any] = golden()[kind]
    expected: dict[str, Any] = figures["samplers"]["dpm_adaptive"]
    denoise, sigmas = RecordingDenoiser(golden_denoiser(kind)), tuple(figures["sigmas"])
    x = double(golden()["noise0"]) * sigmas[0]
    steps = list(dpm_adaptive(denoise, x, sigmas, _none, per_image=False))
    trail = expected["trail"]
    accepted = [attempt for i, attempt in enumerate(trail) if i == 0 or attempt["x"] != trail[i - 1]["x"]]
    for i, (step, attempt) in enumerate(zip(steps, accepted, strict=True)):
        assert_close(step.x, double(attempt["x"]), 1e-8, f"{kind}, x after step {i}")
        assert_close(step.denoised, double(attempt["denoised"]), 1e-8, f"{kind}, prediction of step {i}")
    assert_close(steps[-1].x, double(expected["x"]), 1e-9, f"{kind}, the result")
    assert len(denoise.sigmas) == expected["nfe"]
    ends = [pytest.approx(tuple(call), rel=1e-7) for call in expected["noise_calls"]]
    assert [(step.sigma, step.sigma_next or sigmas[-2]) for step in steps] == ends
    assert steps[-1].sigma_next == 0.0


@pytest.mark.parametrize("per_image", [True, False])
@pytest.mark.parametrize("order", [2, 3])
def test_error_falls_with_the_tolerance(order: Literal[2, 3], per_image: bool) -> None:
    sampler: SamplerFunction = functools.partial(dpm_adaptive, order=order)
    if per_image:
        assert_sampler_ok(sampler, adaptive=True, denoise_to_zero=True)
    else:
        with pytest.raises(AssertionError, match="must not mix the images of a batch"):
            assert_sampler_ok(sampler, adaptive=True, denoise_to_zero=True, per_image=False)


def test_step_length_follows_from_this_error_and_those_of_the_last_two_steps() -> None:
    """After h·(1 + atan(f − 1)), f a product of powers of 1/error; a rejection leaves no trace in the history."""
    controller = Controller(0.1, (0.5, -0.3, 0.1), accept_safety=0.8)
    expected, history = 0.1, [2.0, 2.0]
    for error, counts in ((0.5, True), (0.25, True), (8.0, False), (0.4, True)):
        assert controller.accepts(error) is counts
        f = (1 / error) ** 0.5 * history[0] ** -0.3 * history[1] ** 0.1
        expected *= 1 + math.atan(f - 1)
        assert controller.h == pytest.approx(expected, rel=1e-6)
        if counts:
            history = [1 / error, history[0]]


@pytest.mark.parametrize("eta", [1.0, 0.5])
def test_with_noise_it_keeps_mean_and_variance(eta: float) -> None:
    sampler = functools.partial(dpm_adaptive, rtol=0.01, atol=0.001)
    assert_sampler_ok(sampler, noise="white", adaptive=True, denoise_to_zero=True, eta=eta)


def test_each_picture_takes_the_steps_that_it_takes_alone() -> None:
    """The steps' sigmas are those of whichever picture is behind."""
    together = _Largest(golden_denoiser("eps"))
    steps = list(dpm_adaptive(together, X, SIGMAS, _none))
    alone = [list(dpm_adaptive(golden_denoiser("eps"), row, SIGMAS, _none)) for row in X.split(1)]
    assert [len(each) for each in alone] == [7, 9, 7]
    assert torch.equal(steps[-1].x, torch.cat([each[-1].x for each in alone]))
    assert together.batch == 1
    starts = [step.sigma for step in steps]
    assert starts == sorted(set(starts), reverse=True)
    assert set(starts) <= {step.sigma for each in alone for step in each}


def test_each_picture_gets_the_noise_that_it_gets_alone() -> None:
    *_, together = dpm_adaptive(golden_denoiser("eps"), X, SIGMAS, SeededNoise((4, 5, 6), (1, 4)), eta=1.0)
    for i in range(3):
        noise = SeededNoise((4 + i,), (1, 4))
        *_, alone = dpm_adaptive(golden_denoiser("eps"), X[i : i + 1], SIGMAS, noise, eta=1.0)
        assert torch.equal(together.x[i : i + 1], alone.x)


def test_prediction_has_all_pictures_and_both_branches() -> None:
    for step in dpm_adaptive(golden_denoiser("eps"), X, SIGMAS, _none):
        prediction = step.prediction
        assert prediction.uncond is not None
        assert prediction.denoised.shape == prediction.cond.shape == prediction.uncond.shape == step.x.shape


@pytest.mark.parametrize(
    ("sigmas", "options", "left"),
    [
        ((10.0, 3.0, 0.5, 0.0), {}, 0.5),
        ((10.0, 3.0, 0.5, 0.0), {"denoise_to_zero": True}, 0.0),
        ((10.0, 0.0), {}, 0.0),
    ],
)
def test_the_noise_of_the_last_sigma_above_0_is_left(
    sigmas: tuple[float, ...], options: dict[str, Any], left: float
) -> None:
    x = torch.full((2, 1), 10.0, dtype=torch.float64)
    *_, last = dpm_adaptive(ConstantDenoiser(0.0), x, sigmas, _none, **options)
    assert last.x.flatten().tolist() == pytest.approx([left, left], abs=1e-12)
    assert last.sigma_next == 0.0


def test_nan_is_reported_and_not_tried_for_ever() -> None:
    def denoise(x: torch.Tensor, sigma: float, /) -> Prediction:
        broken = x * (float("nan") if sigma < 1 else 0.0)
        return Prediction(denoised=broken, cond=broken)

    with pytest.raises(NonFiniteError, match=r"dpm_adaptive met NaN or infinity from sigma .* to ") as caught:
        list(dpm_adaptive(denoise, X, SIGMAS, _none))
    assert caught.value.sigma is not None
    assert caught.value.sigma > 0.1


def test_a_model_that_no_step_is_short_enough_for_is_reported() -> None:
    draws = torch.Generator().manual_seed(0)

    def denoise(x: torch.Tensor, sigma: float, /) -> Prediction:
        erratic = torch.randn(x.shape, dtype=x.dtype, generator=draws) * 1e12
        return Prediction(denoised=erratic, cond=erratic)

    with pytest.raises(SamplingError, match="cannot keep the error within rtol 0 and atol 1e-12 at sigma 10"):
        list(dpm_adaptive(denoise, X, SIGMAS, _none, rtol=0.0, atol=1e-12))


class _Largest:
    """A denoiser that remembers the largest batch that it was given."""

    def __init__(self, inner: Denoiser) -> None:
        self.batch = 0
        self._inner = inner

    def __call__(self, x: torch.Tensor, sigma: float, /) -> Prediction:
        self.batch = max(self.batch, len(x))
        return self._inner(x, sigma)


def _none(sigma: float, sigma_next: float, /) -> torch.Tensor:
    raise AssertionError("no noise is needed here")
