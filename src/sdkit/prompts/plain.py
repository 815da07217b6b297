"""What a prompt syntax is, and the one without any."""

from __future__ import annotations

from collections.abc import Callable

from sdkit.types import Prompt, Segment

PromptSyntax = Callable[[str], Prompt]
"""`syntax(text)` → `Prompt`. Raises RequestError where the text is wrong, saying where."""


def plain(text: str) -> Prompt:
    """The text as it is: one segment of weight 1, no character of it special."""
    return Prompt(text, (Segment(text),))
