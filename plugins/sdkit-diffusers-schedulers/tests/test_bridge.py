"""Schedulers behind the bridge are samplers as sdkit expects them; what cannot work says so."""

import subprocess
import sys
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import pytest
import torch

import sdkit_diffusers_schedulers
from sdkit.errors import RequestError, SamplingError
from sdkit.sampling import SeededNoise, with_alpha
from sdkit.testing import ConstantDenoiser, GaussianDenoiser, assert_sampler_ok, make_pipeline
from sdkit.types import Prediction
from sdkit_diffusers_schedulers import SCHEDULERS
from sdkit_diffusers_schedulers.bridge import bridge

pytestmark = [pytest.mark.filterwarnings(f"ignore::DeprecationWarning:{module}") for module in ("diffusers", "numpy")]

SHAPE = (2, 3, 4, 4)
EPS, FLOW = (10.0, 4.0, 1.5, 0.6, 0.2), (0.95, 0.8, 0.55, 0.3, 0.1)
USABLE = [name for name, scheduler in SCHEDULERS.items() if not scheduler.needs or find_spec(scheduler.needs)]


def kinds() -> list[tuple[str, bool]]:
    """Every scheduler with every kind of model that it samples."""
    eps = [(name, False) for name in USABLE if SCHEDULERS[name].space != "flow"]
    return eps + [(name, True) for name in USABLE if SCHEDULERS[name].flow]


def noise() -> SeededNoise:
    return SeededNoise((0, 1), SHAPE[1:])


def x(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return SeededNoise((5, 6), SHAPE[1:]).start().to(dtype)


# ── one representative of each way of keeping tables, at length ──────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "options", "order"),
    [
        ("HeunDiscreteScheduler", {}, 2),
        ("EulerAncestralDiscreteScheduler", {}, None),
        ("DPMSolverMultistepScheduler", {"solver_order": 3, "solver_type": "heun", "lower_order_final": False}, None),
        ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}, None),
        ("DPMSolverSinglestepScheduler", {}, 2),
        ("UniPCMultistepScheduler", {}, 2),
        ("SASolverScheduler", {"tau": 1.0}, None),
        ("PNDMScheduler", {}, 2),
        ("IPNDMScheduler", {}, 2),
    ],
)
def test_is_a_sampler_as_sdkit_expects_them(name: str, options: dict[str, Any], order: float | None):
    scheduler = SCHEDULERS[name]
    kind = "none" if order is not None else scheduler.noise
    assert_sampler_ok(bridge(scheduler), noise=kind, order=order, flow=scheduler.flow, **options)


