"""The table: every sampler and schedule by its labels in AUTOMATIC1111's web UI and its relatives, Forge and SD.Next.

What a label means is what the program does when it reads it: `automatic` is the schedule that A1111 (1.9 and later)
takes for the sampler where its own says "Automatic", `options` are its settings that differ from sdkit's defaults.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

Value = str | int | float | bool

_NO_OPTIONS: Mapping[str, Value] = MappingProxyType({})


@dataclass(frozen=True)
class NamedSampler:
    """A sampler under somebody's label, and all else that the label says."""

    sampler: str
    """sdkit's name."""
    schedule: str | None = None
    """The schedule that is part of the label ("DPM++ 2M Karras"); None where the label names the sampler alone."""
    options: Mapping[str, Value] = field(default_factory=lambda: _NO_OPTIONS)
    """Options of the sampler under this label that differ from sdkit's defaults."""
    automatic: str = "normal"
    """The schedule that A1111's "Automatic" means for it."""
    guidance_divisor: float = 1.0
    """What A1111 divides the CFG scale by before this sampler uses it."""
    ends_early: bool = False
    """Whether A1111 leaves out the last step, from the lowest timestep to no noise at all (since version 1.6)."""
    note: str = ""
    """What the other program does differently under this name; "" if it is the same method."""


@dataclass(frozen=True)
class NamedSchedule:
    """A schedule under somebody's label."""

    schedule: str
    """sdkit's name."""
    note: str = ""
    """What the other program does differently under this name; "" if it is the same."""


@dataclass(frozen=True)
class _Row:
    """A sampler and its labels: A1111's first ("" if it has none), then everybody's other ones."""

    label: str
    named: NamedSampler
    others: tuple[str, ...] = ()


def _row(
    label: str,
    sampler: str,
    *others: str,
    automatic: str = "normal",
    options: Mapping[str, Value] = _NO_OPTIONS,
    guidance_divisor: float = 1.0,
    ends_early: bool = False,
    note: str = "",
) -> _Row:
    named = NamedSampler(
        sampler,
        options=options,
        automatic=automatic,
        guidance_divisor=guidance_divisor,
        ends_early=ends_early,
        note=note,
    )
    return _Row(label, named, others)


_ETA_1 = MappingProxyType({"eta": 1.0})
_PLMS = "PLMS evaluates twice in its first step; ipndm is the same method from the second step on (arXiv:2202.09778)"
_RESTART = (
    "A1111's Restart spends part of its steps on the restarts: from 20 steps on 9 of them, from 36 on half of them; "
    "sdkit's, from the package sdkit-restart, adds them to the steps asked for"
)
_LCM = "A1111 spaces LCM's steps over the 50 timesteps that it was distilled on"

