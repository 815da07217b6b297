"""`%KSampler.seed%` in the names of files: the editor puts the field's value in its place when it sends a workflow."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from sdkit_comfy.formats.layers import FlatNode

FILE_NAME: Final = "filename_prefix"
"""The input in which they are replaced."""

_PLACE = re.compile(r"%([^%.]+)\.([^%.]+)%")
_ILLEGAL = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')


def replaced(name: str, nodes: Iterable[FlatNode]) -> str:
    """The name with the values of fields in it. A node is meant by its search name, which is its type unless it was
    changed, or else by its title; the first counts. What means no field, such as `%date:yyyy%`, stays."""
    if _PLACE.search(name) is None:
        return name
    everything = list(nodes)

    def value_of(place: re.Match[str]) -> str:
        wanted, field = place.groups()
        named = [each for each in everything if each.search_name == wanted]
        named = named or [each for each in everything if each.title == wanted]
        if not named or field not in named[0].values:
            return place.group()
        return _ILLEGAL.sub("_", _shown(named[0].values[field]))

    return _PLACE.sub(value_of, name)


def _shown(value: object) -> str:
    """The value as JavaScript writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
