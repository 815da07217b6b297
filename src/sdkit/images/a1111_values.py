"""What the values of an A1111 text mean: its words, and what its program does with them → fields of a request.

A1111's defaults that it does not write down: noise from the graphics card ("GPU", whose numbers are those of "NV"); the
schedule "Automatic", which before version 1.9 was the model's own; eta 1 for every sampler that has one but DDIM.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from pydantic import JsonValue

from sdkit.errors import MetadataError
from sdkit.names import NamedSampler, find_sampler, find_schedule

_FIELDS: tuple[tuple[str, str, Callable[[str], JsonValue]], ...] = (
    ("Steps", "steps", int),
    ("CFG scale", "guidance_scale", float),
    ("Seed", "seed", int),
    ("Clip skip", "clip_skip", int),
    ("Denoising strength", "denoise", float),
    ("Model", "model", str),
)
SAMPLER_OPTIONS = {
    "Eta": "eta",
    "Eta DDIM": "eta",
    "Sigma churn": "s_churn",
    "Sigma tmin": "s_tmin",
    "Sigma tmax": "s_tmax",
    "Sigma noise": "s_noise",
    "UniPC order": "order",
}
"""Keys of the text → options of samplers."""
_SCHEDULE_OPTIONS = {
    "Schedule rho": "rho",
    "Beta schedule alpha": "alpha",
    "Beta schedule beta": "beta",
}
_HASHED = re.compile(r"\s*([^,:]+): ?([0-9a-fA-F]{8,64})(?=,|$)")
"""One of the hashes of LoRAs: `detail: 0123456789ab`."""
_NOISES = {"CPU": "a1111", "NV": "nv", "GPU": "nv"}
_SAYS_NOTHING = ("Version", "Model hash", "TI hashes", "Hashes", "VAE hash", "Init image hash", "User")
"""Keys that do not change the picture beside the others."""


class Values:
    """The values of a text by key; what is taken out is understood, what is left is told."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._left = dict(values)
        version = values.get("Version", "")
        self.own = version.startswith("sdkit")
        """Whether sdkit wrote the text."""
        numbers = re.match(r"[vf]?(\d+)\.(\d+)", version)
        self.version = (int(numbers[1]), int(numbers[2])) if numbers else None
        """Which A1111 or Forge wrote it; None for others, and for A1111 before 1.3, which did not say."""

    def take(self, key: str) -> str:
        """The value of this key, "" if there is none."""
        return self._left.pop(key, "")

    def number(self, key: str, kind: Callable[[str], JsonValue] = float) -> JsonValue:
        """The value as a number, None if there is none. Raises MetadataError for what is no number."""
        text = self.take(key)
        return as_number(key, text, kind) if text else None

    @property
    def left(self) -> tuple[str, ...]:
        """The keys that nobody took, of those that say something."""
        return tuple(key for key in self._left if key not in _SAYS_NOTHING)


def as_number(key: str, text: str, kind: Callable[[str], JsonValue]) -> JsonValue:
    """A value as a number. Raises MetadataError."""
    try:
        return kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise MetadataError(
            f"the picture's text says {key}: {text}, which is not {what}; was it edited by hand?"
        ) from None


def request_of(given: Mapping[str, str]) -> tuple[dict[str, JsonValue], tuple[str, ...]]:
    """The fields of a request, and in words what will not be as it was. Raises MetadataError where a number is none."""
    values = Values(given)
    fields: dict[str, JsonValue] = {}
    for key, name, kind in _FIELDS:
        if (value := values.number(key, kind)) is not None:
            fields[name] = value
    if size := values.take("Size"):
        width, _, height = size.partition("x")
        fields["width"], fields["height"] = as_number("Size", width, int), as_number("Size", height, int)
    if any(key.startswith("Hires") for key in given):
        fields.pop("denoise", None)  # it is the second pass's
    notes = _sampling(values, fields)
    _noise(values, fields)
    if values.take("Noise Schedule").lower() == "zero terminal snr":
        fields["zero_terminal_snr"] = True
    if hashes := dict(_HASHED.findall(values.take("Lora hashes"))):
        fields["options"] = {"loras": {"hashes": hashes}}
    if left := values.left:
        shown = ", ".join(left[:8]) + (", …" if len(left) > 8 else "")
        notes.append(f"the picture's text also has {shown}, for which a request has no field")
    return fields, tuple(notes)


