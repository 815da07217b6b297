"""Values that are written into a graph: whether they fit an input, and as what they arrive at the function."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from sdkit.errors import nearest
from sdkit.graph.describing import written_out
from sdkit.graph.graph import GraphNode
from sdkit.graph.schema import ANY, UNSET, WIDGETS, Choices, Input, NodeType, Ref

MOST_CHOICES = 12
"""So many choices a message lists, where none is near the one that was given."""
LONGEST = 60
"""So many characters of a value a message shows."""


@dataclass(frozen=True)
class Problem:
    """Why a value does not fit; `message` continues a sentence that begins with the input's name."""

    message: str
    expected: str
    hint: str = ""


def arriving(declared: Input, value: object) -> object:
    """The written value as the function gets it: 3.0 as 3 where an int is wanted, 3 as 3.0 where a float is."""
    kinds = declared.types
    if isinstance(value, float) and "int" in kinds and "float" not in kinds and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and "float" in kinds and "int" not in kinds:
        return float(value)
    return value


def written_inputs(node: GraphNode, node_type: NodeType) -> dict[str, object]:
    """What `NodeType.check` and `NodeType.changes` are called with: the inputs as written, or their defaults; None for
    those over links."""
    given = {name: None if isinstance(value, Ref) else value for name, value in node.inputs.items()}
    for declared in node_type.inputs:
        if declared.name in given:
            given[declared.name] = arriving(declared, given[declared.name])
        elif declared.default is not UNSET:
            given[declared.name] = declared.default
    return given


