"""Parsed prompts, and prompts as the text encoder sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

Dialect = Literal["plain", "comfy", "a1111"]
"""Whose rules a prompt follows where weights act on features and where long texts are cut into windows."""


@dataclass(frozen=True)
class Moment:
    """The end of a step: `value` is how many steps have been taken by then, or, as a `share`, which part of them."""

    value: float
    share: bool = False

    def step(self, steps: int) -> int:
        """The number of steps taken by then, of `steps`."""
        return max(0, min(steps, int(self.value * steps if self.share else self.value)))


@dataclass(frozen=True)
class During:
    """Counts in the steps that come after `after`, up to `until`; None is no bound."""

    after: Moment | None = None
    until: Moment | None = None

    def at(self, step: int, steps: int) -> bool:
        """Whether it counts in the `step`-th of `steps`, the first being 1."""
        if self.after is not None and step <= self.after.step(steps):
            return False
        return self.until is None or step <= self.until.step(steps)


@dataclass(frozen=True)
class Turn:
    """Counts in every `of`-th step: in the first one if `index` is 0, in the second one if it is 1…"""

    index: int
    of: int

    def at(self, step: int, steps: int) -> bool:
        """Whether it counts in the `step`-th of `steps`, the first being 1."""
        return (step - 1) % self.of == self.index


@dataclass(frozen=True)
class TextualInversion:
    """Learnt vectors that stand in a prompt like the tokens of a word (Gal et al., arXiv:2208.01618).

    `vectors`: `[n, C]` by text encoder: "l" for CLIP-L, "g" for CLIP-G, "" where the file does not say for which. Two
    are equal if their `digest`, the SHA-256 of their file, is.
    """

    name: str
    digest: str
    vectors: Mapping[str, torch.Tensor] = field(compare=False, repr=False)

    def of(self, encoder: str) -> torch.Tensor:
        """The vectors for an encoder, `[n, C]`; they may have another encoder's width, or `[n, 0]` if there are
        none."""
        found = self.vectors.get(encoder, self.vectors.get(""))
        return next(iter(self.vectors.values()))[:, :0] if found is None else found


@dataclass(frozen=True)
class LoraReference:
    """A LoRA that a prompt asks for, by name, with its strengths in the noise predictor and in the text encoders."""

    name: str
    strength: float = 1.0
    text_strength: float = 1.0


@dataclass(frozen=True)
class Segment:
    """A piece of prompt text with one weight; 1.0 is neutral.

    `inversion`: the textual inversion that stands here instead of the text: its name, or itself once it was looked up.
    `starts_window`: the text encoder's next window begins here. `when`: the steps in which it counts, all of them
    conditions; none of them is always.
    """

    text: str
    weight: float = 1.0
    inversion: str | TextualInversion | None = None
    starts_window: bool = False
    when: tuple[During | Turn, ...] = ()


@dataclass(frozen=True)
class Prompt:
    """A parsed prompt: the segments in reading order, and the text that they were parsed from.

    `dialect`: whose rules its weights and windows follow. `parts`: prompts of their own, each with its `weight`, whose
    predictions are added; then there are no segments here. `loras`: what it asks for besides.
    """

    text: str
    segments: tuple[Segment, ...]
    dialect: Dialect = "plain"
    weight: float = 1.0
    parts: tuple[Prompt, ...] = ()
    loras: tuple[LoraReference, ...] = ()


@dataclass(frozen=True)
class TokenChunk:
    """One window of tokens as the text encoder sees it: ids and weights, 77 of each for CLIP, and the text per token.

    `vectors`: by position, the vectors `[C]` that stand instead of tokens' own; the ids there are -1.
    """

    ids: tuple[int, ...]
    weights: tuple[float, ...]
    texts: tuple[str, ...]
    vectors: Mapping[int, torch.Tensor] = field(default_factory=dict[int, "torch.Tensor"], compare=False, repr=False)
