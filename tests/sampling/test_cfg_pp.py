"""The CFG++ samplers of one step: noise of the negative branch, guidance of both; what sdkit expects of any sampler."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sdkit.errors import SamplingError
from sdkit.sampling.samplers.cfg_pp import dpmpp_2s_ancestral_cfg_pp, euler_ancestral_cfg_pp, euler_cfg_pp
from sdkit.sampling.samplers.ddim import ddim
from sdkit.sampling.samplers.dpm2 import dpmpp_2s_ancestral
from sdkit.testing.denoisers import ConstantDenoiser, GuidedDenoiser
from sdkit.testing.samplers import SamplerFunction, assert_sampler_ok
from sdkit.types import Prediction
from tests.sampling._figures import assert_close, golden_denoiser


@pytest.mark.parametrize("eta", [1.0, 0.5])
@pytest.mark.parametrize(
    ("sampler", "options"), [(euler_ancestral_cfg_pp, {}), (dpmpp_2s_ancestral_cfg_pp, {"revised": True})]
)
def test_with_noise_it_keeps_mean_and_variance(sampler: SamplerFunction, options: dict[str, Any], eta: float) -> None:
    assert_sampler_ok(sampler, noise="white", eta=eta, **options)


@pytest.mark.parametrize("flow", [False, True])
def test_euler_goes_to_the_guided_answer_with_the_negative_branchs_noise(flow: bool) -> None:
    """x = α·denoised + σ·(x − α·uncond)/σ, α and σ of either end, where both branches always give the same."""
    denoise = GuidedDenoiser(ConstantDenoiser(0.5, flow=flow), ConstantDenoiser(-0.25, flow=flow), 3.0)
    (step,) = euler_cfg_pp(denoise, torch.full((1,), 2.0, dtype=torch.float64), (0.8, 0.4), _none)
    alpha, alpha_next = denoise.alpha(0.8), denoise.alpha(0.4)
    assert float(step.x) == pytest.approx(alpha_next * 2.0 + 0.4 * (2.0 + alpha * 0.25) / 0.8, rel=1e-12)


@pytest.mark.parametrize("kind", ["eps", "flow"])
@pytest.mark.parametrize(
    ("sampler", "plain", "options"),
    [
        (euler_ancestral_cfg_pp, ddim, {"eta": 0.7}),
        (dpmpp_2s_ancestral_cfg_pp, dpmpp_2s_ancestral, {"eta": 0.7, "revised": True}),
    ],
)
def test_where_the_branches_agree_it_is_the_plain_sampler(
    sampler: SamplerFunction, plain: SamplerFunction, options: dict[str, Any], kind: str
) -> None:
    denoise = golden_denoiser(kind).positive
    x = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    *_, one = sampler(denoise, x, (0.9, 0.6, 0.2), lambda *_: x, **options)
    *_, other = plain(denoise, x, (0.9, 0.6, 0.2), lambda *_: x, eta=0.7)
    assert_close(one.x, other.x, 1e-12, kind)


def test_without_revision_it_does_not_converge() -> None:
    with pytest.raises(AssertionError, match=r"strays .* from the closed-form path"):
        assert_sampler_ok(dpmpp_2s_ancestral_cfg_pp, noise="white", eta=0.0)


@pytest.mark.parametrize("sampler", [euler_cfg_pp, euler_ancestral_cfg_pp, dpmpp_2s_ancestral_cfg_pp])
def test_without_a_negative_branch_it_says_what_to_do(sampler: SamplerFunction) -> None:
    def denoise(x: torch.Tensor, sigma: float, /) -> Prediction:
        return Prediction(denoised=x, cond=x)

    with pytest.raises(SamplingError, match=f"sampler '{sampler.__name__}' needs what the negative branch predicts"):
        next(sampler(denoise, torch.ones(1), (2.0, 1.0, 0.0), _none))


def _none(sigma: float, sigma_next: float, /) -> torch.Tensor:
    raise AssertionError("no noise is needed here")
