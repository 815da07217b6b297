"""diffusers as an independent oracle: sdkit's samplers take its schedulers' steps, on any sigmas, given the noise.

Where the two differ on purpose, a test says how and why, and that it is so still.
"""

import importlib.machinery
import importlib.util
import math
import sys
import types
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import pytest
import torch

from sdkit.sampling import alpha_of
from sdkit.testing import MixtureDenoiser, make_pipeline
from sdkit.types import Denoiser, Prediction, Step
from sdkit_diffusers_schedulers import SCHEDULERS
from sdkit_diffusers_schedulers.bridge import bridge

pytestmark = [pytest.mark.filterwarnings(f"ignore::DeprecationWarning:{module}") for module in ("diffusers", "numpy")]

SHAPE = (2, 3, 2)
EPS = (12.0, 7.0, 4.5, 2.2, 1.3, 0.7, 0.33, 0.12, 0.0)
FLOW = (0.97, 0.85, 0.7, 0.55, 0.4, 0.22, 0.1, 0.03, 0.0)

DOUBLE, SINGLE = 1e-13, 2e-6
"""Relative. Some schedulers compute in float32 whatever they are given: SINGLE."""

SDE: dict[str, Any] = {"algorithm_type": "sde-dpmsolver++"}
CONSTANT_TAU: dict[str, Any] = {"sde_start_percent": 0.0, "sde_end_percent": 1.0, "simple_order_2": True}


