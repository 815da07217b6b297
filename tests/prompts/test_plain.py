"""The plain syntax changes nothing."""

from __future__ import annotations

import pytest

from sdkit import prompts
from sdkit.prompts import plain
from sdkit.types import Prompt, Segment


def test_public_names() -> None:
    assert prompts.__all__ == ["PromptSyntax", "Span", "a1111", "at_step", "comfy", "plain", "spans"]


@pytest.mark.parametrize("text", ["", "a cat", "  (a:1.3) \\(b\\) [c]\n\tBREAK é東🚀 "])
def test_the_text_is_one_segment_untouched(text: str) -> None:
    assert plain(text) == Prompt(text, (Segment(text, 1.0),))
