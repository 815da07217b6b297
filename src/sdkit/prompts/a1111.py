r"""The web UI's prompt syntax, AUTOMATIC1111's: weights by brackets, edits on the way, several prompts in one.

::

    a (red) car, a [red] car  red × 1.1, red ÷ 1.1
    a ((red:1.3)) car         red × 1.43: weights multiply
    a \(red\) \[car\]         brackets as text
    a [cat:dog:0.4]           a cat in the first 0.4 of the steps, then a dog; [cat:dog:8]: in the first eight steps
    a cat [in a hat:0.5]      … in a hat after half of the steps
    a cat [in a hat::0.5]     … in a hat until half of the steps are taken
    a [cat|dog|cow]           a cat in the first step, a dog in the second one, a cow, a cat…
    a cat BREAK a dog         the dog begins a new window of the text encoder
    a cat AND a dog :0.5      two prompts, whose pulls away from the negative one are added, with these weights
    <lora:name:0.8>           the LoRA of that name; <lora:name:0.8:0.6> is 0.8 in the text encoders and 0.6 in the
                              noise predictor, as are <lora:name:te=0.8:unet=0.6>

Edits nest, in each other and in weights. A whole number counts steps, one with a point is a share of them. Whatever is
out of balance is lenient: a bracket that nothing closes weighs the rest of the prompt, one that closes nothing is text,
and `[` … `]` is an edit only where what is inside reads as one.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from sdkit.errors import RequestError
from sdkit.prompts.brackets import Piece, weighted
from sdkit.types import During, LoraReference, Moment, Prompt, Turn

DEEPEST = 64
"""How deep edits may be nested in each other."""

_TAG = re.compile(r"<(lora|lyco|hypernet):([^<>]*)>")
_AND = re.compile(r"\bAND\b")
_WEIGHT = re.compile(r"[-+]?(?:\d+\.?|\d*\.\d+)")
_MARK = re.compile(r"(?s)\\.|[][():|]")
_WHEN = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")


def a1111(text: str) -> Prompt:
    """The web UI's syntax, as described in `sdkit.prompts.a1111`.

    Raises RequestError, with the position, for a `<lora:…>` that cannot be read, for `<hypernet:…>`, which no model
    here knows, and for edits nested deeper than 64. Takes time in proportion to the text's length.
    """
    rest, loras, removed = _without_tags(text)
    parts: list[Prompt] = []
    start = 0
    for found in (*_AND.finditer(rest), None):
        end = len(rest) if found is None else found.start()
        parts.append(_part(rest[start:end], removed.origin(start)))
        start = 0 if found is None else found.end()
    if len(parts) == 1:
        return Prompt(text, parts[0].segments, "a1111", parts[0].weight, (), loras)
    return Prompt(text, (), "a1111", 1.0, tuple(parts), loras)


@dataclass
class _Removed:
    """What was cut out of a text: from where on (in what is left) how many characters are missing before."""

    starts: list[int] = field(default_factory=list[int])
    missing: list[int] = field(default_factory=list[int])

    def origin(self, position: int) -> int:
        """Where a character of what is left was in the whole text."""
        index = bisect_right(self.starts, position)
        return position + (self.missing[index - 1] if index else 0)


def _without_tags(text: str) -> tuple[str, tuple[LoraReference, ...], _Removed]:
    rest, loras, removed, position, gone = "", list[LoraReference](), _Removed(), 0, 0
    for found in _TAG.finditer(text):
        if found[1] == "hypernet":
            raise RequestError(
                f"the prompt asks for a hypernetwork at character {found.start() + 1} ({found[0]}); there are none "
                "here. Take it out, or use a LoRA"
            )
        loras.append(_lora(found))
        rest += text[position : found.start()]
        position, gone = found.end(), gone + len(found[0])
        removed.starts.append(len(rest))
        removed.missing.append(gone)
    return rest + text[position:], tuple(loras), removed


def _lora(found: re.Match[str]) -> LoraReference:
    name, *arguments = found[2].split(":")
    given: dict[str, float] = {}
    unnamed = iter(("te", "unet"))
    for argument in arguments:
        key, _, value = argument.rpartition("=")
        key = key.strip() or next(unnamed, "")
        try:
            given[key] = float(value)
        except ValueError:
            given[key] = math.nan
        if key not in ("te", "unet") or not math.isfinite(given[key]):
            raise RequestError(
                f"the prompt asks for a LoRA at character {found.start() + 1} ({found[0]}), but {argument!r} is no "
                "strength; write <lora:name:0.8>, or <lora:name:te=0.8:unet=0.6>"
            )
    if not name.strip():
        raise RequestError(f"the LoRA at character {found.start() + 1} of the prompt ({found[0]}) has no name")
    text_strength = given.get("te", 1.0)
    return LoraReference(name.strip(), given.get("unet", text_strength), text_strength)


def _part(text: str, offset: int) -> Prompt:
    said, colon, after = text.rstrip().rpartition(":")
    weight = _WEIGHT.fullmatch(after.strip()) if colon else None
    said = text.rstrip() if weight is None else said.rstrip()
    pieces: list[Piece] = []
    _Edits(said, offset).collect(0, len(said), (), pieces)
    return Prompt(said, weighted(pieces), "a1111", 1.0 if weight is None else float(weight[0]))


class _Edits:
    """The edits of a text, `[from:to:when]` and `[a|b]`: a recursive descent over the brackets that are in balance."""

    def __init__(self, text: str, offset: int) -> None:
        self._text = text
        self._offset = offset
        self._closed: dict[int, tuple[int, tuple[int, ...]]] = {}  # "[" → its "]", and the ":" and "|" between them
        self._read()
        self._opened = sorted(self._closed)

    def _read(self) -> None:
        stack: list[tuple[int, list[int]]] = []
        for found in _MARK.finditer(self._text):
            here, mark = found.start(), found[0]
            if mark in "([":
                stack.append((here, []))
            elif mark in ":|":
                if stack:
                    stack[-1][1].append(here)
            elif mark in ")]":
                if stack and self._text[stack[-1][0]] + mark in ("()", "[]"):
                    start, marks = stack.pop()
                    if mark == "]":
                        self._closed[start] = here, tuple(marks)
                else:
                    stack.clear()  # out of balance, and so is everything that stands around it

    def collect(
        self, start: int, end: int, when: tuple[During | Turn, ...], pieces: list[Piece], depth: int = 0
    ) -> None:
        """Add the pieces of a stretch of the text, with the steps in which they count."""
        position = start
        for index in range(bisect_left(self._opened, start), len(self._opened)):
            opening = self._opened[index]
            if opening >= end:
                break
            if opening < position:
                continue
            choices = self._choices(opening)
            if not choices:
                continue
            if depth == DEEPEST:
                raise RequestError(
                    f"the prompt's edits are nested deeper than {DEEPEST} at character {self._offset + opening + 1}"
                )
            pieces.append(Piece(self._text[position:opening], when))
            for first, last, condition in choices:
                self.collect(first, last, (*when, condition), pieces, depth + 1)
            position = self._closed[opening][0] + 1
        pieces.append(Piece(self._text[position:end], when))

    def _choices(self, opening: int) -> Sequence[tuple[int, int, During | Turn]]:
        """What stands in the brackets, from where to where, and when each of it counts; nothing where it is no edit."""
        closing, marks = self._closed[opening]
        kinds = {self._text[mark] for mark in marks}
        starts = [opening + 1, *(mark + 1 for mark in marks)]
        ends = [*marks, closing]
        if kinds == {"|"}:
            return [(starts[i], ends[i], Turn(i, len(starts))) for i in range(len(starts))]
        number = _WHEN.fullmatch(self._text, starts[-1], closing)
        if kinds != {":"} or len(marks) > 2 or number is None:
            return ()
        moment = Moment(float(number[1]), "." in number[1])
        if len(marks) == 1:
            return [(starts[0], ends[0], During(after=moment))]
        return [(starts[0], ends[0], During(until=moment)), (starts[1], ends[1], During(after=moment))]
