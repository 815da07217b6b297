"""Evaluating the model: several branches of the conditioning in one batched call, as denoised latents per branch.

What depends on the conditioning alone (rows expanded to the batch, contexts repeated to one length and concatenated) is
prepared once per set of branches and kept for the run, not made anew in every step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from sdkit.errors import RequestError, SamplingError
from sdkit.types import Embedding

if TYPE_CHECKING:
    from sdkit.sampling.parameterisations import Parameterisation
    from sdkit.types import Conditioning, DiffusionModel, Evaluate

MOST_REPEATS = 4
"""How often a context may be repeated to reach a common length. Beyond it two calls are cheaper than one long one."""


def make_evaluate(model: DiffusionModel, parameterisation: Parameterisation, conditioning: Conditioning) -> Evaluate:
    """Bind a model and a conditioning: `evaluate(x, sigma, names)` → denoised latents, `[B, C, h, w]`, by branch name.

    Names are "positive" and "negative"; they are evaluated in the order given. A branch of several embeddings is their
    mean, weighted by `strength`. Contexts of different lengths are repeated to their least common multiple, which does
    not change cross-attention, if no context is repeated more than four times; else they go in separate calls. Raises
    SamplingError for an unknown branch, an empty one, or embeddings whose rows do not fit the batch.
    """
    branches = {"positive": conditioning.positive, "negative": conditioning.negative}
    plans: dict[tuple[tuple[str, ...], int], tuple[_Call, ...]] = {}

    def evaluate(x: torch.Tensor, sigma: float, names: tuple[str, ...]) -> dict[str, torch.Tensor]:
        batch = x.shape[0]
        calls = plans.get((names, batch))
        if calls is None:
            calls = plans[names, batch] = _plan(branches, names, batch)
        scaled, timestep = parameterisation.scale_input(x, sigma), parameterisation.timestep(sigma)
        sums: dict[str, torch.Tensor] = {}
        for call in calls:
            n = len(call.shares)
            output = model.predict(scaled.repeat(n, 1, 1, 1) if n > 1 else scaled, timestep, call.embedding)
            denoised = parameterisation.denoised(x, output.view(n, *x.shape), sigma)
            for (name, share), whole in zip(call.shares, denoised, strict=True):
                part = whole if share == 1.0 else whole * share
                sums[name] = sums[name] + part if name in sums else part
        return sums

    return evaluate


@dataclass(frozen=True, eq=False)
class _Call:
    """One call of the model: embeddings of the same length, stacked, and which share of which branch each one is."""

    embedding: Embedding
    shares: tuple[tuple[str, float], ...]


def _plan(branches: dict[str, tuple[Embedding, ...]], names: tuple[str, ...], batch: int) -> tuple[_Call, ...]:
    groups: list[list[tuple[str, float, Embedding]]] = []
    for name in names:
        for share, embedding in _shares(branches, name):
            _check_rows(name, embedding, batch)
            member = name, share, embedding
            group = next((group for group in groups if _fits([e for _, _, e in group], embedding)), None)
            if group is None:
                groups.append([member])
            else:
                group.append(member)
    return tuple(
        _Call(stack_embeddings([e for _, _, e in group], batch), tuple((name, share) for name, share, _ in group))
        for group in groups
    )


def _shares(branches: dict[str, tuple[Embedding, ...]], name: str) -> list[tuple[float, Embedding]]:
    if name not in branches:
        raise SamplingError(f"there is no branch {name!r} to evaluate; there are {', '.join(branches)}")
    embeddings = [embedding for embedding in branches[name] if embedding.strength != 0]
    total = sum(embedding.strength for embedding in embeddings)
    if not embeddings or total == 0:
        raise SamplingError(f"the {name} branch has no embedding, or their strengths add up to 0")
    return [(embedding.strength / total, embedding) for embedding in embeddings]


def _check_rows(name: str, embedding: Embedding, batch: int) -> None:
    for what, tensor in (("context", embedding.context), ("pooled", embedding.pooled)):
        if tensor is not None and tensor.shape[0] not in (1, batch):
            raise SamplingError(
                f"the {name} branch has a {what} of shape {list(tensor.shape)}, but the batch is of {batch} images; "
                f"its first size must be 1 or {batch}"
            )


def _fits(group: Sequence[Embedding], embedding: Embedding) -> bool:
    first = group[0]
    if first.context.shape[2:] != embedding.context.shape[2:] or (first.pooled is None) != (embedding.pooled is None):
        return False
    lengths = [member.context.shape[1] for member in (*group, embedding)]
    return math.lcm(*lengths) <= MOST_REPEATS * min(lengths)


def stack_embeddings(embeddings: Sequence[Embedding], batch: int = 1) -> Embedding:
    """Several embeddings as the rows of one, each expanded to `batch` rows: `[len(embeddings)·batch, T, C]`.

    Contexts of different lengths are repeated to their least common multiple, which cross-attention does not notice.
    Raises RequestError where that is more than four times the longest.
    """
    lengths = sorted({embedding.context.shape[1] for embedding in embeddings})
    length = math.lcm(*lengths)
    if length > MOST_REPEATS * lengths[-1]:
        raise RequestError(
            f"prompts of {' and '.join(map(str, lengths))} tokens cannot share a batch: their lengths have no small "
            "common multiple; use batch_size=1, or prompts of similar length"
        )
    contexts = [e.context.repeat(1, length // e.context.shape[1], 1).expand(batch, -1, -1) for e in embeddings]
    pooled = [e.pooled.expand(batch, -1) for e in embeddings if e.pooled is not None]
    if len(embeddings) == 1:
        return Embedding(contexts[0], pooled[0] if pooled else None)
    return Embedding(torch.cat(contexts), torch.cat(pooled) if pooled else None)
