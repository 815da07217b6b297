"""Where long prompts are cut, by dialect."""

from __future__ import annotations

from sdkit.models.windows import Token, Tokens, windows_of
from sdkit.types import Dialect

COMMA = 267


def words(count: int, start: int = 1000) -> list[Token]:
    return [Token(start + i) for i in range(count)]


def sizes(pieces: list[Tokens], dialect: Dialect) -> list[int]:
    return [len(window) for window in windows_of(pieces, dialect, 75, COMMA)]


def test_comfy_moves_short_pieces_whole() -> None:
    assert sizes([Tokens(words(70)), Tokens(words(7))], "comfy") == [70, 7]
    assert sizes([Tokens(words(70)), Tokens(words(8))], "comfy") == [75, 3]
    assert sizes([Tokens(words(200))], "plain") == [75, 75, 50]
    assert sizes([], "comfy") == [0]


def test_a1111_fills_windows() -> None:
    assert sizes([Tokens(words(70)), Tokens(words(7))], "a1111") == [75, 2]
    assert sizes([Tokens(words(75))], "a1111") == [75]
    assert sizes([Tokens(words(150))], "a1111") == [75, 75]


def test_a1111_moves_what_follows_a_comma_near_the_end() -> None:
    for before, moved in ((55, 19), (60, 14), (74, 0)):
        piece = [*words(before), Token(COMMA), *words(100 - before, 2000)]
        first, second = windows_of([Tokens(piece)], "a1111", 75, COMMA)
        assert (len(first), first[-1].id, second[0].id) == (75 - moved, COMMA, 2000)
    piece = [*words(54), Token(COMMA), *words(46, 2000)]
    assert sizes([Tokens(piece)], "a1111") == [75, 26]


def test_a1111_keeps_a_comma_that_ends_nothing() -> None:
    piece = [*words(60), Token(COMMA), *words(14, 2000), Token(COMMA), *words(3, 3000)]
    first, second = windows_of([Tokens(piece)], "a1111", 75, COMMA)
    assert (len(first), second[0].id) == (75, COMMA)


def test_break_pads_the_window() -> None:
    pieces = [Tokens(words(3)), Tokens(words(2), starts_window=True)]
    assert sizes(pieces, "a1111") == sizes(pieces, "comfy") == [3, 2]
    assert sizes([Tokens([]), Tokens([], starts_window=True), Tokens(words(1), starts_window=True)], "a1111") == [
        0,
        0,
        1,
    ]
    assert sizes([Tokens(words(1)), Tokens([], starts_window=True)], "a1111") == [1]


def test_inversions_are_not_cut() -> None:
    assert sizes([Tokens(words(70)), Tokens(words(10), inversion=True)], "a1111") == [70, 10]
    assert sizes([Tokens(words(80), inversion=True)], "a1111") == [0, 75, 5]