# ── all of them, in short ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("name", "flow"), kinds())
def test_every_scheduler_keeps_the_contract(name: str, flow: bool):
    """Steps meet, x is read again, the last one lands, dtypes stay, images are apart, torch's generator is not used."""
    sample, sigmas = bridge(SCHEDULERS[name]), (*(FLOW if flow else EPS), 0.0)
    gauss, state = GaussianDenoiser(0.6, 0.8, flow=flow), torch.random.get_rng_state()
    for dtype, near in ((torch.float32, 1e-4), (torch.float64, 1e-5)):
        before = start = x(dtype) * sigmas[0]
        for index, step in enumerate(sample(gauss, start, sigmas, noise())):
            assert (step.index, step.sigma, step.sigma_next) == (index, *sigmas[index : index + 2])
            assert torch.equal(step.x_in, before)
            assert step.x.dtype == dtype
            step.x = before = step.x + 0.1
        assert torch.equal(start, x(dtype) * sigmas[0])
        for first in range(len(sigmas) - 1):
            *_, last = sample(ConstantDenoiser(0.4, flow=flow), x(dtype), sigmas[first:], noise())
            assert float((last.x - 0.4).abs().max()) < near, f"from sigma {sigmas[first]}"
    *_, together = sample(gauss, x(), sigmas, noise())
    *_, alone = sample(gauss, x()[1:], sigmas, SeededNoise((1,), SHAPE[1:]))
    assert float((together.x[1:] - alone.x).abs().max()) < 1e-6
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    ("name", "flow", "options", "power"),
    [
        ("EulerDiscreteScheduler", False, {}, 1),
        ("HeunDiscreteScheduler", False, {}, 1),
        ("KDPM2DiscreteScheduler", False, {}, 1),
        ("DPMSolverMultistepScheduler", False, {"solver_order": 3}, 1),
        ("DPMSolverMultistepScheduler", True, {}, 1),
        ("DPMSolverSinglestepScheduler", False, {"solver_order": 3}, 1),
        ("DPMSolverSinglestepScheduler", True, {}, 1),
        ("UniPCMultistepScheduler", False, {"solver_order": 3}, 1),
        ("UniPCMultistepScheduler", True, {}, 1),
        ("SASolverScheduler", False, {"tau": 0.0}, 1),
        ("SASolverScheduler", False, {"tau": 1.0}, 2),
        ("DPMSolverSinglestepScheduler", False, {"algorithm_type": "sde-dpmsolver++"}, 2),
        ("DDIMScheduler", False, {}, 1),
    ],
)
def test_a_change_of_x_after_any_step_reaches_the_end(name: str, flow: bool, options: dict[str, Any], power: int):
    """Some schedulers go on from states that they keep, not from x. For a model that always predicts the same, what is
    added to x shrinks as sigma does, squared for the reverse SDE."""
    sigmas, sample = FLOW if flow else EPS, bridge(SCHEDULERS[name])

    def end(change_at: int) -> torch.Tensor:
        state = x()
        for step in sample(ConstantDenoiser(0.4, flow=flow), x(), sigmas, lambda *_: torch.zeros(SHAPE), **options):
            if step.index == change_at:
                step.x = step.x + 1.0
            state = step.x
        return state

    for index, sigma in enumerate(sigmas[1:-1]):
        moved = float((end(index) - end(-1)).mean())
        assert moved == pytest.approx((sigmas[-1] / sigma) ** power, rel=1e-4), f"after step {index}"


@pytest.mark.parametrize(("name", "flow"), [kind for kind in kinds() if not kind[0].startswith("LTX")])
def test_steps_on_any_device(name: str, flow: bool):
    """`meta` has shapes only: tables that stayed on the CPU, or a wait for a number, would raise. LTX's does wait."""
    start = torch.empty(SHAPE, device="meta")
    sigmas = (*(FLOW if flow else EPS), 0.0)
    denoise = with_alpha(lambda x, sigma: Prediction(x * 0.5, x * 0.5, None), lambda sigma: 1 - sigma if flow else 1.0)
    *_, last = bridge(SCHEDULERS[name])(denoise, start, sigmas, lambda *_: torch.empty(SHAPE, device="meta"))
    assert (last.x.device.type, last.x.shape) == ("meta", SHAPE)


def test_noise_is_the_runs_own_and_comes_with_its_sigmas():
    asked: list[tuple[float, float]] = []

    def draw(sigma: float, sigma_next: float, /) -> torch.Tensor:
        asked.append((sigma, sigma_next))
        return torch.full(SHAPE, 2.0)

    list(bridge(SCHEDULERS["DDPMScheduler"])(ConstantDenoiser(0.0), x(), EPS, draw))
    assert asked == list(pairwise(EPS))
    *_, last = bridge(SCHEDULERS["LCMScheduler"])(ConstantDenoiser(0.0), x(), (2.0, 0.5), draw)
    assert float(last.x.mean()) == pytest.approx(1.0)  # noise of 2, times sigma


# ── what cannot work ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_flow_model_is_refused_by_those_that_cannot():
    with pytest.raises(SamplingError, match=r"DDIMScheduler samples eps and v models only.*FlowMatchEulerDiscrete"):
        list(bridge(SCHEDULERS["DDIMScheduler"])(ConstantDenoiser(0.0, flow=True), x(), FLOW, noise()))


