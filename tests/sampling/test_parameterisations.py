"""eps, v and flow: what goes into the network, what comes out, and where sampling starts."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import cast

import pytest
import torch

from sdkit.errors import RequestError, SamplingError
from sdkit.sampling import (
    Parameterisation,
    alpha_of,
    flow_sigmas,
    parameterisation,
    sampling_spec,
    with_alpha,
    zero_terminal_snr,
)
from sdkit.sampling.schedules import normal as even_timesteps
from sdkit.sigmas import distilled_sigmas, scaled_linear_sigmas
from sdkit.testing.denoisers import ConstantDenoiser
from sdkit.types import Prediction, PredictionType, ScheduleParams
from tests.sampling._figures import FOLDER, model_sigmas, spec

FLOW = flow_sigmas()


def normal(seed: int) -> torch.Tensor:
    return torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_bounds() -> None:
    rules = parameterisation(spec())
    meta = cast("dict[str, float]", json.loads((FOLDER / "sigmas_meta.json").read_text()))
    assert (rules.sigma_min, rules.sigma_max) == pytest.approx((meta["sigma_min"], meta["sigma_max"]))


def test_percent_to_sigma() -> None:
    rules = parameterisation(spec())
    meta = cast("dict[str, dict[str, float]]", json.loads((FOLDER / "sigmas_meta.json").read_text()))
    for percent, sigma in meta["percent_to_sigma"].items():
        assert rules.percent_to_sigma(float(percent)) == sigma, percent


@pytest.mark.parametrize(("shift", "quarter"), [(1.0, 0.75), (3.0, 0.9)])
def test_percent_to_sigma_of_flow_models_is_by_the_unshifted_time(shift: float, quarter: float) -> None:
    rules = parameterisation(spec("flow", flow_sigmas(shift)))
    assert rules.percent_to_sigma(0.25) == pytest.approx(quarter, rel=1e-12)
    assert rules.percent_to_sigma(0.99999) == pytest.approx(shift * 1e-5, rel=1e-4)
    assert [rules.percent_to_sigma(percent) for percent in (-1.0, 0.0, 1.0, 2.0)] == [1.0, 1.0, 0.0, 0.0]


def test_timestep_is_the_nearest_in_log_sigma() -> None:
    rules, sigmas = parameterisation(spec()), model_sigmas()
    logs = torch.tensor(sigmas, dtype=torch.float64).log()
    for sigma in [*sigmas[::37], 0.03, 0.5, 1.0, 3.3, 14.0]:
        assert rules.timestep(sigma) == float((logs - math.log(sigma)).abs().argmin()), sigma
    between = math.sqrt(sigmas[500] * sigmas[501])
    assert (rules.timestep(between * 0.9999), rules.timestep(between * 1.0001)) == (500.0, 501.0)
    assert (rules.timestep(0.0), rules.timestep(1e-9), rules.timestep(1e9)) == (0.0, 0.0, 999.0)


def test_timestep_of_flow_models_is_a_thousand_sigmas() -> None:
    assert parameterisation(spec("flow", FLOW)).timestep(0.2345) == pytest.approx(234.5)


def test_distilled_models_are_told_the_timesteps_that_they_were_distilled_on() -> None:
    table = distilled_sigmas(model_sigmas())
    rules = Parameterisation("eps", table, stride=20)
    assert [rules.timestep(sigma) for sigma in (0.0, table[0], table[30], table[-1], 99.0)] == [19, 19, 619, 999, 999]
    assert rules.percent_to_sigma(0.5) == pytest.approx(table[24] ** 0.975 * table[23] ** 0.025, rel=1e-2)
    assert rules.percent_to_sigma((999 - 619) / 999) == pytest.approx(table[30], rel=1e-6)
    assert rules.percent_to_sigma(0.9999) == pytest.approx(table[0], rel=1e-6)


@pytest.mark.parametrize("prediction", ["eps", "v", "flow"])
@pytest.mark.parametrize("sigma", [0.05, 0.7])
def test_a_perfect_network_gives_back_the_clean_latents(prediction: PredictionType, sigma: float) -> None:
    """The network's targets as their papers define them, at the input as sdkit scales it."""
    rules = parameterisation(spec(prediction, FLOW if prediction == "flow" else ()))
    clean, noise = normal(0), normal(1)
    x = rules.add_noise(clean, noise, sigma)
    if prediction == "flow":
        output, network_input = noise - clean, (1 - sigma) * clean + sigma * noise
    else:
        share = 1 / math.sqrt(1 + sigma**2)  # √ᾱ of the variance-preserving process that it was trained on
        network_input = share * clean + sigma * share * noise
        output = noise if prediction == "eps" else share * noise - sigma * share * clean
    assert torch.allclose(rules.scale_input(x, sigma), network_input, rtol=1e-12)
    assert torch.allclose(rules.denoised(x, output, sigma), clean, rtol=1e-9, atol=1e-12)


def test_denoised_takes_several_outputs_at_one_x() -> None:
    rules, x, outputs = parameterisation(spec("v")), normal(0), torch.stack([normal(1), normal(2)])
    both = rules.denoised(x, outputs, 0.8)
    assert torch.equal(both[1], rules.denoised(x, outputs[1], 0.8))


