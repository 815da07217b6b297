"""diffusers' schedulers as samplers and schedules: there and back, and their sigmas beside those of sdkit."""

from __future__ import annotations

import inspect
from typing import Any

import diffusers
import pytest

from sdkit.names import diffusers_scheduler, from_diffusers
from sdkit.plugins import load_manager
from sdkit.settings import Settings
from sdkit.testing import ToyModel
from sdkit.types import ScheduleParams

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # diffusers' own, of numpy

MULTI = "DPMSolverMultistepScheduler"
SDE = "sde-dpmsolver++"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"_class_name": "EulerDiscreteScheduler"}, ("euler", "normal")),
        ({"_class_name": "EulerDiscreteScheduler", "use_karras_sigmas": True}, ("euler", "karras")),
        ({"_class_name": "EulerDiscreteScheduler", "use_exponential_sigmas": True}, ("euler", "exponential")),
        ({"_class_name": "EulerDiscreteScheduler", "use_beta_sigmas": True}, ("euler", "beta")),
        ({"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "leading"}, ("euler", "ddim_uniform")),
        ({"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "trailing"}, ("euler", "simple")),
        ({"_class_name": "EulerAncestralDiscreteScheduler"}, ("euler_ancestral", "normal")),
        ({"_class_name": "HeunDiscreteScheduler", "use_karras_sigmas": True}, ("heun", "karras")),
        ({"_class_name": "KDPM2DiscreteScheduler"}, ("dpm_2", "normal")),
        ({"_class_name": "KDPM2AncestralDiscreteScheduler"}, ("dpm_2_ancestral", "normal")),
        ({"_class_name": "LMSDiscreteScheduler", "use_karras_sigmas": True}, ("lms", "karras")),
        ({"_class_name": "DPMSolverSDEScheduler", "use_karras_sigmas": True}, ("dpmpp_sde", "karras")),
        ({"_class_name": MULTI}, ("dpmpp_2m", "sgm_uniform")),
        ({"_class_name": MULTI, "use_karras_sigmas": True}, ("dpmpp_2m", "karras")),
        ({"_class_name": MULTI, "algorithm_type": SDE}, ("dpmpp_2m_sde", "sgm_uniform")),
        ({"_class_name": MULTI, "algorithm_type": SDE, "solver_type": "heun"}, ("dpmpp_2m_sde_heun", "sgm_uniform")),
        ({"_class_name": MULTI, "algorithm_type": SDE, "solver_order": 3}, ("dpmpp_3m_sde", "sgm_uniform")),
        ({"_class_name": "UniPCMultistepScheduler"}, ("uni_pc_bh2", "sgm_uniform")),
        ({"_class_name": "UniPCMultistepScheduler", "solver_type": "bh1"}, ("uni_pc", "sgm_uniform")),
        ({"_class_name": "DEISMultistepScheduler"}, ("deis", "sgm_uniform")),
        ({"_class_name": "SASolverScheduler"}, ("sa_solver", "sgm_uniform")),
        ({"_class_name": "DDIMScheduler"}, ("ddim", "ddim_uniform")),
        ({"_class_name": "DDIMScheduler", "timestep_spacing": "trailing"}, ("ddim", "simple")),
        ({"_class_name": "DDPMScheduler"}, ("ddpm", "ddim_uniform")),
        ({"_class_name": "PNDMScheduler"}, ("ipndm", "ddim_uniform")),
        ({"_class_name": "LCMScheduler"}, ("lcm", "ddim_uniform")),
        ({"_class_name": "TCDScheduler"}, ("tcd", "ddim_uniform")),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler"}, ("euler", "normal")),
        ({"_class_name": "EDMEulerScheduler"}, ("euler", "karras")),
        (
            {"_class_name": "EDMDPMSolverMultistepScheduler", "sigma_schedule": "exponential"},
            ("dpmpp_2m", "exponential"),
        ),
        ({"_class_name": "DPMSolverSinglestepScheduler"}, ("dpmpp_2s_ancestral", "sgm_uniform")),
        ({"_class_name": MULTI, "algorithm_type": "dpmsolver"}, None),
        ({"_class_name": MULTI, "solver_order": 3}, None),
        ({"_class_name": "DPMSolverSinglestepScheduler", "solver_order": 3}, None),
        ({"_class_name": "VQDiffusionScheduler"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_what_a_configuration_means(config: dict[str, object], expected: tuple[str, str] | None) -> None:
    found = from_diffusers(config)
    assert (None if found is None else (found.sampler, found.schedule)) == expected
    if name := config.get("_class_name"):
        assert hasattr(diffusers, str(name)), "a class that diffusers has"


def test_options_and_notes_come_along() -> None:
    single = from_diffusers({"_class_name": "DPMSolverSinglestepScheduler", "use_beta_sigmas": True})
    assert single is not None
    assert (single.options, single.schedule) == ({"eta": 0.0}, "beta")
    assert "half as many steps" in single.note
    assert "spaces the beta schedule in sigma" in single.note


def test_every_pair_that_diffusers_has_comes_back() -> None:
    manager = load_manager(settings=Settings(plugins=("none",)))
    pairs = {
        (sampler, schedule): found
        for sampler in manager.samplers
        for schedule in manager.schedules
        if (found := diffusers_scheduler(sampler, schedule))
    }
    assert len(pairs) > 60
    for (sampler, schedule), (name, config) in pairs.items():
        back = from_diffusers({"_class_name": name, **config})
        assert back is not None
        assert (back.sampler, back.schedule) == (sampler, schedule)
        if name != "DPMSolverSDEScheduler":  # a stand-in where torchsde is not installed
            assert set(config) <= set(inspect.signature(getattr(diffusers, name)).parameters), "flags of the class"
    assert diffusers_scheduler("euler", "kl_optimal") is None
    assert diffusers_scheduler("euler_ancestral", "karras") is None
    assert diffusers_scheduler("restart") is None


STEPS = 20
SAME = ["normal", "karras", "exponential", "simple", "ddim_uniform", "sgm_uniform"]


@pytest.mark.parametrize("schedule", SAME)
@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m", "lms", "uni_pc_bh2"])
def test_the_sigmas_are_diffusers(sampler: str, schedule: str) -> None:
    """On Stable Diffusion's betas and a number of steps that divides the timesteps; within 1 % of each sigma, because
    diffusers rounds timesteps and interpolates linearly where k-diffusion's formulas go by log sigma."""
    found = diffusers_scheduler(sampler, schedule)
    single_step = sampler in ("euler", "lms")
    assert (found is None) == (schedule in (("sgm_uniform",) if single_step else ("normal", "ddim_uniform")))
    if found is None:
        return
    name, config = found
    spec = ToyModel().spec
    scheduler: Any = getattr(diffusers, name)(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, **config
    )
    scheduler.set_timesteps(STEPS)
    ours = (
        load_manager()
        .schedules[schedule]
        .load()(STEPS, ScheduleParams(spec.sigmas, spec.sigmas[0], spec.sigmas[-1], spec.prediction))
    )
    assert [float(sigma) for sigma in scheduler.sigmas] == pytest.approx(list(ours), rel=1e-2)
