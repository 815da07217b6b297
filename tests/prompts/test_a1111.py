"""A1111's syntax: weights, edits, alternation, BREAK, AND, LoRAs, and how it forgives."""

from __future__ import annotations

import time

import pytest

from sdkit.errors import RequestError
from sdkit.prompts import a1111, spans
from sdkit.types import LoraReference


def pieces(text: str) -> list[tuple[str, object]]:
    prompt = a1111(text)
    assert (prompt.text, prompt.dialect, prompt.parts) == (text, "a1111", ())
    return [(segment.text, pytest.approx(segment.weight)) for segment in prompt.segments]


def over_time(text: str, steps: int = 10) -> list[tuple[int, str]]:
    """Until which step the prompt says what."""
    return [(span.last, "".join(each.text for each in span.prompt.segments)) for span in spans(a1111(text), steps)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [("", 1)]),
        ("plain text", [("plain text", 1)]),
        ("an (important) word", [("an ", 1), ("important", 1.1), (" word", 1)]),
        ("an [unimportant] word", [("an ", 1), ("unimportant", 1 / 1.1), (" word", 1)]),
        ("a ((red:1.3)) car", [("a ", 1), ("red", 1.3 * 1.1), (" car", 1)]),
        ("((a:2) b:0.5)", [("a", 1), (" b", 0.5)]),
        ("(a: 1.2 )", [("a", 1.2)]),
        ("(a:-.5)", [("a", -0.5)]),
        ("(a) (b)", [("a", 1.1), (" ", 1), ("b", 1.1)]),
        ("(a)(b)", [("ab", 1.1)]),
        (r"\(a\) \[b\] c\\d e\f", [(r"(a) [b] c\d ef", 1)]),
        ("(a", [("a", 1.1)]),
        ("[a (b", [("a ", 1 / 1.1), ("b", 1)]),
        ("a) b]", [("a) b]", 1)]),
        ("a :1.5) b", [("a :1.5) b", 1)]),
        ("(a:1.2.3)", [("a:1.2.3", 1.1)]),
        ("(a:b)", [("a:b", 1.1)]),
        ("(a [b) c] d", [("a ", 1.1), ("b", 1), (" c", 1 / 1.1), (" d", 1)]),
        ("[a:b]", [("a:b", 1 / 1.1)]),
        ("[a:b:c:5]", [("a:b:c:5", 1 / 1.1)]),
        ("[a|b:5]", [("a|b:5", 1 / 1.1)]),
        ("embedding:x", [("embedding:x", 1)]),
    ],
)
def test_weights(text: str, expected: list[tuple[str, float]]) -> None:
    assert pieces(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("test", [(10, "test")]),
        ("a [b:3]", [(3, "a "), (10, "a b")]),
        ("a [b: 3 ]", [(3, "a "), (10, "a b")]),
        ("a [b::3]", [(3, "a b"), (10, "a ")]),
        ("[cat:dog:0.4]", [(4, "cat"), (10, "dog")]),
        ("[cat:dog:1.0]", [(10, "cat")]),
        ("[cat:dog:0]", [(10, "dog")]),
        ("[cat:dog:99]", [(10, "cat")]),
        ("[a:b:.25]", [(2, "a"), (10, "b")]),
        ("a[b:[c:d:2]:1]e", [(1, "abe"), (2, "ace"), (10, "ade")]),
        ("a [[[b]]:2]", [(2, "a "), (10, "a b")]),
        ("a [unbalanced", [(10, "a unbalanced")]),
        ("((a][:b:c [d:3]", [(3, "a]:b:c "), (10, "a]:b:c d")]),
        ("[fe|]male", [(step, "female" if step % 2 else "male") for step in range(1, 11)]),
        ("[a|b|c]", [(step, "abc"[(step - 1) % 3]) for step in range(1, 11)]),
        ("[a|[b:c:4]]", [(step, "a" if step % 2 else "b" if step <= 4 else "c") for step in range(1, 11)]),
    ],
)
def test_edits(text: str, expected: list[tuple[int, str]]) -> None:
    assert over_time(text) == expected


