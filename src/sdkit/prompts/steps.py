"""Prompts that change on the way: what a prompt says in which steps."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sdkit.types import Prompt, Segment


@dataclass(frozen=True)
class Span:
    """What a prompt says from the `first` step to the `last`, both included; the first step of a run is 1."""

    first: int
    last: int
    prompt: Prompt


def at_step(prompt: Prompt, step: int, steps: int) -> Prompt:
    """What a prompt says in the `step`-th of `steps`, the first being 1: a prompt that does not change any more.

    It is the prompt itself where nothing in it changes. Of prompts with parts, each part as it is then.
    """
    if prompt.parts:
        return replace(prompt, parts=tuple(at_step(part, step, steps) for part in prompt.parts))
    if not any(segment.when for segment in prompt.segments):
        return prompt
    segments: list[Segment] = []
    for segment in prompt.segments:
        if not all(when.at(step, steps) for when in segment.when):
            continue
        last = segments[-1] if segments else None
        if (
            last is not None
            and last.weight == segment.weight
            and not (segment.starts_window or segment.inversion or last.inversion)
        ):  # pieces of one word, perhaps
            segments[-1] = replace(last, text=last.text + segment.text)
        else:
            segments.append(replace(segment, when=()))
    text = "".join(segment.text for segment in segments)
    return replace(prompt, text=text, segments=tuple(segments) or (Segment(""),))


def spans(prompt: Prompt, steps: int) -> tuple[Span, ...]:
    """What a prompt says over a run of so many steps: as few spans as tell it, in order, without gaps."""
    found: list[Span] = []
    for step in range(1, max(steps, 1) + 1):
        now = at_step(prompt, step, max(steps, 1))
        if found and found[-1].prompt == now:
            found[-1] = replace(found[-1], last=step)
        else:
            found.append(Span(step, step, now))
    return tuple(found)
