"""Text → ids, and prompts → windows, by the figures of the reference and by each dialect's rules."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sdkit.models import ClipTokenizer
from sdkit.models.tokenizer import BOS, EOS
from sdkit.prompts import comfy
from sdkit.types import Prompt, Segment, TextualInversion, TokenChunk

DATA = Path(__file__).parents[1] / "data" / "parity"
FIGURES = json.loads((DATA / "prompts_sd15.json").read_text())
FIGURES_XL = json.loads((DATA / "prompts_sdxl.json").read_text())

INVERSIONS = {
    "refti": TextualInversion("refti", "digest", {"": torch.zeros(2, 768)}),
    "reftixl": TextualInversion("reftixl", "other", {"l": torch.zeros(2, 768), "g": torch.zeros(2, 1280)}),
}

CASTLE = " oil painting of a castle on a hill at sunset,"


@pytest.fixture(scope="module")
def tokenizer() -> ClipTokenizer:
    return ClipTokenizer()


def prompt(*segments: tuple[str, float]) -> Prompt:
    return Prompt("", tuple(Segment(text, weight) for text, weight in segments))


def looked_up(found: Prompt) -> Prompt:
    """The prompt with the reference's textual inversions in it, as the model folders would give it."""
    segments = (
        replace(s, inversion=INVERSIONS[s.inversion])
        if isinstance(s.inversion, str) and s.inversion in INVERSIONS
        else s
        for s in found.segments
    )
    return replace(found, segments=tuple(segments))


def listed(chunks: tuple[TokenChunk, ...]) -> list[list[list[object]]]:
    """As the reference's figures are written."""
    return [
        [
            [f"<tensor {tuple(chunk.vectors[place].shape)}>" if place in chunk.vectors else token, weight]
            for place, (token, weight) in enumerate(zip(chunk.ids, chunk.weights, strict=True))
        ]
        for chunk in chunks
    ]


@pytest.mark.parametrize("name", FIGURES)
def test_ids_weights_and_windows_are_those_of_the_reference(tokenizer: ClipTokenizer, name: str) -> None:
    chunks = tokenizer.chunks(looked_up(comfy(FIGURES[name]["text"])), width=768)
    assert listed(chunks) == FIGURES[name]["tokens"]["l"]


@pytest.mark.parametrize(("encoder", "padding"), [("l", EOS), ("g", 0)])
@pytest.mark.parametrize("name", FIGURES_XL)
def test_both_encoders_of_sdxl_see_what_the_reference_shows_them(
    tokenizer: ClipTokenizer, name: str, encoder: str, padding: int
) -> None:
    chunks = tokenizer.chunks(looked_up(comfy(FIGURES_XL[name]["text"])), padding=padding, encoder=encoder)
    assert listed(chunks) == FIGURES_XL[name]["tokens"][encoder]


def test_enough_cases_are_compared() -> None:
    assert {"unicode", "exact75", "exact76", "bigword_split", "empty", "ti", "ti_missing", "long_weighted"} <= set(
        FIGURES
    )


def test_inversions_stand_as_vectors(tokenizer: ClipTokenizer) -> None:
    found = looked_up(comfy("a (embedding:refti:1.5) cat embedding:nowhere"))
    (chunk,) = tokenizer.chunks(found, width=768)
    assert chunk.ids[:6] == (BOS, 320, -1, -1, 2368, EOS)
    assert chunk.weights[:6] == (1.0, 1.0, 1.5, 1.5, 1.0, 1.0)
    assert chunk.texts[2] == "embedding:refti"
    assert sorted(chunk.vectors) == [2, 3]


def test_vectors_of_another_width_leave_their_places(tokenizer: ClipTokenizer) -> None:
    (chunk,) = tokenizer.chunks(looked_up(comfy("a embedding:refti cat")), padding=0, encoder="g", width=1280)
    assert chunk.ids == (BOS, 320, 2368, EOS, *[0] * 73)
    assert not chunk.vectors


def test_each_encoder_has_vectors_of_its_own(tokenizer: ClipTokenizer) -> None:
    both = TextualInversion("both", "", {"l": torch.zeros(3, 768), "g": torch.ones(3, 1280)})
    found = Prompt("", (Segment("both", inversion=both),))
    for encoder, width in (("l", 768), ("g", 1280)):
        (chunk,) = tokenizer.chunks(found, encoder=encoder, width=width)
        assert [chunk.vectors[place].shape for place in (1, 2, 3)] == [(width,)] * 3


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