@pytest.fixture(autouse=True)
def torchsde(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """diffusers imports it beside two schedulers; the bridge brings their noise, so an empty module does."""
    if importlib.util.find_spec("torchsde") is None:
        empty = types.ModuleType("torchsde")
        empty.__spec__ = importlib.machinery.ModuleSpec("torchsde", None)
        monkeypatch.setitem(sys.modules, "torchsde", empty)
    yield
    for name in [name for name in sys.modules if "dpmsolver_sde" in name]:
        del sys.modules[name]


class Watched:
    """The model of all these tests, which remembers where it was asked."""

    def __init__(self, flow: bool) -> None:
        self._inner = MixtureDenoiser(((-1.0, 0.5), (0.8, 1.0)), 0.4, flow=flow)
        self.alpha = alpha_of(self._inner)
        self.asked: list[torch.Tensor] = []

    def __call__(self, x: torch.Tensor, sigma: float, /) -> Prediction:
        self.asked.append(x)
        return self._inner(x, sigma)


class Draws:
    """Noise in the order in which it is asked for."""

    def __init__(self) -> None:
        self._generator = torch.Generator().manual_seed(3)

    def __call__(self, sigma: float, sigma_next: float, /) -> torch.Tensor:
        return torch.randn(SHAPE, generator=self._generator, dtype=torch.float64)


def x(sigma: float) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * sigma


def ours(name: str, options: dict[str, Any], denoise: Denoiser, sigmas: tuple[float, ...]) -> list[Step]:
    entry = make_pipeline().samplers[name]
    return list(entry.load()(denoise, x(sigmas[0]), sigmas, Draws(), **entry.check_options(options)))


def theirs(name: str, options: dict[str, Any], denoise: Denoiser, sigmas: tuple[float, ...]) -> list[Step]:
    return list(bridge(SCHEDULERS[name])(denoise, x(sigmas[0]), sigmas, Draws(), **options))


def differences(
    mine: tuple[str, dict[str, Any]], other: tuple[str, dict[str, Any]], sigmas: tuple[float, ...]
) -> list[float]:
    """How far apart x is after each step, relative to the largest value."""
    flow = sigmas[0] < 1
    pairs = zip(ours(*mine, Watched(flow), sigmas), theirs(*other, Watched(flow), sigmas), strict=True)
    return [float((a.x - b.x).abs().max() / b.x.abs().max()) for a, b in pairs]


@pytest.mark.parametrize(
    ("mine", "other", "sigmas", "tolerance"),
    [
        (("euler", {}), ("EulerDiscreteScheduler", {}), EPS, SINGLE),
        (("euler", {}), ("EDMEulerScheduler", {}), EPS, SINGLE),
        (("euler", {}), ("FlowMatchEulerDiscreteScheduler", {}), FLOW, SINGLE),
        (("euler_ancestral", {}), ("EulerAncestralDiscreteScheduler", {}), EPS, SINGLE),
        (("euler_ancestral", {}), ("LTXEulerAncestralRFScheduler", {}), FLOW, SINGLE),
        (("euler_ancestral", {"eta": 0.4}), ("LTXEulerAncestralRFScheduler", {"eta": 0.4}), FLOW, SINGLE),
        (("heun", {}), ("HeunDiscreteScheduler", {}), EPS, DOUBLE),
        (("heun", {}), ("FlowMatchHeunDiscreteScheduler", {}), FLOW, SINGLE),
        (("dpm_2", {}), ("KDPM2DiscreteScheduler", {}), EPS, DOUBLE),
        (("dpm_2_ancestral", {}), ("KDPM2AncestralDiscreteScheduler", {}), EPS, DOUBLE),
        (("lms", {}), ("LMSDiscreteScheduler", {}), EPS[:-1], 1e-6),  # they integrate numerically
        (("lms", {"order": 2}), ("LMSDiscreteScheduler", {"order": 2}), EPS[:-1], 1e-6),
        (("ipndm", {}), ("IPNDMScheduler", {}), EPS[:-1], DOUBLE),
        (("dpmpp_2m", {}), ("DPMSolverMultistepScheduler", {}), EPS, SINGLE),
        (("dpmpp_2m", {}), ("DPMSolverMultistepScheduler", {"lower_order_final": False}), EPS[:-1], SINGLE),
        (("dpmpp_2m", {}), ("EDMDPMSolverMultistepScheduler", {}), EPS, DOUBLE),
        (("dpmpp_2m_sde", {}), ("DPMSolverMultistepScheduler", SDE), EPS, SINGLE),
        (("dpmpp_2m_sde", {}), ("DPMSolverMultistepScheduler", SDE), FLOW, SINGLE),
        (("dpmpp_2m_sde_heun", {}), ("DPMSolverMultistepScheduler", {**SDE, "solver_type": "heun"}), EPS, SINGLE),
        (("dpmpp_2m_sde_heun", {}), ("DPMSolverMultistepScheduler", {**SDE, "solver_type": "heun"}), FLOW, SINGLE),
        (
            ("dpmpp_3m_sde", {"eta": 0.0}),
            ("DPMSolverMultistepScheduler", {"solver_order": 3, "solver_type": "heun", "lower_order_final": False}),
            EPS,
            SINGLE,
        ),
        (
            ("dpmpp_3m_sde", {"eta": 0.0}),
            ("DPMSolverMultistepScheduler", {"solver_order": 3, "solver_type": "heun", "lower_order_final": False}),
            FLOW,
            SINGLE,
        ),
        (("dpmpp_sde", {}), ("DPMSolverSDEScheduler", {}), EPS, DOUBLE),
        (("ddim", {}), ("DDIMScheduler", {}), EPS, DOUBLE),
        (("ddim", {"eta": 0.6}), ("DDIMScheduler", {"eta": 0.6}), EPS, DOUBLE),
        (("ddpm", {}), ("DDPMScheduler", {}), EPS, DOUBLE),
        (("lcm", {}), ("LCMScheduler", {"timestep_scaling": 1e9}), EPS, DOUBLE),
        (("lcm", {}), ("FlowMatchLCMScheduler", {}), FLOW, SINGLE),
        (("tcd", {"eta": 0.0}), ("TCDScheduler", {"eta": 0.0}), EPS, DOUBLE),
        (
            ("sa_solver", {**CONSTANT_TAU, "predictor_order": 2, "corrector_order": 2}),
            ("SASolverScheduler", {"tau": 1.0}),
            EPS,
            DOUBLE,
        ),
        (
            ("sa_solver", {**CONSTANT_TAU, "eta": 0.0, "predictor_order": 3, "corrector_order": 2}),
            ("SASolverScheduler", {"tau": 0.0, "predictor_order": 3}),
            EPS,
            DOUBLE,
        ),
        (
            ("sa_solver", {**CONSTANT_TAU, "eta": 0.7, "predictor_order": 3, "corrector_order": 4}),
            ("SASolverScheduler", {"tau": 0.7, "predictor_order": 3, "corrector_order": 4, "lower_order_final": False}),
            EPS[:-1],
            1e-12,
        ),
    ],
    ids=str,
)
def test_the_same_method_takes_the_same_steps(
    mine: tuple[str, dict[str, Any]],
    other: tuple[str, dict[str, Any]],
    sigmas: tuple[float, ...],
    tolerance: float,
):
    if SCHEDULERS[other[0]].needs == "scipy":
        pytest.importorskip("scipy")
    for index, off in enumerate(differences(mine, other, sigmas)):
        assert off < tolerance, f"step {index}, from {sigmas[index]:g} to {sigmas[index + 1]:g}, is off by {off:.2g}"


@pytest.mark.parametrize("variant", ["bh1", "bh2"])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_unipc_asks_the_model_at_the_same_places(order: int, variant: str):
    """diffusers corrects a step when the next one begins, sdkit when it ends; what the model sees is the same."""
    mine, other, sigmas = Watched(False), Watched(False), EPS[:-1]
    ours("uni_pc", {"order": order, "variant": variant}, mine, sigmas)
    theirs("UniPCMultistepScheduler", {"solver_order": order, "solver_type": variant}, other, sigmas)
    assert len(mine.asked) == len(other.asked) == len(sigmas) - 1
    for a, b in zip(mine.asked, other.asked, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_tcd_takes_the_same_steps_between_training_timesteps():
    """Elsewhere they differ by what rounding does: sdkit interpolates timesteps, diffusers has only whole ones."""
    betas = [(0.00085**0.5 + (0.012**0.5 - 0.00085**0.5) * i / 999) ** 2 for i in range(1000)]
    kept = list(accumulate((1 - beta for beta in betas), lambda a, b: a * b))
    sigmas = (*(math.sqrt(1 / kept[i] - 1) for i in (950, 800, 600, 420, 300, 180, 90, 30, 5)), 0.0)
    assert max(differences(("tcd", {}), ("TCDScheduler", {}), sigmas)) < 2e-5  # their table is float32
    assert 1e-4 < max(differences(("tcd", {}), ("TCDScheduler", {}), EPS)) < 1e-2


# ── where the two differ on purpose ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("mine", "other"), [("lms", "LMSDiscreteScheduler"), ("ipndm", "IPNDMScheduler")])
def test_sdkits_multistep_ends_on_the_prediction_diffusers_extrapolates_beyond_it(mine: str, other: str):
    """The last step, to sigma 0: for a model that is as good there, extrapolating past its answer only adds noise."""
    if SCHEDULERS[other].needs == "scipy":
        pytest.importorskip("scipy")
    *before, last = differences((mine, {}), (other, {}), EPS)
    assert max(before) < 1e-6
    assert last > 1e-3
    *_, step = ours(mine, {}, Watched(False), EPS)
    torch.testing.assert_close(step.x, step.denoised, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("mine", "other", "order"),
    [
        (("dpmpp_2m", {}), "DPMSolverMultistepScheduler", 2),
        (("uni_pc_bh2", {"order": 2}), "UniPCMultistepScheduler", 3),
    ],
    ids=str,
)
def test_for_flow_models_sdkit_steps_in_minus_log_sigma_diffusers_in_half_log_snr(
    mine: tuple[str, dict[str, Any]], other: str, order: int
):
    """Both solve the same ODE, and agree the better the finer the steps, to the order of the method."""
    ends = [
        differences(mine, (other, {}), tuple(0.95 * (0.05 / 0.95) ** (i / count) for i in range(count + 1)))[-1]
        for count in (40, 80)
    ]
    assert max(differences(mine, (other, {}), FLOW)) > 1e-2
    assert math.log2(ends[0] / ends[1]) == pytest.approx(order, abs=0.5)


@pytest.mark.parametrize("mode", ["tab", "rhoab"])
@pytest.mark.parametrize("order", [2, 3])
def test_deis_extrapolates_in_time_or_rho_diffusers_in_log_rho(mode: str, order: int):
    """Three choices of the same paper (arXiv:2204.13902); they agree to the order of the method."""
    mine, other = ("deis", {"max_order": order, "deis_mode": mode}), ("DEISMultistepScheduler", {"solver_order": order})
    ends = [
        differences(mine, other, tuple(10.0 * 0.005 ** (i / count) for i in range(count + 1)))[-1]
        for count in (60, 120)
    ]
    assert max(differences(mine, other, EPS[:-1])[1:]) > 1e-3
    assert math.log2(ends[0] / ends[1]) == pytest.approx(order, abs=0.5)


def test_unipc_steps_to_a_thousandth_diffusers_to_zero():
    """As is the custom where sdkit's numbers come from, the last sigma is 0.001 in place of 0."""
    *_, last = differences(("uni_pc_bh2", {"order": 2}), ("UniPCMultistepScheduler", {}), EPS)
    assert 1e-5 < last < 1e-2


def test_third_order_of_the_sde_has_another_sign_in_diffusers():
    """The weight of the second derivative ends in − ½ there, where the integral has + ½ (arXiv:2211.01095, the SDE's
    formula is the ODE's at 2h). So it converges like a first order there, which can be measured with noise of 0.
    """
    options = {**SDE, "solver_order": 3, "solver_type": "heun", "lower_order_final": False}
    first, second, *others = differences(("dpmpp_3m_sde", {}), ("DPMSolverMultistepScheduler", options), EPS)
    assert max(first, second) < SINGLE
    assert min(others) > 1e-2

    def end(steps: int, diffusers: bool) -> torch.Tensor:
        sigmas = tuple(4.0 * 0.1 ** (i / steps) for i in range(steps + 1))
        silent = lambda sigma, sigma_next: torch.zeros(SHAPE, dtype=torch.float64)  # noqa: E731
        denoise = Watched(False)
        if diffusers:
            *_, step = bridge(SCHEDULERS["DPMSolverMultistepScheduler"])(denoise, x(4.0), sigmas, silent, **options)
        else:
            *_, step = make_pipeline().samplers["dpmpp_3m_sde"].load()(denoise, x(4.0), sigmas, silent)
        return step.x

    exact = end(800, diffusers=False)
    for diffusers, order in ((False, 2), (True, 1)):
        errors = [float((end(steps, diffusers) - exact).abs().max()) for steps in (40, 80)]
        assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.4)


def test_sa_solver_decides_by_the_sigma_that_it_steps_to_diffusers_by_where_it_is():
    """Whether a step is stochastic: between 20 and 80 % of the timesteps, of one end of the step or the other."""
    options = {"simple_order_2": True, "predictor_order": 2, "corrector_order": 2}
    assert max(differences(("sa_solver", options), ("SASolverScheduler", {}), EPS)) > 1e-2
