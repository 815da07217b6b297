r"""ComfyUI's prompt syntax: weights by parentheses.

::

    a (red) car               red × 1.1
    a ((red)) car             red × 1.21: nested ones multiply
    a (red:1.3) car           red has the weight 1.3, whatever stands around it
    (a (red:1.2) car:0.8)     a, car: 0.8; red: 1.2
    a \(red\) car             parentheses as text
    a embedding:name car      the textual inversion of that name, at the beginning or after a blank; it ends at the next
                              blank, and commas at its end are not part of it

Brackets, `|`, BREAK, AND and `<lora:…>` are text. A parenthesis without a partner is text, too, as follows:

- One that closes nothing is text, and takes the next opening one for its partner, which so becomes text as well.
- One that nothing closes is text with all that follows it, weights included: `a (red (old) car` is weighed nowhere. But
  where the prompt then ends in `)`, that one closes it, whatever it closed before: `((red)` is `(red` × 1.1.

What follows the last colon inside parentheses is a weight if it reads as a number, else text.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field

from sdkit.prompts.brackets import bounded
from sdkit.types import Prompt, Segment

EMPHASIS = 1.1

_MARK = re.compile(r"(?<!\\)[()]|:")
_ESCAPED = re.compile(r"\\([()])")
_INVERSION = re.compile(r"(?:^|[ \n])embedding:\s*([^\s,][^\s]*)")


def comfy(text: str) -> Prompt:
    """ComfyUI's syntax, as described in `sdkit.prompts.comfy`; never fails. There is at least one segment.

    Takes time in proportion to the text's length, however deep the parentheses are nested.
    """
    marks = _Marks(text)
    marks.read()
    segments: list[Segment] = []
    tail = marks.open.popleft() if marks.open else len(text)
    _add_balanced(text, 0, tail, 1.0, marks, segments)
    _add_unclosed(text, tail, marks, segments)
    return Prompt(text, tuple(segments) or (Segment(""),), "comfy")


@dataclass
class _Marks:
    """Where the parentheses of a text are: `starts`, the opening ones, of which each has a `partner` or is left `open`;
    `opener`, the partners of the closing ones; and `before`, each closing one's nearest mark to its left, which decides
    whether a weight stands in front of it."""

    text: str
    starts: list[int] = field(default_factory=list[int])
    partner: dict[int, int] = field(default_factory=dict[int, int])
    opener: dict[int, int] = field(default_factory=dict[int, int])
    before: dict[int, int] = field(default_factory=dict[int, int])
    open: deque[int] = field(default_factory=deque[int])

    def read(self) -> None:
        """Fill the tables, in one pass."""
        stack: list[int] = []
        surplus = 0  # closing ones that closed nothing, and took no partner yet
        last = -1
        for found in _MARK.finditer(self.text):
            here, mark = found.start(), found[0]
            if mark == "(":
                if surplus:
                    surplus -= 1
                else:
                    stack.append(here)
                    self.starts.append(here)
            elif mark == ")":
                self.before[here] = last
                if stack:
                    self.opener[here] = stack.pop()
                    self.partner[self.opener[here]] = here
                else:
                    surplus += 1
            last = here
        self.open.extend(stack)

    def group(self, start: int, close: int, weight: float) -> tuple[int, float]:
        """Where the text of the group from `start` to `close` ends, and its weight inside a text of weight `weight`."""
        colon = self.before[close]
        if colon > start + 1 and self.text[colon] == ":":
            try:
                given = float(self.text[colon + 1 : close])
            except ValueError:
                given = math.nan
            if not math.isnan(given):
                return colon, bounded(given)
        return close, bounded(weight * EMPHASIS)


def _add_balanced(text: str, start: int, end: int, weight: float, marks: _Marks, segments: list[Segment]) -> None:
    """Add the segments of a stretch in which every partner is inside."""
    # Groups that we are in: the end of their text, where to go on, the weight around them.
    outer: list[tuple[int, int, float]] = []
    position = start
    for here in marks.starts[bisect_left(marks.starts, start) : bisect_left(marks.starts, end)]:
        while outer and outer[-1][0] <= here:
            stop, on, around = outer.pop()
            _add(text, position, stop, weight, segments)
            position, weight = on, around
        _add(text, position, here, weight, segments)
        close = marks.partner[here]
        stop, inside = marks.group(here, close, weight)
        outer.append((stop, close + 1, weight))
        position, weight = here + 1, inside
    for stop, on, around in reversed(outer):
        _add(text, position, stop, weight, segments)
        position, weight = on, around
    _add(text, position, end, weight, segments)


def _add_unclosed(text: str, start: int, marks: _Marks, segments: list[Segment]) -> None:
    """Add the segments of a stretch that begins with an opening parenthesis which nothing closes."""
    end, weight = len(text), 1.0
    while end - start >= 2 and (end - 1) in marks.opener:
        # The last one closes this one after all; the one that it closed before stands open now.
        robbed = marks.opener[end - 1]
        end, inside = marks.group(start, end - 1, weight)
        del marks.partner[robbed]
        marks.open.append(robbed)
        following = marks.open.popleft()
        _add_balanced(text, start + 1, following, inside, marks, segments)
        start, weight = following, inside
    _add(text, start, end, weight, segments)


def _add(text: str, start: int, end: int, weight: float, segments: list[Segment]) -> None:
    if start >= end:
        return
    piece, position = _ESCAPED.sub(r"\1", text[start:end]), 0
    for found in _INVERSION.finditer(piece):
        name = found[1].rstrip(",")
        if found.start() > position:
            segments.append(Segment(piece[position : found.start()], weight))
        segments.append(Segment(f"embedding:{name}", weight, inversion=name))
        position = found.end() - (len(found[1]) - len(name))
    if position < len(piece):
        segments.append(Segment(piece[position:], weight))
