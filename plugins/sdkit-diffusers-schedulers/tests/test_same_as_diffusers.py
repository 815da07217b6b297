"""A scheduler behind the bridge takes the steps that it takes in diffusers' own loop, draw by draw."""

import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch

from sdkit.errors import SamplingError
from sdkit.sampling import BrownianNoise
from sdkit.testing import MixtureDenoiser
from sdkit_diffusers_schedulers import SCHEDULERS, Scheduler
from sdkit_diffusers_schedulers.bridge import bridge
from sdkit_diffusers_schedulers.loading import STABLE_DIFFUSION, scheduler_class

SHAPE = (2, 3, 2)
MEANS, STD = ((-1.0, 0.5), (0.8, 1.0)), 0.4
STEPS = 8

pytestmark = [pytest.mark.filterwarnings(f"ignore::DeprecationWarning:{module}") for module in ("diffusers", "numpy")]
"""Of numpy, about how diffusers calls it."""

CASES: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in SCHEDULERS] + [
    ("DPMSolverMultistepScheduler", {"solver_order": 3, "solver_type": "heun"}),
    ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++", "lower_order_final": False}),
    ("DPMSolverSinglestepScheduler", {"solver_order": 3, "lower_order_final": True}),
    ("DDIMScheduler", {"clip_sample": True, "clip_sample_range": 0.7}),
    ("UniPCMultistepScheduler", {"solver_order": 3, "disable_corrector": [0]}),
    ("DDIMScheduler", {"eta": 0.7}),
    ("DDPMScheduler", {"variance_type": "fixed_large"}),
    ("LMSDiscreteScheduler", {"order": 2}),
    ("SASolverScheduler", {"predictor_order": 3, "corrector_order": 4}),
    ("TCDScheduler", {"eta": 0.0}),
    ("FlowMatchEulerDiscreteScheduler", {"stochastic_sampling": True}),
]


