"""`from_config` and the schedule `diffusers`: what a scheduler_config.json says, as a request."""

import inspect
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

import sdkit_diffusers_schedulers
from sdkit.errors import RequestError, SamplingError
from sdkit.testing import make_pipeline
from sdkit.types import ScheduleParams
from sdkit_diffusers_schedulers import SCHEDULERS, SpacingOptions, from_config
from sdkit_diffusers_schedulers.config import OF_OTHERS, OF_THE_MODEL
from sdkit_diffusers_schedulers.loading import STABLE_DIFFUSION, scheduler_class
from sdkit_diffusers_schedulers.schedule import own_sigmas

pytestmark = [pytest.mark.filterwarnings(f"ignore::DeprecationWarning:{module}") for module in ("diffusers", "numpy")]

STABLE_DIFFUSION_15: dict[str, Any] = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
    "clip_sample": False,
}
KARRAS: dict[str, Any] = {
    "_class_name": "DPMSolverMultistepScheduler",
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
    "algorithm_type": "sde-dpmsolver++",
    "solver_order": 3,
    "use_karras_sigmas": True,
    "thresholding": False,
    "variance_type": None,
    "timestep_spacing": "trailing",
}


def params(flow: bool = False) -> ScheduleParams:
    if flow:
        sigmas = tuple((i + 1) / 1000 for i in range(1000))
        return ScheduleParams(sigmas, sigmas[0], 1.0, "flow")
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    kept = torch.cumprod(1 - betas, 0)
    sigmas = tuple(((1 - kept) / kept).sqrt().tolist())
    return ScheduleParams(sigmas, sigmas[0], sigmas[-1])


def test_a_config_becomes_sampler_options_and_spacing():
    assert from_config(KARRAS) == {
        "sampler": "diffusers:DPMSolverMultistepScheduler",
        "sampler_options": {"algorithm_type": "sde-dpmsolver++", "solver_order": 3, "thresholding": False},
        "schedule": "diffusers",
        "schedule_options": {
            "scheduler": "DPMSolverMultistepScheduler",
            "use_karras_sigmas": True,
            "timestep_spacing": "trailing",
        },
    }


@pytest.mark.parametrize("inside", ["scheduler_config.json", "scheduler/scheduler_config.json"])
def test_reads_a_file_a_folder_and_a_models_folder(tmp_path: Path, inside: str):
    path = tmp_path / inside
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(STABLE_DIFFUSION_15))
    fields = from_config(STABLE_DIFFUSION_15)
    assert from_config(tmp_path) == from_config(path) == from_config(str(path)) == fields
    assert fields.get("schedule_options") == {"scheduler": "PNDMScheduler", "steps_offset": 1}


def test_a_config_makes_pictures():
    pipe = make_pipeline([sdkit_diffusers_schedulers])
    result = pipe("a star", **{**from_config(STABLE_DIFFUSION_15), "seed": 3, "steps": 6})
    assert result.request.sampler == "diffusers:PNDMScheduler"
    assert result.latents.tensor.isfinite().all()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"_class_name": "DDIMSchedulr"}, r"'DDIMSchedulr', which is no scheduler .* Did you mean 'DDIMScheduler'\?"),
        (
            {"_class_name": "DDIMScheduler", "clip_sampel": True},
            r"'clip_sampel', which .* Did you mean 'clip_sample'\?",
        ),
        ({"solver_order": 2}, "names no scheduler: '_class_name' is missing"),
    ],
)
def test_what_is_not_known_is_refused_with_the_nearest(config: dict[str, Any], message: str):
    with pytest.raises(RequestError, match=message):
        from_config(config)


@pytest.mark.parametrize(
    ("text", "message"), [("{", "is not JSON"), ("[]", "holds no JSON object"), (None, "cannot read the scheduler's")]
)
def test_files_that_are_no_configs_are_refused(tmp_path: Path, text: str | None, message: str):
    path = tmp_path / "scheduler_config.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(RequestError, match=message):
        from_config(path)


@pytest.mark.parametrize(
    "name", [name for name, scheduler in SCHEDULERS.items() if not scheduler.needs or find_spec(scheduler.needs)]
)
def test_options_are_those_of_diffusers(name: str):
    """Every option is an argument of diffusers' class, and every argument is an option, or known to be none."""
    scheduler = SCHEDULERS[name]
    made_by = scheduler_class(scheduler)
    of_step = set(inspect.signature(made_by.step).parameters)
    of_config = set(inspect.signature(made_by.__init__).parameters) - {"self"}
    options = set(scheduler.options.model_fields)
    assert options & scheduler.step_options <= of_step
    assert options - scheduler.step_options - {"tau"} <= of_config
    handled = options | set(SpacingOptions.model_fields) | OF_THE_MODEL | OF_OTHERS | {"solver_type", "algorithm_type"}
    assert of_config <= handled


# ── the schedule ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("EulerDiscreteScheduler", {"timestep_spacing": "trailing"}),
        ("EulerDiscreteScheduler", {"use_karras_sigmas": True}),
        ("DPMSolverMultistepScheduler", {"use_lu_lambdas": True}),
        ("HeunDiscreteScheduler", {"timestep_spacing": "leading", "steps_offset": 1}),
        ("KDPM2DiscreteScheduler", {}),
        ("UniPCMultistepScheduler", {"use_exponential_sigmas": True}),
    ],
)
def test_sigmas_are_the_schedulers_own(name: str, options: dict[str, Any]):
    made = scheduler_class(SCHEDULERS[name])(**STABLE_DIFFUSION, **options)
    made.set_timesteps(10)
    theirs = sorted(set(made.sigmas.tolist()), reverse=True)
    assert own_sigmas(10, params(), scheduler=name, **options) == pytest.approx(theirs, rel=1e-4)


def test_sigmas_of_schedulers_of_timesteps_are_the_models_at_those():
    known = params().sigmas
    assert own_sigmas(4, params(), scheduler="DDIMScheduler") == (known[750], known[500], known[250], known[0], 0.0)
    lcm = own_sigmas(4, params(), scheduler="LCMScheduler", original_inference_steps=20)
    assert lcm == (known[999], known[749], known[499], known[249], 0.0)


def test_flow_models_have_sigmas_with_a_shift():
    sigmas = own_sigmas(4, params(flow=True), scheduler="FlowMatchEulerDiscreteScheduler", shift=3.0)
    assert sigmas[0] == 1.0
    assert sigmas[-1] == 0.0
    even = own_sigmas(4, params(flow=True), scheduler="FlowMatchEulerDiscreteScheduler")
    assert sigmas[1] > even[1]


def test_a_spacing_that_cannot_be_had_is_refused():
    pipe = make_pipeline([sdkit_diffusers_schedulers])
    with pytest.raises(RequestError, match=r"no scheduler of this name, did you mean 'DDIMScheduler'"):
        pipe("a", schedule="diffusers", schedule_options={"scheduler": "DDIMSchedulr"})
    with pytest.raises(SamplingError, match="DDIMScheduler has no 'use_karras_sigmas' to space its sigmas with"):
        own_sigmas(4, params(), scheduler="DDIMScheduler", use_karras_sigmas=True)
    with pytest.raises(SamplingError, match="DDIMScheduler has no sigmas for models of type 'flow'"):
        own_sigmas(4, params(flow=True), scheduler="DDIMScheduler")
    with pytest.raises(SamplingError, match="LCMScheduler cannot take 60 steps"):
        own_sigmas(60, params(), scheduler="LCMScheduler")
