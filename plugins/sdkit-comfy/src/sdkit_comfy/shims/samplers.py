"""`comfy.samplers`: names of samplers and schedules, and sampling by them."""

from __future__ import annotations

from typing import Any

import torch

from sdkit_comfy.packs.calls import current
from sdkit_comfy.shims.lists import Named
from sdkit_comfy.values.samplers import SamplerChoice

__all__ = ["KSampler", "calculate_sigmas", "ksampler", "sampler_object"]


def __getattr__(name: str) -> object:
    if name in {"SAMPLER_NAMES", "KSAMPLER_NAMES"}:
        return _names("samplers")
    if name in {"SCHEDULER_NAMES", "SCHEDULER_HANDLERS"}:
        return _names("schedules")
    raise AttributeError(name)


def _names(kind: str) -> Named:
    """What a list of choices has; sessions know it by name, so that what plugins bring is among it."""
    workspace = current().workspace
    if workspace is not None:
        return Named([str(each) for each in workspace.choices(kind)], kind)
    from sdkit.plugins import load_manager
    from sdkit.settings import Settings

    manager = load_manager(settings=Settings(plugins=("none",)))
    return Named([*(manager.samplers if kind == "samplers" else manager.schedules)], kind)


class _Lists(type):
    @property
    def SAMPLERS(cls) -> Named:  # noqa: N802 -- ComfyUI's names
        """The samplers."""
        return _names("samplers")

    @property
    def SCHEDULERS(cls) -> Named:  # noqa: N802
        """The schedules."""
        return _names("schedules")


class KSampler(metaclass=_Lists):
    """Samplers and schedules by name, and one model with both."""

    def __init__(
        self,
        model: Any,
        steps: int,
        device: Any = None,
        sampler: str | None = None,
        scheduler: str | None = None,
        denoise: float | None = None,
        model_options: Any = None,
    ) -> None:
        self.model, self.steps, self.sampler, self.scheduler = model, steps, sampler, scheduler
        self.denoise = 1.0 if denoise is None else denoise
        self.sigmas = calculate_sigmas(model, scheduler or "normal", steps)

    @property
    def SAMPLERS(self) -> Named:  # noqa: N802
        """The samplers."""
        return _names("samplers")

    @property
    def SCHEDULERS(self) -> Named:  # noqa: N802
        """The schedules."""
        return _names("schedules")


def sampler_object(name: str) -> SamplerChoice:
    """A sampler by its name."""
    return SamplerChoice(name)


def ksampler(sampler_name: str, extra_options: Any = None, inpaint_options: Any = None) -> SamplerChoice:
    """A sampler by its name, with options."""
    return SamplerChoice(sampler_name, dict(extra_options or {}))


def calculate_sigmas(model_sampling: Any, scheduler_name: str, steps: int) -> torch.Tensor:
    """The sigmas of a schedule. `model_sampling`: a MODEL, or what `get_model_object("model_sampling")` gave."""
    from sdkit_comfy.shims.nodes import run_node

    model = getattr(model_sampling, "sdkit_model", model_sampling)
    (sigmas,) = run_node("BasicScheduler", model=model, scheduler=scheduler_name, steps=steps, denoise=1.0)
    return sigmas
