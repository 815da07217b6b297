"""Where long prompts are cut: tokens → the text encoder's windows, by each dialect's rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from sdkit.types import Dialect

LARGE = 8
"""Comfy: a segment of fewer tokens is never cut in two by the end of a window."""

BACKTRACK = 20
"""A1111: where a window ends, what follows a comma no farther back than this moves into the next one."""


@dataclass(frozen=True, eq=False)
class Token:
    """One place of a window: an id and its weight, or the `vector` `[C]` of a textual inversion, called `text`."""

    id: int
    weight: float = 1.0
    text: str = ""
    vector: torch.Tensor | None = None

    def fits(self, width: int | None) -> bool:
        """Whether an encoder of this width can read it."""
        return self.vector is None or width is None or self.vector.shape[-1] == width


@dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens of one segment of a prompt."""

    tokens: Sequence[Token]
    starts_window: bool = False
    inversion: bool = False


def windows_of(pieces: Sequence[Tokens], dialect: Dialect, room: int, comma: int) -> list[list[Token]]:
    """The pieces in windows of at most `room` tokens, at least one window.

    Comfy, and plain text: a piece of fewer than eight tokens that does not fit into the rest of a window moves whole
    into the next one; longer ones are cut where the window ends. A1111: tokens fill a window one by one, and what
    stands behind the last comma moves into the next one where that is no more than 20 tokens; an inversion is only cut
    if it is longer than a window.
    """
    if dialect == "a1111":
        return _by_commas(pieces, room, comma)
    windows: list[list[Token]] = [[]]
    for piece in pieces:
        tokens = piece.tokens
        if piece.starts_window or (len(tokens) < LARGE and len(windows[-1]) + len(tokens) > room):
            windows.append([])
        _fill(windows, tokens, room)
    return windows


def _fill(windows: list[list[Token]], tokens: Sequence[Token], room: int) -> None:
    while tokens:
        free = room - len(windows[-1])
        if not free:
            windows.append([])
            continue
        windows[-1] += tokens[:free]
        tokens = tokens[free:]


def _by_commas(pieces: Sequence[Tokens], room: int, comma: int) -> list[list[Token]]:
    windows: list[list[Token]] = [[]]
    for piece in pieces:
        if piece.starts_window:
            windows.append([])
        if piece.inversion:
            if len(windows[-1]) == room:
                _move_on(windows, room, comma)
            if len(windows[-1]) + len(piece.tokens) > room:
                windows.append([])
            _fill(windows, piece.tokens, room)
            continue
        for token in piece.tokens:
            if len(windows[-1]) == room:
                _move_on(windows, room, None if token.id == comma else comma)
            windows[-1].append(token)
    return windows[:-1] if len(windows) > 1 and not windows[-1] else windows


def _move_on(windows: list[list[Token]], room: int, comma: int | None) -> None:
    """Begin a window with what stands behind the last comma of the full one before, if there is one near its end."""
    full = windows[-1]
    near = range(room - 1, room - BACKTRACK - 1, -1)
    keep = next((place + 1 for place in near if full[place].id == comma), room)
    windows.append(full[keep:])
    del full[keep:]
