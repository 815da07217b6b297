"""diffusers' scheduler classes, each of which is a sampler and, by the flags of its configuration, a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sdkit.names.labels import NamedSampler, Value

_PNDM = "PNDM's first steps, of two and four evaluations, are not ipndm's; it is the same method from there on"
_KDPM2 = "diffusers keeps the last sigma but one, which sdkit and ComfyUI leave out"
_IPNDM = "IPNDMScheduler brings sigmas of its own, whatever the model was trained with"
_SINGLE = "diffusers counts evaluations as steps: half as many steps of dpmpp_2s_ancestral cost as much"
_FLAGS = MappingProxyType(
    {"use_karras_sigmas": "karras", "use_exponential_sigmas": "exponential", "use_beta_sigmas": "beta"}
)
_BETA = "diffusers spaces the beta schedule in sigma, sdkit in timesteps"
_LEADING = "diffusers leaves out the step nearest to no noise where the steps do not divide the training timesteps"

_LEADING_MULTI = (
    'this class spaces "leading" over one step more, and leaves out the lowest, as no schedule of sdkit does'
)

_END_LEFT_OUT = (
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "UniPCMultistepScheduler",
    "DEISMultistepScheduler",
    "SASolverScheduler",
)
"""Classes whose "linspace" has one timestep more, of which the lowest is left out: sdkit's sgm_uniform."""

_LEADING_CLASSES = ("DDIMScheduler", "DDPMScheduler", "PNDMScheduler", "LCMScheduler", "TCDScheduler")
"""Classes whose default `timestep_spacing` is "leading"; the others' is "linspace"."""

_SPACINGS = MappingProxyType({"linspace": "normal", "leading": "ddim_uniform", "trailing": "simple"})

_PLAIN = MappingProxyType(
    {
        "EulerDiscreteScheduler": "euler",
        "EulerAncestralDiscreteScheduler": "euler_ancestral",
        "HeunDiscreteScheduler": "heun",
        "KDPM2DiscreteScheduler": "dpm_2",
        "KDPM2AncestralDiscreteScheduler": "dpm_2_ancestral",
        "LMSDiscreteScheduler": "lms",
        "DPMSolverSDEScheduler": "dpmpp_sde",
        "DEISMultistepScheduler": "deis",
        "IPNDMScheduler": "ipndm",
        "PNDMScheduler": "ipndm",
        "DDIMScheduler": "ddim",
        "DDPMScheduler": "ddpm",
        "LCMScheduler": "lcm",
        "TCDScheduler": "tcd",
        "SASolverScheduler": "sa_solver",
        "FlowMatchEulerDiscreteScheduler": "euler",
        "FlowMatchHeunDiscreteScheduler": "heun",
        "EDMEulerScheduler": "euler",
    }
)
"""Classes that are one sampler, whatever their configuration."""


_NOTES = MappingProxyType(
    {
        "PNDMScheduler": _PNDM,
        "IPNDMScheduler": _IPNDM,
        "KDPM2DiscreteScheduler": _KDPM2,
        "KDPM2AncestralDiscreteScheduler": _KDPM2,
    }
)


def from_diffusers(config: Mapping[str, object]) -> NamedSampler | None:
    """The sampler and schedule that a `scheduler_config.json` means; None for what has no counterpart.

    Flags that are missing have diffusers' defaults. Sizes of the noise, predictions and shifts are the model's
    business and not read.
    """
    name = str(config.get("_class_name", ""))
    found = _solver(name, config) if name not in _PLAIN else NamedSampler(_PLAIN[name])
    if found is None:
        return None
    schedule, notes = _schedule(name, config), [found.note]
    notes.append(_NOTES.get(name, ""))
    if schedule == "beta":
        notes.append(_BETA)
    if schedule == "ddim_uniform":
        notes.append(_LEADING_MULTI if name in _END_LEFT_OUT else _LEADING)
    return NamedSampler(found.sampler, schedule, found.options, note="; ".join(note for note in notes if note))