@pytest.mark.parametrize("prediction", ["eps", "v"])
def test_start(prediction: PredictionType) -> None:
    rules, noise, init = parameterisation(spec(prediction)), normal(0), normal(1)
    top = rules.sigma_max
    whole = noise * math.sqrt(top**2 + 1)
    assert torch.allclose(rules.start(None, noise, top), whole)
    assert torch.allclose(rules.start(init, noise, top), whole + init)
    near = top * (1 - 5e-6)
    assert torch.allclose(rules.start(init, noise, near), noise * math.sqrt(near**2 + 1) + init)
    assert torch.equal(rules.start(init, noise, top * 0.9999), noise * (top * 0.9999) + init)
    assert torch.equal(rules.start(None, noise, 2.0), noise * 2)


def test_start_of_flow_models() -> None:
    rules, noise, init = parameterisation(spec("flow", FLOW)), normal(0), normal(1)
    assert torch.equal(rules.start(None, noise, 1.0), noise)
    assert torch.equal(rules.start(init, noise, 1.0), noise)
    assert torch.allclose(rules.start(init, noise, 0.75), 0.75 * noise + 0.25 * init)


def test_left_over_noise_of_flow_models_survives_between_two_runs() -> None:
    rules, x = parameterisation(spec("flow", FLOW)), normal(0)
    left = rules.finish(x, 0.6)
    assert torch.allclose(left, x / 0.4)
    assert torch.allclose(rules.start(left, torch.zeros_like(x), 0.6), x)
    assert rules.finish(x, 0.0) is x
    with pytest.raises(
        SamplingError, match="at sigma 1 a flow model's latents are noise alone; take at least one step"
    ):
        rules.finish(x, 1.0)


@pytest.mark.parametrize("prediction", ["eps", "v"])
def test_left_over_noise_of_other_models_stays_as_it_is(prediction: PredictionType) -> None:
    rules, x = parameterisation(spec(prediction)), normal(0)
    assert rules.finish(x, 3.0) is x
    for sigma in (3.0, rules.sigma_max):
        assert torch.equal(rules.start(x, torch.zeros_like(x), sigma), x)


def test_sampling_spec_leaves_the_rest_alone() -> None:
    assert sampling_spec(spec()) == spec()
    assert sampling_spec(spec("v"), zero_terminal_snr=False) == spec("v")
    assert sampling_spec(spec(), "v") == replace(spec(), prediction="v")


def test_sampling_spec_stretches_the_table() -> None:
    both = sampling_spec(spec(), "v", zero_terminal_snr=True)
    assert both == replace(spec(), prediction="v", sigmas=zero_terminal_snr(model_sigmas()))
    assert both.sigmas[-1] > 4000


def test_v_prediction_at_zero_terminal_snr_is_all_prediction() -> None:
    """Where the input is noise alone, x₀ = −v (Lin et al., arXiv:2305.08891, section 3.2)."""
    rules = parameterisation(sampling_spec(spec("v"), zero_terminal_snr=True))
    noise, output = normal(0), normal(1)
    x = rules.start(None, noise, rules.sigma_max)
    assert torch.allclose(rules.scale_input(x, rules.sigma_max), noise)
    assert torch.allclose(rules.denoised(x, output, rules.sigma_max), -output, atol=1e-3)


def test_sampling_spec_shifts_flow_models() -> None:
    assert sampling_spec(spec("flow", FLOW), flow_shift=3.0).sigmas == flow_sigmas(3.0)
    assert sampling_spec(spec("flow", flow_sigmas(5.0)), "flow", flow_shift=1.0).sigmas == FLOW


@pytest.mark.parametrize(
    ("model", "prediction", "zero", "shift", "message"),
    [
        (
            "eps",
            "flow",
            None,
            None,
            "prediction: 'flow' is not possible, for the model is an eps model; it can be 'eps'",
        ),
        ("flow", "v", None, None, "prediction: 'v' is not possible, for the model is a flow model; .* has no other"),
        ("flow", None, True, None, "zero_terminal_snr: a flow model begins with noise alone by itself; leave it out"),
        ("eps", None, None, 3.0, "flow_shift: the model is an eps model, and only flow models have one"),
        ("eps", "v", None, 3.0, "flow_shift: the model is a v model"),
    ],
)
def test_sampling_spec_refuses_what_a_model_cannot_be(
    model: PredictionType, prediction: PredictionType | None, zero: bool | None, shift: float | None, message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        sampling_spec(spec(model, FLOW if model == "flow" else ()), prediction, zero, shift)


def test_alpha_travels_with_the_denoiser() -> None:
    def bare(x: torch.Tensor, sigma: float) -> Prediction:
        return ConstantDenoiser(1.0)(x, sigma)

    assert alpha_of(bare)(0.3) == 1.0
    assert alpha_of(ConstantDenoiser(1.0, flow=True))(0.3) == 0.7
    carrying = with_alpha(bare, parameterisation(spec("flow", FLOW)).alpha)
    assert alpha_of(carrying)(0.3) == 0.7
    assert torch.equal(carrying(normal(0), 1.0).denoised, torch.ones(2, 4, 3, 3, dtype=torch.float64))


@pytest.mark.parametrize("steps", [3, 19, 37, 55])
def test_ties_between_timesteps_are_decided_in_float32(steps: int) -> None:
    """A middle step of these schedules lies half-way between two timesteps."""
    table = scaled_linear_sigmas()
    logs = torch.tensor(table, dtype=torch.float64).log().float()
    rules = Parameterisation("eps", table)
    for sigma in even_timesteps(steps, ScheduleParams(table, table[0], table[-1]))[:-1]:
        nearest = (torch.tensor(sigma, dtype=torch.float32).log() - logs).abs().argmin()
        assert rules.timestep(sigma) == int(nearest)
