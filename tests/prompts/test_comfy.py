"""ComfyUI's syntax: its weights, its unbalanced parentheses, and the same rules told once more, plainly."""

from __future__ import annotations

import contextlib
import math
import random

import pytest

from sdkit.prompts import comfy

# Texts and weights as ComfyUI 0.3.64 gave them per token; the pieces are read off its token ids.
REFERENCE: list[tuple[str, list[tuple[str, float]]]] = [
    ("a photo of a cat", [("a photo of a cat", 1)]),
    (
        "(a (red:1.2) car:0.8) on ((grass))",
        [("a ", 0.8), ("red", 1.2), (" car", 0.8), (" on ", 1), ("grass", 1.1 * 1.1)],
    ),
    ("a (red:0.5) car", [("a ", 1), ("red", 0.5), (" car", 1)]),
    ("a (red:0) car", [("a ", 1), ("red", 0), (" car", 1)]),
    ("a (red:-1) car", [("a ", 1), ("red", -1), (" car", 1)]),
    ("a (red car", [("a ", 1), ("(red car", 1)]),
    ("a red) car", [("a red) car", 1)]),
    ("a (red:abc) car", [("a ", 1), ("red:abc", 1.1), (" car", 1)]),
    ("a (time 12:30:1.5) clock", [("a ", 1), ("time 12:30", 1.5), (" clock", 1)]),
    ("(a photo of a cat:1.1)", [("a photo of a cat", 1.1)]),
    ("a cat BREAK a dog", [("a cat BREAK a dog", 1)]),
    ("a cat AND a dog | [a:b:0.5]", [("a cat AND a dog | [a:b:0.5]", 1)]),
    ("a ( red : 1.3 ) car", [("a ", 1), (" red ", 1.3), (" car", 1)]),
]


def pieces(text: str) -> list[tuple[str, float]]:
    prompt = comfy(text)
    assert prompt.text == text
    return [(segment.text, segment.weight) for segment in prompt.segments]


@pytest.mark.parametrize(("text", "expected"), REFERENCE)
def test_weights_are_the_references(text: str, expected: list[tuple[str, float]]) -> None:
    assert pieces(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"a \(red\) car", [("a (red) car", 1)]),
        (r"(\(red\):1.2)", [("(red)", 1.2)]),
        (r"(a\)b)", [("a)b", 1.1)]),
        (r"back\slash \\(b)", [(r"back\slash \(b)", 1)]),
        ("embedding:x and (embedding:y:1.2)", [("embedding:x", 1), (" and ", 1), ("embedding:y", 1.2)]),
        ("<lora:x:1> BREAK", [("<lora:x:1> BREAK", 1)]),
        ("(:1.5)", [(":1.5", 1.1)]),
        ("(a:)", [("a:", 1.1)]),
        ("(a:nan)", [("a:nan", 1.1)]),
        ("((a:1.5))", [("a", 1.5)]),
        ("((a):1.5)", [("a", 1.5 * 1.1)]),
        ("a (b)(c) d", [("a ", 1), ("b", 1.1), ("c", 1.1), (" d", 1)]),
        ("", [("", 1)]),
        ("()", [("", 1)]),
        ("(()) a", [(" a", 1)]),
        ("a) (b) c", [("a) (b) c", 1)]),
        ("a) (b (c) d", [("a) (b ", 1), ("c", 1.1), (" d", 1)]),
        ("((a)", [("(a", 1.1)]),
        ("(a (b)", [("a ", 1.1), ("(b", 1.1)]),
        ("(a (b:1.5)", [("a ", 1.5), ("(b", 1.5)]),
        ("((((a))", [("((a", 1.1 * 1.1)]),
        ("a (red (old) car", [("a ", 1), ("(red (old) car", 1)]),
    ],
)
def test_rules(text: str, expected: list[tuple[str, float]]) -> None:
    assert pieces(text) == expected


@pytest.mark.parametrize(
    ("text", "names", "rest"),
    [
        ("a photo of (embedding:refti:1.2), sharp", ["refti"], ["a photo of ", ", sharp"]),
        ("embedding:refti, bad", ["refti"], [", bad"]),
        ("a embedding:sub/x.pt embedding:y,, z", ["sub/x.pt", "y"], ["a", ",, z"]),
        ("a\nembedding: x", ["x"], ["a"]),
        ("xembedding:a embedding:", [], ["xembedding:a embedding:"]),
    ],
)
def test_inversions_are_segments_of_their_own(text: str, names: list[str], rest: list[str]) -> None:
    segments = comfy(text).segments
    assert [segment.inversion for segment in segments if segment.inversion] == names
    assert [segment.text for segment in segments if not segment.inversion] == rest


def told_plainly(text: str, weight: float = 1.0) -> list[tuple[str, float]]:
    """The rules once more, recursive and slow. `<` and `>` stand for escaped parentheses."""
    parts, part, depth = list[str](), "", 0
    for mark in text:
        if mark == "(" and depth == 0:
            parts.append(part)
            part = ""
        part += mark
        depth += (mark == "(") - (mark == ")")
        if mark == ")" and depth == 0:
            parts.append(part)
            part = ""
    found: list[tuple[str, float]] = []
    for chunk in [*parts, part]:
        if len(chunk) > 1 and chunk[0] == "(" and chunk[-1] == ")":
            inside, inner = chunk[1:-1], weight * 1.1
            colon = inside.rfind(":")
            if colon > 0:
                with contextlib.suppress(ValueError):
                    inner = float(inside[colon + 1 :])
                    inside = inside[:colon]
            found += told_plainly(inside, inner)
        elif chunk:
            found.append((chunk.replace("<", "(").replace(">", ")"), weight))
    return found


def test_the_fast_reading_is_the_plain_one() -> None:
    rng = random.Random(0)
    unbalanced = 0
    for _ in range(5000):
        text = "".join(
            rng.choices(["(", ")", "(", ")", "a", " ", ":", ":1.5", ":0", "<", ">", "b"], k=rng.randrange(14))
        )
        expected = told_plainly(text) or [("", 1)]
        escaped = text.replace("<", "\\(").replace(">", "\\)")
        assert pieces(escaped) == [(piece, pytest.approx(weight)) for piece, weight in expected], escaped
        unbalanced += text.count("(") != text.count(")")
    assert unbalanced > 1000


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000 + "a" + ")" * 10_000,
        "(" * 20_000 + "a" + ")" * 10_000,
        "(" * 10_000 + "a" + ")" * 20_000,
        "(a" * 20_000,
        "(a:1.1" * 5000 + ")" * 5000,
        "(" * 10_000 + ":" * 10_000 + ")" * 10_000,
    ],
)
def test_deep_nesting_overflows_nothing(text: str) -> None:
    assert all(math.isfinite(segment.weight) for segment in comfy(text).segments)


def test_weights_stay_finite() -> None:
    assert pieces("(" * 700 + "a" + ")" * 700) == [("a", pytest.approx(1.1**700))]
    assert pieces("(" * 10_000 + "a" + ")" * 10_000) == [("a", 1e30)]
    assert pieces("(a:-inf)(b:1e99)") == [("a", -1e30), ("b", 1e30)]
