"""The schedules in the box."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit.hookspecs import hookimpl

if TYPE_CHECKING:
    from sdkit.hookspecs import RegisterSchedule


@hookimpl
def register_schedules(register: RegisterSchedule) -> None:
    """normal, karras, simple, sgm_uniform."""
    register("normal", "sdkit.sampling.schedules:normal", summary="even in training timesteps, both ends included")
    register("karras", "sdkit.sampling.schedules:karras", summary="denser towards little noise: fine detail")
    register("simple", "sdkit.sampling.schedules:simple", summary="every n-th training timestep, from the highest")
    register(
        "sgm_uniform", "sdkit.sampling.schedules:sgm_uniform", summary="even in training timesteps, the first left out"
    )
