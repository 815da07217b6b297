"""What the formats need to know about node types: which inputs are widgets, and how ComfyUI takes values."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from sdkit.graph import WIDGETS, Input, NodeType, Ref

logger = logging.getLogger("sdkit")


def known_name(kind: str, types: Mapping[str, NodeType]) -> str:
    """The type's name without the space that a few end in (`"ConditioningAverage "`), unless it is known with it."""
    return kind if kind in types else kind.strip() or kind


def is_widget(declared: Input) -> bool:
    """Whether the input has a field in ComfyUI's editor, so that files hold a value for it."""
    return not declared.link_only and (declared.choices is not None or any(each in WIDGETS for each in declared.types))


def tidy(node_id: str, inputs: dict[str, object], node_type: NodeType | None) -> dict[str, object]:
    """The inputs as ComfyUI's server takes them: written values that the type does not know are left out (buttons of
    the editor, such as `upload`), and numbers and texts are converted to the declared type where they can be."""
    if node_type is None:
        return inputs
    kept: dict[str, object] = {}
    for name, value in inputs.items():
        declared = node_type.input(name)
        if declared is None and not isinstance(value, Ref) and not node_type.open_inputs:
            logger.debug(
                "node %s (%s) has no input %r; its value is left out, as ComfyUI does", node_id, node_type.name, name
            )
            continue
        kept[name] = value if declared is None else _converted(value, declared)
    return kept


def _converted(value: object, declared: Input) -> object:
    """The value as the only type that the input takes; as it is where that is not possible."""
    convert = _CONVERSIONS.get(declared.type)
    if convert is None or declared.choices is not None or isinstance(value, Ref):
        return value
    try:
        return convert(value)
    except (ValueError, OverflowError):
        return value


def _int(value: object) -> object:
    if isinstance(value, str):
        return int(value)
    return int(value) if isinstance(value, bool) or (isinstance(value, float) and math.isfinite(value)) else value


def _float(value: object) -> object:
    return float(value) if isinstance(value, bool | int | str) else value


def _bool(value: object) -> object:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return bool(value) if isinstance(value, int | float) and value in (0, 1) else value


def _str(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


_CONVERSIONS: Mapping[str, Callable[[object], object]] = MappingProxyType(
    {"int": _int, "float": _float, "bool": _bool, "str": _str}
)
