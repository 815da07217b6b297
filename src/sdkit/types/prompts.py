"""Parsed prompts, and prompts as the text encoder sees them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Segment:
    """A piece of prompt text with one weight; 1.0 is neutral."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True)
class Prompt:
    """A parsed prompt: the segments in reading order, and the text that they were parsed from."""

    text: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class TokenChunk:
    """One window of tokens as the text encoder sees it: ids and weights, 77 of each for CLIP, and the text per
    token."""

    ids: tuple[int, ...]
    weights: tuple[float, ...]
    texts: tuple[str, ...]
