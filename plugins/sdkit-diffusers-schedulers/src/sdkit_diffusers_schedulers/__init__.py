"""The schedulers of diffusers as samplers of sdkit, named `diffusers:` and their class; `from_config` reads configs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit import hookimpl
from sdkit_diffusers_schedulers.catalogue import SCHEDULERS, Scheduler
from sdkit_diffusers_schedulers.config import from_config
from sdkit_diffusers_schedulers.schedule import SpacingOptions

if TYPE_CHECKING:
    from sdkit.hookspecs import RegisterSampler, RegisterSchedule

__all__ = ["SCHEDULERS", "Scheduler", "SpacingOptions", "from_config"]

__version__ = "0.1.0"


@hookimpl
def register_samplers(register: RegisterSampler) -> None:
    """All of them. Named by strings: torch and diffusers are imported when one is first used."""
    for scheduler in SCHEDULERS.values():
        register(
            f"diffusers:{scheduler.name}",
            f"sdkit_diffusers_schedulers.bridge:{scheduler.name}",
            noise=scheduler.noise,
            order=scheduler.order,
            evaluations=scheduler.evaluations,
            options=scheduler.options,
            summary=scheduler.summary,
        )


@hookimpl
def register_schedules(register: RegisterSchedule) -> None:
    """The sigmas that a scheduler would step through by itself."""
    register(
        "diffusers",
        "sdkit_diffusers_schedulers.schedule:own_sigmas",
        options=SpacingOptions,
        summary="a diffusers scheduler's own spacing: what its config says",
    )
