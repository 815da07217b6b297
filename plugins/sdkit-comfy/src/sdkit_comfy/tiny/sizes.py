"""Smaller sizes for a workflow: all lengths by one factor, few steps, small batches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from sdkit.graph import Graph, Input, NodeType

LONGEST = 128
"""The longest side that is left, in pixels."""
STEPS = 4
"""At most so many steps are left where a workflow shares them among samplers; 2 elsewhere."""
BATCH = 2
GRID = 8

_SIDES = frozenset(
    {"width", "height", "target_width", "target_height", "largest_size", "longer_size", "shorter_size", "tile_size",
     "resize_type.width", "resize_type.height", "resize_type.longer_size", "resize_type.shorter_size"}
)  # fmt: skip
_PLACES = frozenset({"x", "y", "left", "top", "right", "bottom", "crop_w", "crop_h", "feather", "overlap"})
_LENGTHS = frozenset({"feathering", "grow_mask_by", "expand", "spacing_width"})
_AREAS = frozenset({"megapixels", "resize_type.megapixels"})
_COUNTS = frozenset({"batch_size", "amount"})


def smaller(graph: Graph, types: Mapping[str, NodeType]) -> Iterator[tuple[str, str, object]]:
    """Node, input and new value of what is too large for a trial.

    The factor brings the longest width or height to `LONGEST`; sides stay multiples of 8, at least 64. Steps become 2;
    where a sampler takes part of them (`start_at_step`), 4, and its part the same part of these.
    """
    factor = _factor(graph)
    for node_id, node in graph.nodes.items():
        kind = graph.type_of(node_id, types)
        for name, value in node.inputs.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                continue
            declared = None if kind is None else kind.input(name)
            new = _scaled(name, value, factor, node.inputs)
            if declared is not None and new != value:
                new = _within(new, declared)
            if new != value:
                yield node_id, name, new


def _factor(graph: Graph) -> float:
    sides = [
        value
        for node in graph.nodes.values()
        for name, value in node.inputs.items()
        if name in _SIDES and isinstance(value, int) and not isinstance(value, bool)
    ]
    return min(1.0, LONGEST / max([*sides, 1]))


def _scaled(name: str, value: float, factor: float, inputs: Mapping[str, object]) -> float:
    if name in _SIDES:
        return min(value, max(64, _on_grid(value * factor))) if value else value
    if name in _PLACES:
        return _on_grid(value * factor)
    if name in _LENGTHS:
        return round(value * factor)
    if name in _AREAS:
        return min(value, LONGEST**2 / 1024**2)
    if name in _COUNTS:
        return min(value, BATCH)
    if name == "steps":
        return min(value, STEPS if "start_at_step" in inputs else 2)
    if name in ("start_at_step", "end_at_step"):
        return _step(name, value, inputs.get("steps"))
    return min(value, 1) if name == "step" else value


def _step(name: str, value: float, steps: object) -> float:
    """The same part of fewer steps, and at least one of them."""
    if not isinstance(steps, int) or steps <= STEPS or value >= steps:
        return value
    place = value * STEPS / steps
    return math.floor(place) if name == "start_at_step" else math.ceil(place)


def _on_grid(value: float) -> int:
    return round(value / GRID) * GRID


def _within(value: float, declared: Input) -> float:
    if declared.ge is not None:
        value = max(value, declared.ge)
    return value if declared.le is None else min(value, declared.le)
