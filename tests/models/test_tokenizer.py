import json
from pathlib import Path

import pytest

from sdkit.models import ClipTokenizer
from sdkit.models.tokenizer import BOS, EOS, plain_prompt
from sdkit.types import Prompt, Segment

FIGURES = json.loads((Path(__file__).parents[1] / "data" / "parity" / "prompts_sd15.json").read_text())
PLAIN = [
    name
    for name, case in FIGURES.items()
    if not name.startswith("ti") and {weight for chunk in case["tokens"]["l"] for _, weight in chunk} == {1.0}
]
"""Cases of the reference without weights and textual inversions: emoji, CJK and accents, windows full to the brim."""

CASTLE = " oil painting of a castle on a hill at sunset,"


@pytest.fixture(scope="module")
def tokenizer() -> ClipTokenizer:
    return ClipTokenizer()


def prompt(*segments: tuple[str, float]) -> Prompt:
    return Prompt("", tuple(Segment(text, weight) for text, weight in segments))


@pytest.mark.parametrize("name", PLAIN)
def test_ids_and_windows_are_those_of_the_reference(tokenizer: ClipTokenizer, name: str) -> None:
    chunks = tokenizer.chunks(plain_prompt(FIGURES[name]["text"]))
    assert [list(chunk.ids) for chunk in chunks] == [
        [token for token, _ in chunk] for chunk in FIGURES[name]["tokens"]["l"]
    ]


def test_enough_cases_are_compared() -> None:
    assert {"unicode", "exact75", "exact76", "bigword_split", "empty"} <= set(PLAIN)


@pytest.mark.parametrize(
    ("name", "segments"),
    [
        ("nested_mix", [("a ", 0.8), ("red", 1.2), (" car", 0.8), (" on ", 1.0), ("grass", 1.1 * 1.1)]),
        ("long_weighted", [*([("a ", 1.0), ("detailed", 1.2), (CASTLE, 1.0), (" ", 1.0)] * 9)]),
    ],
)  # fmt: skip
def test_weights_and_cuts_are_those_of_the_reference(
    tokenizer: ClipTokenizer, name: str, segments: list[tuple[str, float]]
) -> None:
    chunks = tokenizer.chunks(prompt(*segments))
    expected = FIGURES[name]["tokens"]["l"]
    assert [list(zip(chunk.ids, chunk.weights, strict=True)) for chunk in chunks] == [
        [(token, weight) for token, weight in chunk] for chunk in expected
    ]


def test_a_short_segment_that_does_not_fit_moves_whole_into_the_next_window(tokenizer: ClipTokenizer) -> None:
    first, second = tokenizer.chunks(prompt(("a " * 70, 1.0), ("one two three four five six seven", 1.5)))
    assert first.ids[1:71] == (320,) * 70
    assert first.ids[71:] == (EOS,) * 6
    assert second.texts[:9] == (
        "<|startoftext|>",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "<|endoftext|>",
    )
    assert second.weights[:9] == (1.0, *[1.5] * 7, 1.0)
    cut, _ = tokenizer.chunks(prompt(("a " * 70, 1.0), ("one two three four five six seven eight", 1.5)))
    assert cut.texts[71:] == ("one", "two", "three", "four", "five", "<|endoftext|>")


def test_windows_are_complete_whatever_the_prompt(tokenizer: ClipTokenizer) -> None:
    for segments in ([], [("", 1.0)], [("a", 1.0), ("", 2.0)], [("word " * 10_000, 1.0)]):
        chunks = tokenizer.chunks(prompt(*segments))
        assert len(chunks) == (134 if len(segments) == 1 and segments[0][0] else 1)
        for chunk in chunks:
            assert len(chunk.ids) == len(chunk.weights) == len(chunk.texts) == 77
            assert chunk.ids[0] == BOS
            assert chunk.ids[-1] == EOS


def test_half_a_character_is_read_as_the_replacement_character(tokenizer: ClipTokenizer) -> None:
    assert tokenizer.ids("a \ud83d cat") == tokenizer.ids("a � cat")
    assert tokenizer.ids("\ud83d\ude80") == tokenizer.ids("🚀") == [13542]


def test_ids_follow_the_tokenizer_of_transformers_5(tokenizer: ClipTokenizer) -> None:
    from transformers.models.clip.tokenization_clip import CLIPTokenizer

    from sdkit.models.tokenizer import merges_and_vocabulary

    merges, vocabulary = merges_and_vocabulary()
    oracle = CLIPTokenizer(vocab=vocabulary, merges=merges)  # pyright: ignore[reportArgumentType] - pairs are right
    texts = [
        "A Photo of a CAT, 35mm!!", "don't we'll I'VE", "1234 a1b2 x²", "ΣΑΣ Σας", "東京タワー", "a\u200bb\x00c\x07",
        "e\u0301 vs é", "👩\u200d👩\u200d👧 🚀", "\t two\n\nlines  ", "<|endoftext|> <|startoftext|>x", "ﬁne Ⅳ ½",
        "नमस्ते مرحبا", "'s''s ...'t", "\ud7ff\ue000\U0010ffff", "a" * 300,
    ]  # fmt: skip
    assert [tokenizer.ids(text) for text in texts] == [
        oracle(text, add_special_tokens=False)["input_ids"] for text in texts
    ]
