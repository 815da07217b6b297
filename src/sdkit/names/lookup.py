"""From what somebody typed to registered names, and to the label that they may have meant."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from sdkit.errors import nearest
from sdkit.names.labels import Value, a1111_label, all_labels, find_sampler, find_schedule


@dataclass(frozen=True)
class Choice:
    """Sampler and schedule by registered names, and the options that the sampler's label stands for."""

    sampler: str | None
    schedule: str | None
    options: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType(dict[str, Value]()))


def choose(sampler: str | None, schedule: str | None, *, samplers: Container[str], schedules: Container[str]) -> Choice:
    """What to look up for a request's `sampler` and `schedule`, of which either may be None.

    Registered names stay as they are, whatever else they mean to others. A label in place of the sampler's name brings
    its options, and its schedule unless the request names one; "Automatic" in place of the schedule's name is what
    A1111 takes for the sampler. What nobody knows stays as it is, for the registry to refuse.
    """
    options: Mapping[str, Value] = MappingProxyType(dict[str, Value]())
    label = sampler
    if sampler is not None and sampler not in samplers:
        named = find_sampler(sampler)
        if named is not None and named.sampler in samplers:
            sampler, options = named.sampler, named.options
            schedule = named.schedule if schedule is None else schedule
    if schedule is not None and schedule not in schedules:
        found = find_schedule(schedule, label)
        if found is not None and found.schedule in schedules:
            schedule = found.schedule
    return Choice(sampler, schedule, options)


def suggestion(kind: str, name: str, known: Iterable[str]) -> str:
    """What to say of a misspelt name: "Did you mean 'DPM++ 2M Karras' (sampler 'dpmpp_2m', schedule 'karras')?"

    "" where a name in `known` is as near, which is better advice, or where nothing is near, or for other kinds than
    "sampler" and "schedule". Labels of what is not in `known` are not suggested.
    """
    names = tuple(known)
    if kind not in ("sampler", "schedule"):
        return ""
    close = nearest(name, (*names, *all_labels(kind)))
    if not close or close[0] in names:
        return ""
    if kind == "schedule":
        found = find_schedule(close[0])
        return f"Did you mean {close[0]!r} (schedule {found.schedule!r})?" if found and found.schedule in names else ""
    named = find_sampler(close[0])
    if named is None or named.sampler not in names:
        return ""
    label = a1111_label(named.sampler, named.schedule) if named.schedule == "normal" else close[0]
    schedule = f", schedule {named.schedule!r}" if named.schedule else ""
    return f"Did you mean {label!r} (sampler {named.sampler!r}{schedule})?"
