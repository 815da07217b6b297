"""The registered samplers: what was declared of each is true. A new one is checked here without a line more."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from sdkit.errors import RequestError
from sdkit.plugins import SamplerEntry, load_manager
from sdkit.settings import Settings
from sdkit.testing.denoisers import GaussianDenoiser, RecordingDenoiser, log_sigmas
from sdkit.testing.samplers import assert_sampler_ok
from tests.sampling._figures import SAMPLERS

ENTRIES: Mapping[str, SamplerEntry] = load_manager(settings=Settings(plugins=("none",))).samplers
QUIET: dict[str, dict[str, Any]] = {
    "euler_ancestral": {"eta": 0.0},
    "dpm_2_ancestral": {"eta": 0.0},
    "dpmpp_2s_ancestral": {"eta": 0.0},
    "tcd": {"eta": 0.0},
    "euler_ancestral_cfg_pp": {"eta": 0.0},
    "res_multistep_ancestral": {"eta": 0.0},
    "res_multistep_ancestral_cfg_pp": {"eta": 0.0},
    "dpmpp_2s_ancestral_cfg_pp": {"eta": 0.0, "revised": True},  # the custom does not converge
    "dpm_fast": {"denoise_to_zero": True},  # the custom does not end at 0
    "dpm_adaptive": {"denoise_to_zero": True},
    "dpmpp_sde": {"eta": 0.0},
    "dpmpp_2m_sde": {"eta": 0.0},
    "dpmpp_2m_sde_heun": {"eta": 0.0},
    "dpmpp_3m_sde": {"eta": 0.0},
    "er_sde": {"eta": 0.0},
    "seeds_2": {"eta": 0.0},
    "seeds_3": {"eta": 0.0},
    "exp_heun_2_x0_sde": {"eta": 0.0},
    "sa_solver": {"eta": 0.0},
    "sa_solver_pece": {"eta": 0.0},
}
"""Options that turn the noise of a sampler off, so that its order can be measured, and other liberties."""
CHECKS: dict[str, dict[str, Any]] = {
    "lcm": {"order": None, "consistency": True},  # has no way to do without noise
    "ddpm": {"order": None, "flow": False},  # neither has it, and it knows no flow models
    "uni_pc": {"steps": (320, 640)},  # the error of the last step, of second order, is so small that it shows late
    "dpm_fast": {"steps": (81, 162)},  # the orders of its last steps depend on the rest when divided by 3
}
"""How a sampler is to be checked, where not in the way of all others."""


def test_they_are_there() -> None:
    assert set(SAMPLERS) <= set(ENTRIES)


@pytest.mark.parametrize("name", ENTRIES)
def test_declared_order(name: str) -> None:
    entry = ENTRIES[name]
    checks: dict[str, Any] = {"order": entry.order, "adaptive": entry.adaptive, **CHECKS.get(name, {})}
    assert_sampler_ok(entry.load(), noise=entry.noise, **checks, **QUIET.get(name, {}))


@pytest.mark.parametrize("name", ENTRIES)
def test_declared_evaluations(name: str) -> None:
    denoise = RecordingDenoiser(GaussianDenoiser(0.0, 1.0))
    x = torch.ones(1, 1, 1, dtype=torch.float64)
    list(ENTRIES[name].load()(denoise, x, log_sigmas(10.0, 0.1, 8), lambda *_: x, **QUIET.get(name, {})))
    made, declared = len(denoise.sigmas), ENTRIES[name].evaluations
    if ENTRIES[name].adaptive:  # then it is for an attempt, and how many attempts there are is its own decision
        assert made % declared == 0
    else:  # some take fewer in their first or last steps
        assert round(made / 8) == declared


@pytest.mark.parametrize("name", [name for name in ENTRIES if not ENTRIES[name].adaptive])
def test_no_step_waits_for_the_device(name: str) -> None:
    """Which it would by reading a number from a tensor; only the adaptive ones must."""
    x = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    with _NoReading():
        list(ENTRIES[name].load()(GaussianDenoiser(0.6, 0.8), x, (10.0, 6.0, 3.0, 1.0, 0.4, 0.0), lambda *_: x))


@pytest.mark.parametrize("name", ENTRIES)
def test_a_flow_model_may_start_from_pure_noise_in_float32(name: str) -> None:
    """At σ = 1 α is 0, and so is λ's exponential."""
    x = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    sigmas = (1.0, 0.8, 0.5, 0.3, 0.1, 0.0)
    for step in ENTRIES[name].load()(GaussianDenoiser(0.6, 0.8, flow=True), x, sigmas, lambda *_: x):
        assert step.x.dtype == torch.float32
        assert float(step.x.abs().max()) < 10  # and not NaN


class _NoReading(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func is not torch.ops.aten._local_scalar_dense.default, "a number was read from a tensor"
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ENTRIES)
def test_options_are_the_functions_own_with_the_same_defaults(name: str) -> None:
    entry = ENTRIES[name]
    keywords: dict[str, Any] = {
        parameter.name: parameter.default
        for parameter in inspect.signature(entry.load()).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    assert entry.check_options({}) == keywords


@pytest.mark.parametrize("name", ENTRIES)
def test_summary_fits_a_line(name: str) -> None:
    assert 10 < len(ENTRIES[name].summary) < 90


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("euler_ancestral", {"eta": -0.1}, "sampler 'euler_ancestral', option 'eta': .* greater than or equal to 0"),
        ("euler_ancestral", {"s_nose": 1.0}, "has no option 's_nose'. Did you mean 's_noise'?"),
        ("heun", {"s_churn": float("nan")}, "option 's_churn': .* finite number"),
        ("dpmpp_2m", {"eta": 1.0}, "sampler 'dpmpp_2m' has no options, so 'eta' cannot be set"),
    ],
)
def test_bad_options_are_named(name: str, options: dict[str, float], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        ENTRIES[name].check_options(options)