def problem(declared: Input, value: object, choices: Sequence[object] | None = None) -> Problem | None:
    """Why the value does not fit the input; None if it does. `choices`: what there is, if it is not in `declared`."""
    if value is None:
        return None if may_be_none(declared) else Problem("is null", expected(declared), "leave it out, or link it")
    if declared.link_only:
        return Problem(f"is written, {shown(value)}, but comes over a link only", f"a link to {declared.type}")
    if isinstance(value, int | float) and not isinstance(value, bool) and not _is_finite(value):
        return Problem(f"is {shown(value)}, must be a finite number", expected(declared))
    source = declared.choices if isinstance(declared.choices, Choices) else None
    known = declared.choices if isinstance(declared.choices, tuple) else choices
    if known is not None and (source is None or not source.open):
        return _choice(declared, arriving(declared, value), known)
    if source is not None and not source.open:  # nobody told what there is
        return None
    kinds = declared.types
    if not _is_of(value, kinds):
        if ANY in kinds:
            return None
        if WIDGETS.isdisjoint(kinds):
            return Problem(
                f"is written, {shown(value)}, but comes over a link only", f"a link to {declared.type}", "link it"
            )
        return Problem(f"is {shown(value)}, must be {_kinds(kinds)}", expected(declared))
    return _bounds(declared, value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def sure(declared: Input) -> dict[type, tuple[float, float] | tuple[()]]:
    """The Python types whose values certainly fit, numbers within these two bounds; others may fit, too, and are for
    `problem` to look at. It is what makes checking large graphs fast."""
    found: dict[type, tuple[float, float] | tuple[()]] = {}
    if declared.link_only or declared.choices is not None:
        return found
    kinds = declared.types
    low = -sys.float_info.max if declared.ge is None else declared.ge
    high = sys.float_info.max if declared.le is None else declared.le
    if declared.multiple_of is None and math.isfinite(low) and math.isfinite(high):
        if "float" in kinds:
            found[float] = low, high
        if "float" in kinds or "int" in kinds:
            found[int] = low, high
    if "str" in kinds:
        found[str] = ()
    if "bool" in kinds:
        found[bool] = ()
    return found


def expected(declared: Input, choices: Sequence[object] | None = None) -> str:
    """What the input takes, in words: "a whole number, at least 1, at most 100"."""
    known = declared.choices if isinstance(declared.choices, tuple) else choices
    if known is not None:
        names = ", ".join(str(each) for each in known[:MOST_CHOICES])
        return f"one of {names}" + (", …" if len(known) > MOST_CHOICES else "") if names else "a choice of none"
    if isinstance(declared.choices, Choices):
        return f"one of {declared.choices.source}"
    parts = [_kinds(declared.types)]
    if declared.ge is not None:
        parts.append(_least(declared.ge))
    if declared.le is not None:
        parts.append(_most(declared.le))
    if declared.multiple_of is not None:
        parts.append(f"a multiple of {declared.multiple_of}")
    return ", ".join(parts)


def may_be_none(declared: Input) -> bool:
    """Whether null may be written: where the function does without a value anyway."""
    return ANY in declared.types or (not declared.required and declared.default in (None, UNSET))


def not_plain(value: object) -> str | None:
    """Why the value would not come back from a file as it is; None for what JSON has."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, float) and not math.isfinite(each):
            return f"is or holds {each}"
        if isinstance(each, list):
            waiting.extend(cast("list[object]", each))
        elif isinstance(each, dict):
            if not all(isinstance(key, str) for key in cast("dict[object, object]", each)):
                return "holds a dict whose keys are not all text"
            waiting.extend(cast("dict[str, object]", each).values())
        elif each is not None and not isinstance(each, bool | int | float | str):
            return f"is or holds a {type(each).__name__}"
    return None


def shown(value: object) -> str:
    """A value in a message: shortened, and with its type where that is the fault."""
    text = written_out(value)
    if isinstance(value, list | tuple | dict):
        text = f"the {type(cast('object', value)).__name__} {text}"
    elif isinstance(value, str):
        text = f"the text {text}"
    return _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _is_of(value: object, kinds: Iterable[str]) -> bool:
    """Whether the value is of one of the types that can be written."""
    if isinstance(value, bool):
        return "bool" in kinds
    if isinstance(value, int):
        return "int" in kinds or "float" in kinds
    if isinstance(value, float):
        return "float" in kinds or ("int" in kinds and value.is_integer())
    return isinstance(value, str) and "str" in kinds


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond what a float holds
        return False


def _choice(declared: Input, value: object, known: Sequence[object]) -> Problem | None:
    # A text is asked for with `in`: lists of models know more names than they list. True == 1 == 1.0, but they are
    # different choices.
    if value in known and (
        isinstance(value, str)
        or any(each == value and isinstance(each, bool) == isinstance(value, bool) for each in known)
    ):
        return None
    names = [str(each) for each in known]
    near = nearest(value, names) if isinstance(value, str) else ()
    if near:
        hint = "did you mean " + " or ".join(repr(each) for each in near) + "?"
    elif names:
        hint = "there are " + ", ".join(names[:MOST_CHOICES])
        hint += f" and {len(names) - MOST_CHOICES} more" if len(names) > MOST_CHOICES else ""
    else:
        hint = "there are none"
    what = "one of the choices" if isinstance(declared.choices, tuple) else f"among the {_source(declared)}"
    return Problem(
        f"is {_cut(written_out(value))}, which is not {what}", f"one of {', '.join(names[:MOST_CHOICES])}", hint
    )


def _source(declared: Input) -> str:
    source = "" if declared.choices is None or isinstance(declared.choices, tuple) else declared.choices.source
    return source.rpartition(".")[2].replace("_", " ") or "choices"


def _bounds(declared: Input, value: float) -> Problem | None:
    if declared.ge is not None and value < declared.ge:
        return Problem(f"is {value}, must be {_least(declared.ge)}", expected(declared))
    if declared.le is not None and value > declared.le:
        return Problem(f"is {value}, must be {_most(declared.le)}", expected(declared))
    if declared.multiple_of is not None and not _divides(declared.multiple_of, value):
        return Problem(f"is {value}, must be a multiple of {declared.multiple_of}", expected(declared))
    return None


def _divides(step: float, value: float) -> bool:
    if isinstance(step, int) and isinstance(value, int):
        return value % step == 0
    return math.isclose(value, round(value / step) * step, rel_tol=1e-9, abs_tol=abs(step) * 1e-9)


def _least(bound: float) -> str:
    """ "at least 1", or "more than 0" where the bound is the first float above 0."""
    below = math.nextafter(bound, -math.inf) if isinstance(bound, float) else bound
    return f"more than {below:g}" if len(repr(below)) < len(repr(bound)) else f"at least {bound}"


def _most(bound: float) -> str:
    above = math.nextafter(bound, math.inf) if isinstance(bound, float) else bound
    return f"less than {above:g}" if len(repr(above)) < len(repr(bound)) else f"at most {bound}"


def _kinds(kinds: Sequence[str]) -> str:
    words = {"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false"}
    return " or ".join(words.get(kind, kind) for kind in kinds)