def test_edits_keep_weights_and_words() -> None:
    first, second = spans(a1111("([cat:do:5][s:g:5]:1.5) x"), 10)
    assert [(s.text, s.weight) for s in first.prompt.segments] == [("cats", 1.5), (" x", 1.0)]
    assert [(s.text, s.weight) for s in second.prompt.segments] == [("dog", 1.5), (" x", 1.0)]
    assert (first.first, first.last, second.first, second.last) == (1, 5, 6, 10)


def test_shares_follow_the_number_of_steps_and_counts_do_not() -> None:
    assert over_time("[a:b:0.5]", 30) == [(15, "a"), (30, "b")]
    assert over_time("[a:b:5]", 30) == [(5, "a"), (30, "b")]


def test_break_starts_a_window() -> None:
    prompt = a1111("a cat BREAK a (dog BREAK bird:1.2)")
    assert [(s.text, s.starts_window, s.weight) for s in prompt.segments] == [
        ("a cat", False, 1.0),
        ("a ", True, 1.0),
        ("dog", False, 1.2),
        ("bird", True, 1.2),
    ]
    assert [s.text for s in a1111("BREAKFAST unBREAK").segments] == ["BREAKFAST unBREAK"]


def test_and_makes_prompts_of_their_own() -> None:
    prompt = a1111("a cat AND a (dog:1.2) :0.5 AND BRAND -1 : -.25")
    assert prompt.segments == ()
    assert [(part.text, part.weight) for part in prompt.parts] == [
        ("a cat", 1.0),
        (" a (dog:1.2)", 0.5),
        (" BRAND -1", -0.25),
    ]
    assert [(s.text, s.weight) for s in prompt.parts[1].segments] == [(" a ", 1.0), ("dog", 1.2)]


def test_one_prompt_can_have_a_weight_too() -> None:
    prompt = a1111("a cat :0.5")
    assert (prompt.weight, [s.text for s in prompt.segments]) == (0.5, ["a cat"])


def test_loras_are_taken_out() -> None:
    prompt = a1111("a <lora:One:0.8>cat<lyco:two> AND x <lora:sub/three:te=0.5:unet=0.25><lora:four:0.5:0.75>")
    assert [part.text for part in prompt.parts] == ["a cat", " x"]
    assert prompt.loras == (
        LoraReference("One", 0.8, 0.8),
        LoraReference("two", 1.0, 1.0),
        LoraReference("sub/three", 0.25, 0.5),
        LoraReference("four", 0.75, 0.5),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a <lora:x:loud>", r"LoRA at character 3 \(<lora:x:loud>\), but 'loud' is no strength"),
        ("<lora:x:nan>", "'nan' is no strength"),
        ("<lora:x:1:1:1>", "is no strength; write <lora:name:0.8>"),
        ("<lora:x:dyn=3>", "'dyn=3' is no strength"),
        ("ab <lora::1>", "the LoRA at character 4 of the prompt .* has no name"),
        ("a <hypernet:anime:1>", r"hypernetwork at character 3 \(<hypernet:anime:1>\)"),
        ("<lora:x>" + "[" * 65 + "a" + ":5]" * 65, "nested deeper than 64 at character 73"),
    ],
)
def test_faults_say_where(text: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        a1111(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 20_000 + "a" + ")" * 20_000,
        "[a" * 20_000,
        "[a:b:5]" * 5000,
        "a:" * 20_000,
        "<lora:" * 5000,
        " " * 40_000 + "BREAK",
        "(a:" + " " * 20_000,
        "\\" * 20_000,
    ],
)
def test_long_prompts_take_no_time(text: str) -> None:
    started = time.process_time()
    prompt = a1111(text)
    assert time.process_time() - started < 5
    assert all(abs(segment.weight) <= 1e30 for segment in prompt.segments)
