"""The schedule `diffusers`: the sigmas that a scheduler of diffusers would step through by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from sdkit.errors import SamplingError, nearest
from sdkit_diffusers_schedulers.catalogue import SCHEDULERS

if TYPE_CHECKING:
    from sdkit.types import ScheduleParams
    from sdkit_diffusers_schedulers.catalogue import Scheduler


def has_spacing(scheduler: Scheduler) -> bool:
    """Whether the scheduler's spacing goes by what the model was trained at; IPNDM's and EDM's do not."""
    return scheduler.tables != "betas" and scheduler.output != "edm"


class SpacingOptions(BaseModel):
    """The part of a scheduler's config that spaces the sigmas; names and meanings are diffusers'."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    scheduler: str = "EulerDiscreteScheduler"
    """Whose spacing: a class of diffusers. They differ in what `linspace` means, and in defaults."""
    timestep_spacing: Literal["linspace", "leading", "trailing"] | None = None
    """How to space the timesteps (arXiv:2305.08891, table 2); the scheduler's own default if left out."""
    steps_offset: int | None = Field(default=None, ge=0, le=100)
    """Added to timesteps that are `leading`."""
    use_karras_sigmas: bool = False
    """Whether to space sigmas as in arXiv:2206.00364."""
    use_exponential_sigmas: bool = False
    """Whether to space sigmas evenly in their logarithm."""
    use_beta_sigmas: bool = False
    """Whether to space sigmas as in arXiv:2407.12173; needs scipy."""
    use_lu_lambdas: bool = False
    """Whether to space log sigmas evenly, as DPMSolverMultistepScheduler can."""
    final_sigmas_type: Literal["zero", "sigma_min"] = "zero"
    """What the scheduler's last sigma is; sdkit's is always 0, in place of `sigma_min`, too."""
    original_inference_steps: int | None = Field(default=None, ge=1, le=1000)
    """LCM and TCD: how many timesteps the model was distilled at, out of which to choose."""
    shift: float | None = Field(default=None, gt=0, le=100)
    """Flow models: how far to move the sigmas towards noise."""
    shift_terminal: float | None = Field(default=None, gt=0, lt=1)
    """Flow models: stretch the sigmas to end here, before 0."""

    @field_validator("scheduler")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in SCHEDULERS:
            near = nearest(name, SCHEDULERS)
            raise ValueError(f"no scheduler of this name{f', did you mean {near[0]!r}' if near else ''}")
        if not has_spacing(SCHEDULERS[name]):
            raise ValueError(f"{name} spaces sigmas for models of its own kind only")
        return name


def own_sigmas(steps: int, params: ScheduleParams, **options: object) -> tuple[float, ...]:
    """`steps + 1` sigmas: the scheduler's `set_timesteps(steps)` for this model, and 0 at the end.

    Raises SamplingError where the scheduler has not got that many, or no option of that name.
    """
    import inspect

    import torch

    from sdkit_diffusers_schedulers.loading import scheduler_class

    scheduler = SCHEDULERS[str(options.get("scheduler", "EulerDiscreteScheduler"))]
    flow = params.prediction == "flow"
    if flow != (scheduler.space == "flow") and not (flow and scheduler.flow):
        raise SamplingError(f"diffusers' {scheduler.name} has no sigmas for models of type {params.prediction!r}")
    made_by = scheduler_class(scheduler)
    accepted = inspect.signature(made_by.__init__).parameters
    config = {name: value for name, value in options.items() if name != "scheduler" and value not in (None, False)}
    for name in [name for name in config if name not in accepted]:
        if name != "final_sigmas_type":
            raise SamplingError(f"diffusers' {scheduler.name} has no {name!r} to space its sigmas with")
        del config[name]
    if "num_train_timesteps" in accepted:
        config["num_train_timesteps"] = len(params.sigmas)
    if flow and "use_flow_sigmas" in accepted:
        config |= {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
    if scheduler.name == "PNDMScheduler":
        config["skip_prk_steps"] = True
    made: Any = made_by(**config)
    if hasattr(made, "alphas_cumprod") and not flow:
        made.alphas_cumprod = torch.tensor([1 / (1 + sigma * sigma) for sigma in params.sigmas], dtype=torch.float64)
    try:
        made.set_timesteps(steps)
    except ValueError as error:
        raise SamplingError(f"diffusers' {scheduler.name} cannot take {steps} steps: {error}") from error
    if scheduler.tables in ("alphas", "trained"):
        found = [params.sigmas[int(timestep)] for timestep in made.timesteps.tolist()]
    else:
        found = made.sigmas.tolist()
    distinct = sorted({float(sigma) for sigma in found if sigma > 0}, reverse=True)[:steps]
    if len(distinct) < steps:
        raise SamplingError(f"diffusers' {scheduler.name} has {len(distinct)} different sigmas in {steps} steps")
    return (*distinct, 0.0)
