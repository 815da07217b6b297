"""Python names for what graphs call by any text: outputs, inputs, node types."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable


def identifier(text: str) -> str:
    """A valid Python name that looks like the text: "positive (2)" becomes `positive_2`, "3d" becomes `n3d`."""
    letters = unicodedata.normalize("NFKC", text)  # as Python reads names
    name = re.sub("_+", "_", "".join(each if f"a{each}".isidentifier() else "_" for each in letters)).strip("_")
    if not name.isidentifier():
        name = unicodedata.normalize("NFKC", f"n{name}")
    return f"{name}_" if keyword.iskeyword(name) else name


def unique_names(texts: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """A Python name for each text, all different; the second of the same name ends in `_2`."""
    used = set(taken)
    made: list[str] = []
    counts: dict[str, int] = {}
    for text in texts:
        name = first = identifier(text)
        while name in used:
            counts[first] = counts.get(first, 1) + 1
            name = f"{first}_{counts[first]}"
        used.add(name)
        made.append(name)
    return made


def attribute_names(outputs: Iterable[str]) -> list[str]:
    """The names that outputs have as attributes of a `NodeHandle`."""
    return unique_names(outputs, taken=("id", "out"))
