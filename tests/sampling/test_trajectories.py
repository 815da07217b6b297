"""Every registered sampler against another implementation's numbers, step by step. A new one needs no line here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from sdkit.plugins import load_manager
from sdkit.settings import Settings
from sdkit.testing.denoisers import ConstantDenoiser, RecordingDenoiser
from sdkit.types import Step
from tests.sampling._figures import assert_close, double, golden, golden_denoiser

ENTRIES = load_manager(settings=Settings(plugins=("none",))).samplers
TOLERANCE = {"uni_pc": 1e-4, "uni_pc_bh2": 1e-4, "deis": 1e-7, "er_sde": 1e-7}
"""Relative; these figures were computed in float32 (of er_sde the times and coefficients), all others agree to 1e-9:
dpm_fast, too, because it rounds what the reference does. So does deis, but the order in which its 10 000 float32
numbers are summed is the processor's."""
UNUSED_NOISE = {"dpm_fast"}
"""The reference asks for noise here, and multiplies it by 0."""
LEFT_NOISY: dict[str, dict[str, Any]] = {"dpm_fast": {"denoise_to_zero": True}}
"""Options without which the noise of the last sigma above 0 is left in, as in the reference."""


def reported_x(name: str, steps: Sequence[Step], i: int) -> torch.Tensor:
    """What the reference reports as x at a step: of some samplers always the start, of uni_pc x in the scale of the
    variance-preserving process, and the result in place of the last."""
    if name in {"ipndm", "ipndm_v", "deis"}:
        return steps[0].x_in
    if name in {"uni_pc", "uni_pc_bh2"}:
        return steps[i].x_in / math.hypot(1, steps[i].sigma) if i < len(steps) - 1 else steps[-1].x
    return steps[i].x_in


class GivenNoise:
    """The figures' noise tensors in order, and what was asked for."""

    def __init__(self) -> None:
        self.tensors = iter(golden()["noise_sequence"])
        self.calls: list[tuple[float, float]] = []

    def __call__(self, sigma: float, sigma_next: float, /) -> torch.Tensor:
        self.calls.append((sigma, sigma_next))
        return double(next(self.tensors))


class GivenNoise32(GivenNoise):
    def __call__(self, sigma: float, sigma_next: float, /) -> torch.Tensor:
        return super().__call__(sigma, sigma_next)[:2, :3].float()


@pytest.mark.parametrize("kind", ["eps", "flow"])
@pytest.mark.parametrize("name", [name for name in golden()["eps"]["samplers"] if name != "dpm_adaptive"])
def test_trajectory(name: str, kind: str) -> None:
    """Of all but dpm_adaptive, whose figures are of attempts: see test_dpm_adaptive.py."""
    figures: dict[str, Any] = golden()[kind]
    expected: dict[str, Any] = figures["samplers"][name]
    denoise, noise = RecordingDenoiser(golden_denoiser(kind)), GivenNoise()
    sigmas = tuple(figures["sigmas"])
    x = double(golden()["noise0"]) * sigmas[0]
    steps = list(ENTRIES[name].load()(denoise, x, sigmas, noise))
    assert len(steps) == len(expected["trail"])
    tolerance = TOLERANCE.get(name, 1e-9)
    for i, (step, trail) in enumerate(zip(steps, expected["trail"], strict=True)):
        came = reported_x(name, steps, i)
        assert_close(came, double(trail["x"]), tolerance, f"{name}, {kind}, x before step {i}")
        assert_close(step.denoised, double(trail["denoised"]), tolerance, f"{name}, {kind}, prediction of step {i}")
    assert_close(steps[-1].x, double(expected["x"]), tolerance, f"{name}, {kind}, the result")
    assert len(denoise.sigmas) == expected["nfe"]
    if name not in UNUSED_NOISE:
        rounded = 1e-6 if name == "dpmpp_sde" else 1e-9  # it asks at float32 sigmas, as Brownian trees are asked
        assert noise.calls == [pytest.approx(tuple(call), rel=rounded) for call in expected["noise_calls"]]


@pytest.mark.parametrize("name", [name for name in ENTRIES if not ENTRIES[name].adaptive])
def test_last_step_lands_without_rounding(name: str) -> None:
    x = torch.randn(2, 3, generator=torch.Generator().manual_seed(0)) * 10
    sigmas, options = (10.0, 3.0, 0.5, 0.0), LEFT_NOISY.get(name, {})
    *_, last = ENTRIES[name].load()(ConstantDenoiser(0.3), x, sigmas, GivenNoise32(), **options)
    assert torch.equal(last.x, torch.full_like(x, 0.3))