# The first row of a sampler is the one whose label is written.
_SAMPLERS: tuple[_Row, ...] = (
    _row("Euler a", "euler_ancestral", "Euler ancestral"),
    _row("Euler", "euler", "Euler FlowMatch"),
    _row("LMS", "lms", "LMSD"),
    _row("Heun", "heun", "Heun FlowMatch"),
    _row("DPM2", "dpm_2", "KDPM2", automatic="karras"),
    _row("DPM2 a", "dpm_2_ancestral", "KDPM2 a", automatic="karras"),
    _row("DPM++ 2S a", "dpmpp_2s_ancestral", automatic="karras"),
    _row("DPM++ 2M", "dpmpp_2m", automatic="karras"),
    _row("DPM++ SDE", "dpmpp_sde", "DPM SDE", "dpmpp_sde_gpu", automatic="karras"),
    _row("DPM++ 2M SDE", "dpmpp_2m_sde", "dpmpp_2m_sde_gpu", automatic="exponential"),
    _row("DPM++ 2M SDE Heun", "dpmpp_2m_sde_heun", "dpmpp_2m_sde_heun_gpu", automatic="exponential"),
    _row(
        "DPM++ 3M SDE",
        "dpmpp_3m_sde",
        "dpmpp_3m_sde_gpu",
        automatic="exponential",
        note="A1111 drops the last sigma but one of this sampler's schedule",
    ),
    _row("DPM fast", "dpm_fast", options=_ETA_1),
    _row("DPM adaptive", "dpm_adaptive", "k_dpm_ad", options=_ETA_1),
    _row("LCM", "lcm", note=_LCM),
    _row("DDIM", "ddim", automatic="ddim_uniform", ends_early=True),
    _row("UniPC", "uni_pc", "unipc_bh1", note="A1111's UniPC ends at the lowest training sigma, not at 0"),
    _row("Restart", "restart", automatic="karras", note=_RESTART),
    # Forge's and SD.Next's
    _row("DDPM", "ddpm"),
    _row("HeunPP2", "heunpp2", "Heun++", "Heun++ 2"),
    _row("IPNDM", "ipndm"),
    _row("PLMS", "ipndm", automatic="ddim_uniform", ends_early=True, note=_PLMS),
    _row("PNDM", "ipndm", automatic="ddim_uniform", note=_PLMS),
    _row("IPNDM_V", "ipndm_v"),
    _row("DEIS", "deis"),
    _row("TCD", "tcd"),
    _row("UniPC BH2", "uni_pc_bh2"),
    _row("Euler CFG++", "euler_cfg_pp"),
    _row(
        "DDIM CFG++",
        "euler_cfg_pp",
        "ddim_cfgpp",
        automatic="ddim_uniform",
        guidance_divisor=12.5,
        ends_early=True,
    ),
    _row("Euler a CFG++", "euler_ancestral_cfg_pp", "Euler ancestral CFG++"),
    _row("DPM++ 2S a CFG++", "dpmpp_2s_ancestral_cfg_pp"),
    _row("DPM++ 2M CFG++", "dpmpp_2m_cfg_pp"),
    _row("Res Multistep", "res_multistep"),
    _row("Res Multistep CFG++", "res_multistep_cfg_pp"),
    _row("Res Multistep a", "res_multistep_ancestral"),
    _row("Res Multistep a CFG++", "res_multistep_ancestral_cfg_pp"),
    _row("Gradient Estimation", "gradient_estimation"),
    _row("Gradient Estimation CFG++", "gradient_estimation_cfg_pp"),
    _row("ER SDE", "er_sde"),
    _row("SEEDS 2", "seeds_2"),
    _row("SEEDS 3", "seeds_3"),
    _row("SA Solver", "sa_solver"),
    _row("SA Solver PECE", "sa_solver_pece"),
    _row("", "exp_heun_2_x0"),
    _row("", "exp_heun_2_x0_sde"),
)

_BETA = "A1111 spaces the Beta schedule in sigma; sdkit, like ComfyUI, in timesteps (arXiv:2407.12173)"
_KL = "A1111's KL Optimal ends at the lowest sigma; sdkit's, like ComfyUI's, goes on from there to 0"
_AYS = "A1111 interpolates the published sigmas to as many as there are steps, ComfyUI to one more"

# sdkit's name, A1111's label, other labels, what differs there
_SCHEDULES: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    ("normal", "Normal", ("Uniform", "Default"), ""),
    ("karras", "Karras", ("ka",), ""),
    ("exponential", "Exponential", ("exp",), ""),
    ("polyexponential", "Polyexponential", (), ""),
    ("sgm_uniform", "SGM Uniform", (), ""),
    ("kl_optimal", "KL Optimal", (), _KL),
    ("align_your_steps", "Align Your Steps", ("AYS",), _AYS),
    ("simple", "Simple", (), ""),
    ("ddim_uniform", "DDIM", (), ""),
    ("beta", "Beta", (), _BETA),
    ("sd_turbo", "Turbo", (), ""),
    ("linear_quadratic", "Linear Quadratic", (), ""),
    ("laplace", "Laplace", (), ""),
    ("vp", "VP", (), ""),
)

AUTOMATIC = "automatic"
"""The key of A1111's "Automatic", which is no schedule but the choice of the sampler's own."""


