"""Makes schedulers: imports diffusers' class, and nothing else of diffusers, and fills in the config."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sdkit.errors import SamplingError

if TYPE_CHECKING:
    from sdkit_diffusers_schedulers.catalogue import Scheduler

STABLE_DIFFUSION: Mapping[str, object] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}
"""The training schedule where a scheduler asks for timesteps; its sigmas are replaced by the run's own."""


def scheduler_class(scheduler: Scheduler) -> type[Any]:
    """diffusers' class. Raises SamplingError where diffusers, or what the scheduler needs beside it, has not got it."""
    if scheduler.needs and importlib.util.find_spec(scheduler.needs) is None:
        raise SamplingError(f"diffusers' {scheduler.name} needs {scheduler.needs}: pip install {scheduler.needs}")
    try:
        module = importlib.import_module(f"diffusers.schedulers.scheduling_{scheduler.module}")
    except ModuleNotFoundError as error:
        import diffusers

        raise SamplingError(
            f"diffusers {diffusers.__version__} has no {scheduler.name} ({error}); install a newer one: "
            "pip install -U diffusers"
        ) from error
    found: type[Any] = getattr(module, scheduler.name)
    return found


def make(scheduler: Scheduler, flow: bool, last: float, timesteps: int, options: Mapping[str, object]) -> Any:
    """A scheduler for one run. `last`: the sigma that it ends at. `timesteps`: how many it is to know of."""
    config = {name: value for name, value in options.items() if name not in scheduler.step_options}
    if scheduler.output in ("sample", "epsilon") and scheduler.space != "flow":
        config["prediction_type"] = scheduler.output
    if scheduler.output == "edm":
        config["prediction_type"] = "epsilon"
    if scheduler.space == "variance-preserving" and scheduler.flow:
        config["use_flow_sigmas"] = flow
    if "lower_order_final" in scheduler.options.model_fields and scheduler.reaches_zero:
        config |= _final(scheduler, last)
    if scheduler.tables == "alphas":
        config["num_train_timesteps"] = timesteps
    if scheduler.tables == "pairs":  # of no consequence, but their constructors take a second to list a thousand
        config["num_train_timesteps"] = timesteps + 1
    if scheduler.tables == "trained" or "tau" in config:
        config |= STABLE_DIFFUSION
    if scheduler.name == "PNDMScheduler":  # its Runge-Kutta steps need timesteps between those of the run
        config["skip_prk_steps"] = True
    if "tau" in config:
        tau = config.pop("tau")
        config["tau_func"] = None if tau is None else _constant(tau)
    return scheduler_class(scheduler)(**config)


def _constant(value: object) -> Callable[[object], object]:
    return lambda _: value


def _final(scheduler: Scheduler, last: float) -> dict[str, object]:
    """Schedulers take care at the end if that is sigma 0, which the config has to say."""
    return {"final_sigmas_type": "zero" if last == 0 else "sigma_min"}
