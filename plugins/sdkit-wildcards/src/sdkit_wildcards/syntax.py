r"""The syntax: text → template.

::

    __colour__                    a line of colour.txt
    __animals/*__                 a line of any list in the folder animals
    {red|green|2::blue}           one of the three, blue twice as often; may be nested, hold wildcards, be empty
    {2$$red|green|blue}           two of the three, in this order, with ", " between them
    {2$$ and $$red|green|blue}    … with " and " between them
    \{ \} \| \__                  as they stand

Braces with nothing to choose from, {like these}, are left as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from sdkit.errors import RequestError

MAX_BRACES = 10

_TOKEN = re.compile(r"\\(?P<escaped>[{}|]|__)|__(?P<name>(?:[^\W_]|\*)[\w./*-]*?)__|(?P<mark>[{}|])")
# Numbers of bounded length: longer ones, of which Python makes errors and infinities, are text.
_COUNT = re.compile(r"(\d{1,4})\$\$(?:(.*?)\$\$)?", re.DOTALL)
_WEIGHT = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?)::")


@dataclass(frozen=True)
class Wildcard:
    """A line of a list, by the list's name."""

    name: str


@dataclass(frozen=True)
class Choice:
    """`count` of the options, in the order in which they are written."""

    options: tuple[Option, ...]
    count: int = 1
    separator: str = ", "


Part = str | Wildcard | Choice
Template = tuple[Part, ...]


class Option(NamedTuple):
    """Something to choose, and how often compared with the others."""

    weight: float
    template: Template


def parse(text: str) -> Template:
    """The template of a prompt. Raises RequestError where braces do not match, saying where."""
    groups = [_Group(0)]
    position = 0
    for token in _TOKEN.finditer(text):
        groups[-1].add(text[position : token.start()])
        position = token.end()
        if token["escaped"]:
            groups[-1].add(token["escaped"])
        elif token["name"]:
            groups[-1].add(Wildcard(token["name"]))
        elif token["mark"] == "{":
            groups.append(_Group(token.start()))
            if len(groups) > MAX_BRACES + 1:
                raise RequestError(f"braces are nested more than {MAX_BRACES} deep in {_shown(text)}")
        elif len(groups) == 1:
            if token["mark"] == "}":
                raise RequestError(_lost("}", token.start(), text, "closes nothing"))
            groups[0].add("|")
        elif token["mark"] == "|":
            groups[-1].options.append([])
        else:
            group = groups.pop()
            groups[-1].options[-1] += group.close(text)
    groups[-1].add(text[position:])
    if len(groups) > 1:
        raise RequestError(_lost("{", groups[-1].start, text, "is never closed"))
    return tuple(groups[0].options[0])


def parse_option(text: str) -> Option:
    """A line of a list: a template, with `2::` in front of it if it is to come twice as often."""
    return _weighed(list(parse(text)))


@dataclass
class _Group:
    """Braces that are still open: what stands in them so far, and where they began."""

    start: int
    options: list[list[Part]] = field(default_factory=lambda: [[]])

    def add(self, part: str | Wildcard) -> None:
        if part:
            self.options[-1].append(part)

    def close(self, text: str) -> list[Part]:
        first = self.options[0]
        found = _COUNT.match(first[0]) if first and isinstance(first[0], str) else None
        if found is None and len(self.options) == 1:
            return ["{", *first, "}"]
        count, separator = 1, ", "
        if found is not None:
            count = int(found[1])
            separator = separator if found[2] is None else found[2]
            first[0] = found.string[found.end() :]
        options = tuple(option for option in map(_weighed, self.options) if option.weight > 0)
        if count > len(options):
            raise RequestError(
                f"the braces at character {self.start + 1} of {_shown(text)} ask for {count} of {len(options)} choices"
            )
        return [Choice(options, count, separator)]


def _weighed(parts: list[Part]) -> Option:
    found = _WEIGHT.match(parts[0]) if parts and isinstance(parts[0], str) else None
    if found is None:
        return Option(1.0, tuple(parts))
    return Option(float(found[1]), (found.string[found.end() :], *parts[1:]))


def _lost(brace: str, at: int, text: str, fault: str) -> str:
    return f"the {brace!r} at character {at + 1} of {_shown(text)} {fault}; for a brace as it stands, write \\{brace}"


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
