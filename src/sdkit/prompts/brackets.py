"""Weights by round and square brackets, which multiply, over pieces of text that count in some steps only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sdkit.types import During, Segment, Turn

STRONGER = 1.1
MAX_WEIGHT = 1e30
"""Weights are kept within ±this: a thousand nested brackets must not become an infinity, which no float32 survives."""

_TOKEN = re.compile(r"(?s)\\[][()\\]|:\s*([+-]?[.\d]+)\s*\)|[][()]|\\|[^][()\\:]+|:")
_BREAK = re.compile(r"\bBREAK\b")


@dataclass(frozen=True)
class Piece:
    """A stretch of text, with the steps in which it counts."""

    text: str
    when: tuple[During | Turn, ...] = ()


@dataclass(frozen=True)
class _Token:
    """A bracket, or text; `factor` is what a bracket multiplies the weights of what follows with until its partner."""

    text: str
    when: tuple[During | Turn, ...]
    kind: str = ""  # "(" and "[" open, ")" and "]" close, "" is text
    factor: float = 1.0


def weighted(pieces: Sequence[Piece]) -> tuple[Segment, ...]:
    """The pieces as segments with weights; there is at least one.

    `(…)` × 1.1, `(…:1.3)` × 1.3, `[…]` ÷ 1.1, multiplied where they are nested. Round and square ones need not nest in
    each other. One that nothing closes weighs what follows to the end; one that closes nothing is text. BREAK starts a
    window.
    """
    tokens = _tokens(pieces)
    weights: dict[str, list[float]] = {"(": [1.0], "[": [1.0]}
    segments: list[Segment] = []
    for token in tokens:
        if token.kind in ("(", "["):
            weights[token.kind].append(bounded(weights[token.kind][-1] * token.factor))
        elif token.kind:
            weights["(" if token.kind == ")" else "["].pop()
        else:
            _add(token, bounded(weights["("][-1] * weights["["][-1]), segments)
    return tuple(segments) or (Segment(""),)


def _tokens(pieces: Sequence[Piece]) -> list[_Token]:
    tokens: list[_Token] = []
    opened: dict[str, list[int]] = {"(": [], "[": []}
    for piece in pieces:
        for found in _TOKEN.finditer(piece.text):
            mark, given = found[0], _number(found[1])
            if mark in ("(", "["):
                opened[mark].append(len(tokens))
                tokens.append(_Token("", piece.when, mark, STRONGER if mark == "(" else 1 / STRONGER))
            elif opened["("] and (mark == ")" or given is not None):
                at = opened["("].pop()
                tokens[at] = _Token("", tokens[at].when, "(", STRONGER if given is None else given)
                tokens.append(_Token("", piece.when, ")"))
            elif mark == "]" and opened["["]:
                opened["["].pop()
                tokens.append(_Token("", piece.when, "]"))
            elif mark.startswith(":") and mark.endswith(")") and opened["("]:  # no number after all: ":1.2.3)"
                opened["("].pop()
                tokens += [_Token(mark[:-1], piece.when), _Token("", piece.when, ")")]
            else:
                tokens.append(_Token(mark[1:] if mark.startswith("\\") else mark, piece.when))
    return tokens


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _add(token: _Token, weight: float, segments: list[Segment]) -> None:
    """Add a token's text, to the last segment where that is alike, which matters: `ca` and `t` are one word."""
    first, *others = _BREAK.split(token.text)
    if others:  # with the blanks around it
        first, others = first.rstrip(), [*(text.strip() for text in others[:-1]), others[-1].lstrip()]
    last = segments[-1] if segments else None
    if last is not None and (last.weight, last.when) == (weight, token.when):
        segments[-1] = Segment(last.text + first, weight, starts_window=last.starts_window, when=token.when)
    elif first:
        segments.append(Segment(first, weight, when=token.when))
    segments += [Segment(text, weight, starts_window=True, when=token.when) for text in others]


def bounded(weight: float) -> float:
    """A weight, kept within ±`MAX_WEIGHT`."""
    return max(-MAX_WEIGHT, min(MAX_WEIGHT, weight))
