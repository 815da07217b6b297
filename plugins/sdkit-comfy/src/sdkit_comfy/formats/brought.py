"""Fields that a choice brings along: a node of the editor has them or not, by what is chosen in another field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sdkit.graph import Input

_UNKNOWN = "*"
_BROUGHT: Mapping[tuple[str, str], Mapping[str, tuple[str, ...]]] = {
    ("ResizeImageMaskNode", "resize_type"): {
        "scale dimensions": ("width", "height", "crop"),
        "scale by multiplier": ("multiplier",),
        "scale longer dimension": ("longer_size",),
        "scale shorter dimension": ("shorter_size",),
        "scale width": ("width",),
        "scale height": ("height",),
        "scale total pixels": ("megapixels", "multiple"),
        "match size": ("crop",),
        "scale to multiple": ("multiple",),
    },
}
"""By node type and field: what is chosen → the fields behind it, whose names begin with the field's own."""


def with_brought(kind: str, fields: Sequence[Input], values: Sequence[object]) -> list[Input]:
    """The fields of a node of this type with those that its choices bring along; `values`: all of them, by position."""
    found: list[Input] = []
    for each in fields:
        place = len(found)
        found.append(each)
        choices = _BROUGHT.get((kind, each.name), {})
        chosen = values[place] if place < len(values) else None
        brought = choices.get(chosen, ()) if isinstance(chosen, str) else ()
        found += [Input(f"{each.name}.{name}", _UNKNOWN, required=False) for name in brought]
    return found