def test_an_eps_model_is_refused_by_those_for_flow():
    with pytest.raises(SamplingError, match=r"FlowMatchHeunDiscreteScheduler samples flow models only"):
        list(bridge(SCHEDULERS["FlowMatchHeunDiscreteScheduler"])(ConstantDenoiser(0.0), x(), EPS, noise()))


def test_other_kinds_of_models_are_refused():
    strange = with_alpha(ConstantDenoiser(0.0), lambda sigma: (1 - sigma**2) ** 0.5)
    with pytest.raises(SamplingError, match=r"this model's share of latents is 0.866025 at sigma 0.5"):
        list(bridge(SCHEDULERS["DDIMScheduler"])(strange, x(), FLOW, noise()))


def test_more_steps_than_a_scheduler_has_timesteps_are_refused():
    sigmas = tuple(10.0 * 0.99**i for i in range(1002))
    with pytest.raises(SamplingError, match=r"LCMScheduler knows 1000 timesteps: too few for 1002 steps"):
        list(bridge(SCHEDULERS["LCMScheduler"])(ConstantDenoiser(0.0), x(), sigmas, noise()))


# ── in a pipeline ────────────────────────────────────────────────────────────────────────────────────────────────────


def latents(sampler: str, seeds: list[int], **options: Any) -> torch.Tensor:
    pipe = make_pipeline([sdkit_diffusers_schedulers])
    return pipe("a star", seeds=seeds, steps=6, sampler=sampler, sampler_options=options).latents.tensor


def test_samples_in_a_pipeline_every_picture_as_if_it_were_alone():
    name = "diffusers:EulerAncestralDiscreteScheduler"
    together = latents(name, [3, 4])
    torch.testing.assert_close(together[1:], latents(name, [4]), rtol=0, atol=1e-5)
    torch.testing.assert_close(together, latents("euler_ancestral", [3, 4]), rtol=0, atol=1e-4)


def test_options_are_checked_by_name_and_value():
    with pytest.raises(RequestError, match=r"DPMSolverMultistepScheduler' has no option 'solver_ordr'.*'solver_order'"):
        latents("diffusers:DPMSolverMultistepScheduler", [3], solver_ordr=2)
    with pytest.raises(RequestError, match=r"option 'algorithm_type': Input should be 'dpmsolver', 'dpmsolver\+\+'"):
        latents("diffusers:DPMSolverMultistepScheduler", [3], algorithm_type="euler")
    with pytest.raises(RequestError, match="sde-dpmsolver has no third order"):
        latents("diffusers:DPMSolverMultistepScheduler", [3], algorithm_type="sde-dpmsolver", solver_order=3)


def test_unknown_schedulers_are_unknown_names():
    with pytest.raises(RequestError, match=r"Did you mean 'diffusers:HeunDiscreteScheduler'"):
        latents("diffusers:HeunDiscretScheduler", [3])


IMPORTS = """
import sys
import sdkit_diffusers_schedulers as plugin
assert not {"torch", "diffusers"} & set(sys.modules), "listing imports"
plugin.from_config({"_class_name": "EulerDiscreteScheduler"})
assert not {"torch", "diffusers"} & set(sys.modules), "from_config imports"
from sdkit_diffusers_schedulers.loading import scheduler_class
scheduler_class(plugin.SCHEDULERS["EulerDiscreteScheduler"])
loaded = [name for name in sys.modules if name.startswith(("diffusers.pipelines", "diffusers.models", "transformers"))]
assert not loaded, loaded
schedulers = {name for name in sys.modules if name.startswith("diffusers.schedulers.scheduling_")}
assert schedulers == {"diffusers.schedulers.scheduling_" + end for end in ("euler_discrete", "utils")}, schedulers
"""


def test_imports_nothing_before_it_is_used_and_then_one_scheduler():
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