def diffusers_scheduler(sampler: str, schedule: str = "normal") -> tuple[str, dict[str, Value]] | None:
    """The class of diffusers and the part of its configuration that give a sampler and a schedule; None if none does.

    What it returns, with `_class_name` added, is what `from_diffusers` reads.
    """
    for name, own in _PLAIN.items():
        if own == sampler and name not in ("PNDMScheduler", "EDMEulerScheduler"):
            return _with_schedule(name, {}, schedule)
    for name, config, own in _SOLVERS:
        if own == sampler:
            return _with_schedule(name, dict(config), schedule)
    return None


_MULTI, _UNIPC = "DPMSolverMultistepScheduler", "UniPCMultistepScheduler"
_SOLVERS: tuple[tuple[str, Mapping[str, Value], str], ...] = (
    (_MULTI, {"algorithm_type": "dpmsolver++", "solver_order": 2}, "dpmpp_2m"),
    (_MULTI, {"algorithm_type": "sde-dpmsolver++", "solver_order": 2, "solver_type": "midpoint"}, "dpmpp_2m_sde"),
    (_MULTI, {"algorithm_type": "sde-dpmsolver++", "solver_order": 2, "solver_type": "heun"}, "dpmpp_2m_sde_heun"),
    (_MULTI, {"algorithm_type": "sde-dpmsolver++", "solver_order": 3}, "dpmpp_3m_sde"),
    (_UNIPC, {"solver_type": "bh1"}, "uni_pc"),
    (_UNIPC, {"solver_type": "bh2"}, "uni_pc_bh2"),
)
"""Classes that are several samplers, and the flags that say which."""
_DEFAULTS: Mapping[str, Mapping[str, Value]] = MappingProxyType(
    {
        _MULTI: {"algorithm_type": "dpmsolver++", "solver_order": 2, "solver_type": "midpoint"},
        _UNIPC: {"solver_type": "bh2"},
    }
)


def _solver(name: str, config: Mapping[str, object]) -> NamedSampler | None:
    """The sampler that flags choose; None where no sampler of sdkit's is that one."""
    if name in ("DPMSolverSinglestepScheduler", "EDMDPMSolverMultistepScheduler"):
        plain = config.get("algorithm_type", "dpmsolver++") == "dpmsolver++" and config.get("solver_order", 2) == 2
        if not plain:
            return None
        if name.startswith("EDM"):
            return NamedSampler("dpmpp_2m")
        return NamedSampler("dpmpp_2s_ancestral", options=MappingProxyType({"eta": 0.0}), note=_SINGLE)
    given = {**_DEFAULTS.get(name, {}), **{flag: config[flag] for flag in _DEFAULTS.get(name, {}) if flag in config}}
    for own, flags, sampler in _SOLVERS:
        if own == name and all(given[flag] == value for flag, value in flags.items()):
            return NamedSampler(sampler)
    return None


def _schedule(name: str, config: Mapping[str, object]) -> str:
    for flag, schedule in _FLAGS.items():
        if config.get(flag):
            return schedule
    if name.startswith("EDM"):
        return str(config.get("sigma_schedule", "karras"))
    spacing = str(config.get("timestep_spacing", "leading" if name in _LEADING_CLASSES else "linspace"))
    if spacing == "linspace" and name in _END_LEFT_OUT:
        return "sgm_uniform"
    return _SPACINGS.get(spacing, "normal")


def _with_schedule(name: str, config: dict[str, Value], schedule: str) -> tuple[str, dict[str, Value]] | None:
    """The configuration with the flag for a schedule; None where the class has none for it."""
    for flag, own in _FLAGS.items():
        if own == schedule:
            return (name, {**config, flag: True}) if name not in _NO_FLAGS else None
    spacings = ("linspace", "trailing") if name in _END_LEFT_OUT else ("linspace", "leading", "trailing")
    for spacing in spacings:
        if _schedule(name, {"timestep_spacing": spacing}) == schedule and name not in _NO_SPACING:
            return name, {**config, "timestep_spacing": spacing}
    return None


_NO_FLAGS = (
    *_LEADING_CLASSES,
    "IPNDMScheduler",
    "EulerAncestralDiscreteScheduler",
    "FlowMatchHeunDiscreteScheduler",
)
_NO_SPACING = ("IPNDMScheduler", "FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler")