def find_sampler(label: str) -> NamedSampler | None:
    """What a label means: A1111's ("DPM++ 2M Karras", "k_euler_a"), ComfyUI's, or sdkit's own name. None if nobody's.

    Case, spaces, hyphens and underscores do not matter; but a label that begins with sdkit's very name, `dpm_fast`, is
    sdkit's method with its defaults, where "DPM fast" is A1111's. A schedule at the label's end is taken off and named.
    """
    wanted = key(label)
    for start in (wanted, wanted.removeprefix("sample"), wanted.removeprefix("k")):
        if (found := _samplers().get(start)) is not None:
            return _own(found) if label.startswith(found.sampler) else found
        for end, schedule in _endings():
            found = _samplers().get(start.removesuffix(end)) if start.endswith(end) else None
            if found is not None:
                named = replace(found, schedule=found.automatic if schedule == AUTOMATIC else schedule)
                return _own(named) if label.startswith(found.sampler) else named
    return None


def find_schedule(label: str, sampler: str | None = None) -> NamedSchedule | None:
    """The schedule that a label means; None if nobody's. "Automatic" is the one that A1111 takes for the sampler."""
    if key(label) == AUTOMATIC:
        named = find_sampler(sampler) if sampler else None
        return NamedSchedule(named.automatic if named else "normal")
    found = _schedules().get(key(label))
    return NamedSchedule(found.schedule) if found and label == found.schedule else found


def a1111_sampler(sampler: str) -> str:
    """A1111's label of a sampler of sdkit's, or the name itself where it has none."""
    return next((row.label for row in _SAMPLERS if row.named.sampler == sampler and row.label), sampler)


def a1111_schedule(schedule: str) -> str:
    """A1111's label of a schedule of sdkit's, or the name itself where it has none."""
    return next((label for name, label, _, _ in _SCHEDULES if name == schedule), schedule)


def a1111_label(sampler: str, schedule: str | None = None) -> str:
    """Both in one label, as A1111 wrote them before version 1.9: "DPM++ 2M Karras", and "Euler" for the plain one."""
    label = a1111_sampler(sampler)
    return label if schedule in (None, "normal") else f"{label} {a1111_schedule(schedule)}"


def labels_of(kind: str, name: str) -> tuple[str, ...]:
    """Everybody's labels of a "sampler" or "schedule" of sdkit's, A1111's first; empty for one that only sdkit has."""
    if kind == "sampler":
        rows = [row for row in _SAMPLERS if row.named.sampler == name]
        return tuple(label for row in rows for label in (row.label, *row.others) if label)
    return tuple(label for own, first, more, _ in _SCHEDULES if own == name for label in (first, *more))


def all_labels(kind: str) -> tuple[str, ...]:
    """Every label of that kind, for suggestions; for samplers also those with a schedule: "DPM++ 2M Karras"."""
    if kind == "schedule":
        return (*(label for _, first, more, _ in _SCHEDULES for label in (first, *more)), "Automatic")
    alone = [label for row in _SAMPLERS for label in (row.label, *row.others) if label]
    return (*alone, *(f"{label} {schedule}" for label in alone for _, schedule, _, _ in _SCHEDULES))


def key(label: str) -> str:
    """A label without what people write differently: "DPM++ 2M", "dpm++2m", "DPMPP_2M" → "dpmpp2m"."""
    text = label.casefold().replace("++", "pp")
    return "".join(letter for letter in text if letter.isalnum() or letter == "+")


def _own(named: NamedSampler) -> NamedSampler:
    """sdkit's method of that name, without what somebody's label adds."""
    return NamedSampler(named.sampler, named.schedule, automatic=named.automatic)


@functools.cache
def _samplers() -> Mapping[str, NamedSampler]:
    labels = ((label, row.named) for row in _SAMPLERS for label in (row.label, *row.others, row.named.sampler))
    found: dict[str, NamedSampler] = {}
    for label, named in labels:
        found.setdefault(key(label), named)
    return MappingProxyType({label: named for label, named in found.items() if label})


@functools.cache
def _schedules() -> Mapping[str, NamedSchedule]:
    found: dict[str, NamedSchedule] = {}
    for name, first, more, note in _SCHEDULES:
        for label in (first, *more, name):
            found.setdefault(key(label), NamedSchedule(name, note))
    return MappingProxyType(found)


@functools.cache
def _endings() -> tuple[tuple[str, str], ...]:
    """Schedules that may stand at the end of a sampler's label, the longest first."""
    known = {end: named.schedule for end, named in _schedules().items()} | {AUTOMATIC: AUTOMATIC}
    return tuple(sorted(known.items(), key=lambda item: -len(item[0])))