def _sampling(values: Values, fields: dict[str, JsonValue]) -> list[str]:
    """Fill in sampler and schedule with their options. Returns what differs between A1111's and sdkit's."""
    own = values.own
    label, schedule = values.take("Sampler"), values.take("Schedule type")
    named, notes = find_sampler(label), list[str]()
    if label:
        fields["sampler"] = named.sampler if named else label
    if not schedule and named and not own:
        schedule = named.schedule or _unnamed(named, values.version)
    if schedule:
        found = find_schedule(schedule, label)
        fields["schedule"] = found.schedule if found else schedule
        notes += [found.note] if found and found.note and not own else []
    options: dict[str, JsonValue] = {}
    if named and not own:
        notes += [named.note] if named.note else []
        options |= named.options
        if named.guidance_divisor != 1 and isinstance(scale := fields.get("guidance_scale"), float):
            fields["guidance_scale"] = scale / named.guidance_divisor
        steps = fields.get("steps")
        if named.sampler == "restart" and isinstance(steps, int):
            fields["steps"], options["segments"] = _restart(steps)
        if named.ends_early and fields.get("schedule") == "ddim_uniform":
            notes += _end(values, fields)
    if values.take("UniPC variant") == "bh2" and fields.get("sampler") == "uni_pc":
        fields["sampler"] = "uni_pc_bh2"
    for key, name in SAMPLER_OPTIONS.items():
        foreign = key.startswith("UniPC") and not str(fields.get("sampler")).startswith("uni_pc")
        if not foreign and (value := values.number(key)) is not None:
            options[name] = value
    for key, name in _SCHEDULE_OPTIONS.items():
        if (value := values.number(key)) is not None:
            fields["schedule_options"] = {**_dict(fields.get("schedule_options")), name: value}
    if options:
        fields["sampler_options"] = options
    return notes


def _unnamed(named: NamedSampler, version: tuple[int, int] | None) -> str:
    """The schedule of a text that names none: "Automatic", which before version 1.9 was DDIM's own or the model's."""
    if version is not None and version >= (1, 9):
        return named.automatic
    return "ddim_uniform" if named.automatic == "ddim_uniform" else "normal"


def _end(values: Values, fields: dict[str, JsonValue]) -> list[str]:
    """Leave out the step from the lowest timestep to no noise, as A1111 does since version 1.6."""
    steps = fields.get("steps")
    if (
        values.version is None
        or values.version < (1, 6)
        or "denoise" in fields
        or not isinstance(steps, int)
        or steps < 1
    ):
        return ["A1111 ends this sampler's last step at the lowest timestep, not at 0"]
    taken = len(range(0, 1000, 1000 // min(steps, 1000))) - 1
    if taken > 0:
        fields["end_step"], fields["leftover_noise"] = taken, True
    return []


def _restart(steps: int) -> tuple[int, JsonValue]:
    """A1111's steps for its sampler Restart → sdkit's steps and segments, which cost as much together."""
    if steps < 20:
        return steps, []
    length, times = (steps // 4, 2) if steps >= 36 else (9, 1)
    return steps - length * times, [[length + 1, times, 0.1, 2.0]]


def _noise(values: Values, fields: dict[str, JsonValue]) -> None:
    """Fill in where the noise comes from, where the text says so or was written by A1111 or Forge."""
    source, delta = values.take("RNG"), values.number("ENSD", int)
    if delta or (not values.own and (source or values.version)):
        fields["noise"] = _NOISES.get(source.upper(), "nv")
    if delta:
        fields["noise_options"] = {"eta_noise_seed_delta": delta}
    seed, strength = values.number("Variation seed", int), values.number("Variation seed strength")
    if seed is not None and strength:
        fields["variation_seed"], fields["variation_strength"] = seed, strength


def _dict(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}
