"""What others call it: the names of samplers and schedules in A1111, ComfyUI, Forge, SD.Next and diffusers.

sdkit's own names are ComfyUI's. `find_sampler` and `find_schedule` read anybody's label, however it is spaced and
capitalised; `a1111_sampler`, `a1111_schedule`, `a1111_label` and `diffusers_scheduler` write the others' names;
`choose` turns what a request says into registered names. Where another program does something slightly different
under a name, the entry's `note` says what. This package imports nothing but the standard library.
"""

from sdkit.names.diffusers import diffusers_scheduler, from_diffusers
from sdkit.names.labels import (
    NamedSampler,
    NamedSchedule,
    a1111_label,
    a1111_sampler,
    a1111_schedule,
    find_sampler,
    find_schedule,
    labels_of,
)
from sdkit.names.lookup import Choice, choose, suggestion

__all__ = [
    "Choice",
    "NamedSampler",
    "NamedSchedule",
    "a1111_label",
    "a1111_sampler",
    "a1111_schedule",
    "choose",
    "diffusers_scheduler",
    "find_sampler",
    "find_schedule",
    "from_diffusers",
    "labels_of",
    "suggestion",
]
