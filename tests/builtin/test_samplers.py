"""The registered samplers: what was declared of each is true. A new one is checked here without a line more."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from sdkit.errors import RequestError
from sdkit.plugins import SamplerEntry, load_manager
from sdkit.settings import Settings
from sdkit.testing.denoisers import GaussianDenoiser, RecordingDenoiser, log_sigmas
from sdkit.testing.samplers import assert_sampler_ok
from tests.sampling._figures import SAMPLERS

ENTRIES: Mapping[str, SamplerEntry] = load_manager(settings=Settings(plugins=("none",))).samplers
QUIET: dict[str, dict[str, Any]] = {"euler_ancestral": {"eta": 0.0}}
"""Options that turn the noise of a sampler off, so that its order can be measured."""


def test_they_are_there() -> None:
    assert set(SAMPLERS) <= set(ENTRIES)


@pytest.mark.parametrize("name", ENTRIES)
def test_declared_order(name: str) -> None:
    entry = ENTRIES[name]
    assert_sampler_ok(entry.load(), order=entry.order, noise=entry.noise, **QUIET.get(name, {}))


@pytest.mark.parametrize("name", ENTRIES)
def test_declared_evaluations(name: str) -> None:
    denoise = RecordingDenoiser(GaussianDenoiser(0.0, 1.0))
    x = torch.ones(1, 1, 1, dtype=torch.float64)
    list(ENTRIES[name].load()(denoise, x, log_sigmas(10.0, 0.1, 8), lambda *_: x, **QUIET.get(name, {})))
    assert len(denoise.sigmas) == ENTRIES[name].evaluations * 8


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
