"""Prompts: encoded, joined, and where and when each of them counts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from sdkit.builtin.nodes.sockets import EncodedPrompt, Seed, Share, Text, Weight
from sdkit.graph import Choices, node

if TYPE_CHECKING:
    from sdkit import Pipeline
    from sdkit.builtin.nodes.sockets import Mask
    from sdkit.types import Embedding


@node(category="prompts", outputs=("positive", "negative"))
def encode_text(
    pipeline: Pipeline,
    prompt: Text = "",
    negative_prompt: Text = "",
    clip_skip: Annotated[int | None, Field(ge=1, le=12)] = None,
    syntax: Annotated[str, Choices("prompt_syntaxes")] = "plain",
    seed: Annotated[Seed, Field(description="for plugins that vary prompts")] = 0,
) -> tuple[EncodedPrompt, EncodedPrompt]:
    """Both prompts as the model reads them."""
    encoded = pipeline.encode(prompt, negative_prompt, clip_skip=clip_skip, prompt_syntax=syntax, seed=seed)
    return (
        EncodedPrompt(encoded.positive, encoded.prompts, encoded.transformed),
        EncodedPrompt(encoded.negative, encoded.negative_prompts, encoded.transformed),
    )


@node(category="prompts")
def combine_prompts(first: EncodedPrompt, second: EncodedPrompt) -> EncodedPrompt:
    """Both side by side, each predicting on its own: the mean of their predictions."""
    from sdkit.sampling import combine

    return _joined(first, second, combine(first.embeddings, second.embeddings))


@node(category="prompts")
def average_prompts(first: EncodedPrompt, second: EncodedPrompt, share: Share = 0.5) -> EncodedPrompt:
    """The first blended with the second, token by token: `share` of the first."""
    from sdkit.sampling import average

    return _joined(first, second, average(first.embeddings, second.embeddings, share))


@node(category="prompts")
def concat_prompts(first: EncodedPrompt, second: EncodedPrompt) -> EncodedPrompt:
    """The second's tokens after the first's."""
    from sdkit.sampling import concat

    return _joined(first, second, concat(first.embeddings, second.embeddings))


@node(category="prompts")
def prompt_strength(prompt: EncodedPrompt, strength: Weight = 1.0) -> EncodedPrompt:
    """The prompt with another share among those that it is combined with."""
    from sdkit.sampling import with_strength

    return replace(prompt, embeddings=with_strength(prompt.embeddings, strength))


@node(category="prompts")
def prompt_area(
    prompt: EncodedPrompt,
    left: Share = 0.0,
    top: Share = 0.0,
    width: Share = 1.0,
    height: Share = 1.0,
    strength: Weight = 1.0,
) -> EncodedPrompt:
    """The prompt for one rectangle of the picture only, in shares of its sides."""
    from sdkit.sampling import with_area
    from sdkit.types import Area

    return replace(prompt, embeddings=with_area(prompt.embeddings, Area(top, left, height, width), strength))


@node(category="prompts")
def prompt_mask(prompt: EncodedPrompt, mask: Mask, strength: Weight = 1.0, bounds: bool = False) -> EncodedPrompt:
    """The prompt where a mask is; with `bounds`, the model is shown the mask's bounding box alone."""
    from sdkit.sampling import with_mask

    return replace(prompt, embeddings=with_mask(prompt.embeddings, mask, strength, bounds=bounds))


@node(category="prompts")
def prompt_range(pipeline: Pipeline, prompt: EncodedPrompt, start: Share = 0.0, end: Share = 1.0) -> EncodedPrompt:
    """The prompt for a part of the way only, in shares of the training timesteps; 0 is noise alone."""
    from sdkit.sampling import with_range

    return replace(prompt, embeddings=with_range(prompt.embeddings, pipeline.model.spec, start, end))


def _joined(first: EncodedPrompt, second: EncodedPrompt, embeddings: tuple[Embedding, ...]) -> EncodedPrompt:
    return replace(first, embeddings=embeddings, transformed=first.transformed or second.transformed)
