"""From the prompts of a run to its conditioning: parsed, with textual inversions looked up, each encoded once, with the
steps in which each of them counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch

from sdkit.models.embeddings import TextualInversions
from sdkit.models.summary import negative_size
from sdkit.prompts import spans
from sdkit.sampling import combine, compose, stack_embeddings, with_mask
from sdkit.types import Embedding, Prompt, Run

Branch = tuple[Embedding, ...]
Part = tuple[Branch, float]

AHEAD = 1e-3
"""Relative. By how much a span's lowest sigma is above the next span's first one."""


@dataclass
class Encoder:
    """What encodes one run's prompts, each distinct one once.

    `parse` and `encode` go through the plugins. `inversions`: where the prompts' textual inversions are, if anywhere;
    those that are missing are told in the run's warnings.
    """

    run: Run
    parse: Callable[[str], Prompt]
    encode: Callable[[Prompt], Embedding]
    inversions: TextualInversions | None = None
    _parsed: dict[str, Prompt] = field(default_factory=dict[str, Prompt])
    _encoded: dict[object, Embedding] = field(default_factory=dict[object, Embedding])

    def branches(self, positive: Sequence[str], negative: Sequence[str]) -> tuple[Branch, Branch]:
        """Both branches, with one row where all pictures share a prompt, else with one for each.

        The negative prompt's parts are a mean, weighted; the positive one's pull away from it, each by its weight.
        Some families are told something else of the picture with the negative prompt.
        """
        width, height = self.run.request.size
        size = negative_size(self.run.spec.family, height, width)
        away_from = tuple(replace(e, size=e.size or size) for e in self._branch(negative, _mean))
        return self._branch(positive, lambda parts: compose(parts, away_from)), away_from

    def _branch(self, texts: Sequence[str], join: Callable[[Sequence[Part]], Branch]) -> Branch:
        """One branch. Pictures whose prompts differ in their parts' weights have embeddings of their own, which count
        for them alone."""
        rows = [_parts(self._read(text)) for text in texts]
        kinds = list(dict.fromkeys(tuple(part.weight for part in row) for row in rows))
        joined: list[Branch] = []
        for weights in kinds:
            mine = [tuple(part.weight for part in row) == weights for row in rows]
            model = rows[mine.index(True)]  # fills the rows of the other pictures
            parts = [
                (self._over_time([row[i] if own else model[i] for row, own in zip(rows, mine, strict=True)]), weight)
                for i, weight in enumerate(weights)
            ]
            branch = join(parts)
            joined.append(branch if len(kinds) == 1 else with_mask(branch, torch.tensor(mine).float()[:, None, None]))
        return combine(*joined)

    def _over_time(self, row: Sequence[Prompt]) -> Branch:
        """One prompt per picture, as embeddings that follow each other on the way."""
        steps = max(len(self.run.sigmas) - 1, 1)
        timelines = [{span.first: span.prompt for span in spans(prompt, steps)} for prompt in dict.fromkeys(row)]
        saying = dict(zip(dict.fromkeys(row), timelines, strict=True))
        starts = sorted({first for timeline in timelines for first in timeline})
        now: dict[Prompt, Prompt] = {}
        embeddings: list[Embedding] = []
        for first, following in zip(starts, [*starts[1:], None], strict=True):
            now |= {prompt: timeline[first] for prompt, timeline in saying.items() if first in timeline}
            embedding = self._rows([now[prompt] for prompt in row])
            sigmas = None if len(starts) == 1 else self._sigmas(first, following)
            embeddings.append(replace(embedding, sigmas=sigmas))
        return tuple(embeddings)

    def _sigmas(self, first: int, following: int | None) -> tuple[float, float]:
        """The sigmas from the `first` step on, until the `following` span begins: an evaluation in between belongs to
        the step before it."""
        sigmas = self.run.sigmas
        highest = float("inf") if first == 1 else sigmas[first - 1] * (1 + AHEAD)
        return highest, 0.0 if following is None else sigmas[following - 1] * (1 + AHEAD)

    def _rows(self, prompts: Sequence[Prompt]) -> Embedding:
        embeddings = [self._embedding(prompt) for prompt in prompts]
        return embeddings[0] if len(set(map(id, embeddings))) == 1 else stack_embeddings(embeddings)

    def _embedding(self, prompt: Prompt) -> Embedding:
        said = prompt.dialect, prompt.segments
        if said not in self._encoded:
            self._encoded[said] = self.encode(prompt)
        return self._encoded[said]

    def _read(self, text: str) -> Prompt:
        if text not in self._parsed:
            prompt = self.parse(text)
            if self.inversions is not None:
                prompt, warnings = self.inversions.resolve(prompt)
                self.run.warnings.extend(warning for warning in warnings if warning not in self.run.warnings)
            self._parsed[text] = prompt
        return self._parsed[text]


def _parts(prompt: Prompt) -> tuple[Prompt, ...]:
    return prompt.parts or (prompt,)


def _mean(parts: Sequence[Part]) -> Branch:
    return tuple(replace(e, strength=e.strength * weight) for branch, weight in parts for e in branch)
