"""DPM2, DPM-Solver++(2S) and DDPM, ancestral: what sdkit expects of any sampler, and what sets them apart."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sdkit.sampling.samplers.ddim import ddpm
from sdkit.sampling.samplers.dpm2 import dpm_2_ancestral, dpmpp_2s_ancestral
from sdkit.sampling.samplers.euler import euler_ancestral
from sdkit.testing.denoisers import ConstantDenoiser, GaussianDenoiser, RecordingDenoiser
from sdkit.testing.samplers import SamplerFunction, assert_sampler_ok
from tests.sampling._figures import assert_close, golden_denoiser


@pytest.mark.parametrize("sampler", [dpm_2_ancestral, dpmpp_2s_ancestral])
@pytest.mark.parametrize("options", [{}, {"eta": 0.5}])
def test_with_noise_it_keeps_mean_and_variance(sampler: SamplerFunction, options: dict[str, Any]) -> None:
    assert_sampler_ok(sampler, noise="white", **options)


def test_ddpm_keeps_mean_and_variance_but_of_flow_models() -> None:
    assert_sampler_ok(ddpm, noise="white", flow=False)
    with pytest.raises(AssertionError, match="with a flow model: Gaussian data should have"):
        assert_sampler_ok(ddpm, noise="white")


def test_ddpm_is_euler_ancestral_where_alpha_is_1() -> None:
    draws = torch.randn(3, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    one, other = (
        [step.x for step in run(golden_denoiser("eps"), draws[0] * 9, (9.0, 4.0, 1.0, 0.0), _given(draws))]
        for run in (ddpm, euler_ancestral)
    )
    for i, (mine, eulers) in enumerate(zip(one, other, strict=True)):
        assert_close(mine, eulers, 1e-12, f"step {i}")


def test_the_middle_is_of_sigma_for_dpm_2_and_of_the_signal_to_noise_ratio_for_dpmpp_2s() -> None:
    """The way down from 0.8 to 0.4 ends at 0.2, so their middles are √(0.8·0.2), and k/(1 + k) with k² = 4·¼."""
    for sampler, middle in ((dpm_2_ancestral, 0.4), (dpmpp_2s_ancestral, 0.5)):
        denoise = RecordingDenoiser(GaussianDenoiser(0.0, 1.0, flow=True))
        list(sampler(denoise, torch.ones(1), (0.8, 0.4), lambda *_: torch.zeros(1)))
        assert denoise.sigmas == pytest.approx([0.8, middle])


def test_dpmpp_2s_starts_from_pure_noise_of_a_flow_model() -> None:
    denoise = RecordingDenoiser(ConstantDenoiser(0.5, flow=True))
    steps = list(dpmpp_2s_ancestral(denoise, torch.full((1,), 3.0), (1.0, 0.5, 0.0), lambda *_: torch.ones(1)))
    assert denoise.sigmas == [1.0, 0.9999, 0.5]
    scale = 0.5 / 0.75
    down = 0.75 * 0.5 + 0.25 * 3.0
    assert float(steps[0].x) == pytest.approx(scale * down + (0.25 - (scale * 0.25) ** 2) ** 0.5, rel=1e-6)


@pytest.mark.parametrize("sampler", [dpm_2_ancestral, dpmpp_2s_ancestral])
def test_all_noise_may_be_renewed(sampler: SamplerFunction) -> None:
    """Above eta 1 the way down may end at 0: x is then the prediction and new noise, with one evaluation."""
    for flow, alpha in ((False, 1.0), (True, 0.6)):
        denoise = RecordingDenoiser(ConstantDenoiser(0.5, flow=flow))
        (step,) = sampler(denoise, torch.ones(1), (0.8, 0.4), lambda *_: torch.full((1,), 2.0), eta=10.0)
        assert float(step.x) == pytest.approx(alpha * 0.5 + 0.4 * 2.0)
        assert denoise.sigmas == [0.8]


def _given(draws: torch.Tensor) -> Any:
    left = iter(draws)
    return lambda *_: next(left)