@pytest.fixture(autouse=True)
def torchsde(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """diffusers imports it beside two schedulers; the bridge brings their noise, so an empty module does."""
    if importlib.util.find_spec("torchsde") is None:
        empty = types.ModuleType("torchsde")
        empty.__spec__ = importlib.machinery.ModuleSpec("torchsde", None)
        monkeypatch.setitem(sys.modules, "torchsde", empty)
    yield
    for name in [name for name in sys.modules if "dpmsolver_sde" in name or "cosine_dpmsolver" in name]:
        del sys.modules[name]


class Draws:
    """Noise in the order in which it is asked for, whatever the sigmas."""

    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(3)

    def start(self) -> torch.Tensor:
        return torch.randn(SHAPE, generator=self.generator, dtype=torch.float64)

    def __call__(self, sigma: float, sigma_next: float, /) -> torch.Tensor:
        return self.start()


def model(flow: bool) -> MixtureDenoiser:
    return MixtureDenoiser(MEANS, STD, flow=flow)


def start(sigma: float) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * sigma


def sigma_now(scheduler: Scheduler, made: Any, timestep: torch.Tensor) -> float:
    """The sigma at which diffusers' loop would evaluate the network."""
    index = made.step_index or 0 if scheduler.tables not in ("alphas", "trained") else 0
    if scheduler.tables in ("alphas", "trained"):
        alpha = float(made.alphas_cumprod[int(timestep)])
        return ((1 - alpha) / alpha) ** 0.5
    if scheduler.tables == "betas":
        return float(made.betas[index] / made.alphas[index])
    if getattr(made, "mid_point_sigma", None) is not None:
        return float(made.mid_point_sigma)
    if hasattr(made, "sigmas_interpol") and not made.state_in_first_order:
        return float(made.sigmas_interpol[index - 1 if hasattr(made, "sigmas_down") else index])
    return float(made.sigmas[index])


def their_loop(scheduler: Scheduler, options: dict[str, Any]) -> tuple[list[float], list[torch.Tensor]]:
    """diffusers' loop around a network that predicts noise (or the flow): sigmas, and x at each, in sdkit's scaling."""
    flow = scheduler.space == "flow"
    config = {name: value for name, value in options.items() if name not in scheduler.step_options}
    if not flow and scheduler.output not in ("edm", "v"):
        config |= STABLE_DIFFUSION
    if scheduler.name == "CosineDPMSolverMultistepScheduler":
        config["prediction_type"] = "epsilon"
    if scheduler.name == "PNDMScheduler":
        config |= {"skip_prk_steps": True, "set_alpha_to_one": True}
    if scheduler.name in ("DDIMScheduler", "DDPMScheduler"):
        config.setdefault("clip_sample", False)
    made = scheduler_class(scheduler)(**config)
    if scheduler.name == "LTXEulerAncestralRFScheduler":
        made.set_timesteps(sigmas=[1 - i / STEPS for i in range(STEPS + 1)])
    else:
        made.set_timesteps(STEPS)
    if scheduler.tables == "betas":  # its first sigma is infinite, which is no place to compare at
        made.betas, made.alphas, made.timesteps = made.betas[1:], made.alphas[1:], made.timesteps[1:]
    if scheduler.noise == "brownian":
        path = BrownianNoise(Draws())  # pyright: ignore[reportArgumentType] - draws as SeededNoise does
        sigmas = made.sigmas.tolist()
        known = [*sigmas, *((a * b) ** 0.5 for a, b in pairwise(sigmas))]  # theirs went through logarithms
        made.noise_sampler = lambda *ends: path(*(min(known, key=lambda sigma: abs(sigma - end)) for end in ends))
    generator, x = torch.Generator().manual_seed(3), None
    accepted = {name: options[name] for name in scheduler.step_options if name in options}
    if scheduler.noise == "white":
        accepted["generator"] = generator
    seen: list[tuple[float, torch.Tensor]] = []
    sample = torch.zeros(())
    for timestep in made.timesteps if scheduler.name != "LTXEulerAncestralRFScheduler" else made.timesteps[:-1]:
        sigma = sigma_now(scheduler, made, timestep)
        scale = (1 + sigma**2) ** -0.5 if scheduler.space == "variance-preserving" else 1.0
        sample = start(sigma) * scale if x is None else sample
        x = sample / scale
        first = getattr(made, "state_in_first_order", True) and getattr(made, "counter", 0) != 1
        if first:
            seen.append((sigma, x))
        made.scale_model_input(sample, timestep) if hasattr(made, "scale_model_input") else None
        denoised = model(flow)(x, sigma).denoised
        output = (x - denoised) / sigma
        if scheduler.output == "v":
            output = (output - denoised * sigma) * scale
        if scheduler.output == "edm":
            data = made.config.sigma_data
            skip = data**2 / (sigma**2 + data**2)
            output = (denoised - x * skip) / (sigma * data / (sigma**2 + data**2) ** 0.5)
        sample = made.step(output, timestep, sample, return_dict=False, **accepted)[0]
    if not scheduler.reaches_zero:
        last = float(made.sigmas[-1])
        seen.append((last, sample * (1 + last**2) ** 0.5))
    elif scheduler.name != "TCDScheduler":  # whose last sigma is not quite 0
        seen.append((0.0, sample))
    return [sigma for sigma, _ in seen], [x for _, x in seen]


@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda value: str(value).removesuffix("Scheduler"))
def test_takes_the_steps_of_diffusers_own_loop(name: str, options: dict[str, Any]):
    """The tolerance is float32's: in which diffusers computes sigmas, and some of the steps."""
    scheduler = SCHEDULERS[name]
    if scheduler.needs == "scipy":
        pytest.importorskip("scipy")
    sigmas, expected = their_loop(scheduler, options)
    draws = Draws()
    noise = BrownianNoise(draws) if scheduler.noise == "brownian" else draws  # pyright: ignore[reportArgumentType]
    steps = list(bridge(scheduler)(model(scheduler.space == "flow"), start(sigmas[0]), tuple(sigmas), noise, **options))
    assert [(step.sigma, step.sigma_next) for step in steps] == list(pairwise(sigmas))
    for step, x in zip(steps, expected[1:], strict=True):
        off = float((step.x - x).abs().max() / x.abs().max())
        assert off < 2e-5, (
            f"step {step.index}, from sigma {step.sigma:.4g} to {step.sigma_next:.4g}, is off by {off:.2g}"
        )


def test_a_package_that_a_scheduler_needs_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SamplingError, match="DPMSolverSDEScheduler needs torchsde: pip install torchsde"):
        scheduler_class(SCHEDULERS["DPMSolverSDEScheduler"])
