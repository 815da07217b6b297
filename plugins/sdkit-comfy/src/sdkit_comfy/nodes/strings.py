"""Texts: joined, cut, searched, replaced."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field

from sdkit import node
from sdkit.errors import RequestError
from sdkit_comfy.sockets import Text

Mode = Literal["First Match", "All Matches", "First Group", "All Groups"]
Group = Annotated[int, Field(ge=0, le=100)]


@node(name="StringConcatenate", category="utils/string")
def concatenate(*, string_a: Text = "", string_b: Text = "", delimiter: str = "") -> str:
    """Two texts with something between them."""
    return f"{string_a}{delimiter}{string_b}"


@node(name="StringSubstring", category="utils/string")
def substring(*, string: Text = "", start: int = 0, end: int = 0) -> str:
    """Some letters of a text; numbers below 0 count from its end."""
    return string[start:end]


@node(name="StringLength", category="utils/string", outputs="length")
def length(*, string: Text = "") -> int:
    """How many letters a text has."""
    return len(string)


@node(name="CaseConverter", category="utils/string")
def convert_case(
    *, string: Text = "", mode: Literal["UPPERCASE", "lowercase", "Capitalize", "Title Case"] = "UPPERCASE"
) -> str:
    """A text in other letters."""
    if mode == "UPPERCASE":
        return string.upper()
    if mode == "lowercase":
        return string.lower()
    return string.capitalize() if mode == "Capitalize" else string.title()


@node(name="StringTrim", category="utils/string")
def trim(*, string: Text = "", mode: Literal["Both", "Left", "Right"] = "Both") -> str:
    """A text without the spaces at its ends."""
    if mode == "Both":
        return string.strip()
    return string.lstrip() if mode == "Left" else string.rstrip()


@node(name="StringReplace", category="utils/string")
def replace(*, string: Text = "", find: Text = "", replace: Text = "") -> str:
    """A text with another one everywhere in place of a part."""
    return string.replace(find, replace)


@node(name="StringContains", category="utils/string", outputs="contains")
def contains(*, string: Text = "", substring: Text = "", case_sensitive: bool = True) -> bool:
    """Whether one text is in the other."""
    return substring in string if case_sensitive else substring.lower() in string.lower()


@node(name="StringCompare", category="utils/string")
def compare(
    *,
    string_a: Text = "",
    string_b: Text = "",
    mode: Literal["Starts With", "Ends With", "Equal"] = "Starts With",
    case_sensitive: bool = True,
) -> bool:
    """Whether the first text begins with, ends with or is the second."""
    first, second = (string_a, string_b) if case_sensitive else (string_a.lower(), string_b.lower())
    if mode == "Equal":
        return first == second
    return first.startswith(second) if mode == "Starts With" else first.endswith(second)


@node(name="RegexMatch", category="utils/string", outputs="matches")
def regex_match(
    *,
    string: Text = "",
    regex_pattern: Text = "",
    case_insensitive: bool = True,
    multiline: bool = False,
    dotall: bool = False,
) -> bool:
    """Whether a regular expression is found; one that is none never is."""
    pattern = _pattern(regex_pattern, case_insensitive, multiline, dotall)
    return pattern is not None and pattern.search(string) is not None


@node(name="RegexExtract", category="utils/string")
def regex_extract(
    *,
    string: Text = "",
    regex_pattern: Text = "",
    mode: Mode = "First Match",
    case_insensitive: bool = True,
    multiline: bool = False,
    dotall: bool = False,
    group_index: Group = 1,
) -> str:
    """What a regular expression finds, several finds in lines; nothing if it is none.

    "All Matches" gives the first group of each find where the expression has several, as ComfyUI's node does, and its
    only one.
    """
    pattern = _pattern(regex_pattern, case_insensitive, multiline, dotall)
    if pattern is None:
        return ""
    found = list(pattern.finditer(string))
    if mode.startswith("First"):
        found = found[:1]
    if mode == "First Match":
        group = 0
    elif mode == "All Matches":
        group = min(1, pattern.groups)
    else:
        group = group_index
    if pattern.groups < group or (mode == "All Groups" and not pattern.groups):
        return ""
    return "\n".join(each.group(group) or "" for each in found)


@node(name="RegexReplace", category="utils/string")
def regex_replace(
    *,
    string: Text = "",
    regex_pattern: Text = "",
    replace: Text = "",
    case_insensitive: bool = True,
    multiline: bool = False,
    dotall: bool = False,
    count: Group = 0,
) -> str:
    """A text with another one in place of what a regular expression finds; `count` 0 is everywhere."""
    flags = _flags(case_insensitive, multiline, dotall)
    try:
        return re.sub(regex_pattern, replace, string, count=count, flags=flags)
    except (re.error, IndexError) as error:
        raise RequestError(f"{regex_pattern!r} cannot be replaced by {replace!r}: {error}") from error


def _pattern(text: str, case_insensitive: bool, multiline: bool, dotall: bool) -> re.Pattern[str] | None:
    try:
        return re.compile(text, _flags(case_insensitive, multiline, dotall))
    except re.error:
        return None


def _flags(case_insensitive: bool, multiline: bool, dotall: bool) -> re.RegexFlag:
    flags = re.RegexFlag(0)
    for wanted, flag in ((case_insensitive, re.IGNORECASE), (multiline, re.MULTILINE), (dotall, re.DOTALL)):
        flags |= flag if wanted else 0
    return flags
