"""Conditioning algebra: plain functions that join encoded prompts, and say where and when each of them counts.

::

    fox, snow = pipe.encode("a red fox").positive, pipe.encode("snow").positive
    both = combine(fox, with_area(snow, Area(0.5, 0, 0.5, 1)))       # snow in the lower half
    pipe.sample(Conditioning(both, pipe.encode("text").positive))

Everywhere a branch, a tuple of embeddings, goes in and a new one comes out; nothing is changed in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import torch

from sdkit.errors import RequestError
from sdkit.sampling.parameterisations import parameterisation
from sdkit.types import Area, Embedding

if TYPE_CHECKING:
    from sdkit.types import ModelSpec

Branch: TypeAlias = Sequence[Embedding]
"""The embeddings of one branch, as in `Conditioning.positive`."""


def concat(branch: Branch, other: Branch) -> tuple[Embedding, ...]:
    """Each embedding with the tokens of the other branch's first one after its own: `[·, T₁ + T₂, C]`.

    Everything else is as it was, pooled vectors included. Raises RequestError where widths or rows do not fit.
    """
    (tail,) = _first(other, "concat")
    return tuple(
        replace(embedding, context=torch.cat(_rows_alike(embedding.context, tail.context, "concat"), dim=1))
        for embedding in branch
    )


def average(branch: Branch, other: Branch, share: float) -> tuple[Embedding, ...]:
    """Each embedding blended with the other branch's first one: share·own + (1 − share)·other, token by token.

    Where the other has more tokens, they are left out; where it has fewer, they are filled up with zeros. Pooled
    vectors are blended, too; one that only one of them has is taken. Raises RequestError where widths or rows do not
    fit.
    """
    (second,) = _first(other, "average")
    return tuple(_blended(embedding, second, share) for embedding in branch)


def combine(*branches: Branch) -> tuple[Embedding, ...]:
    """All embeddings side by side, each predicting on its own: their predictions' mean, weighted by strength."""
    return tuple(embedding for branch in branches for embedding in branch)


def compose(parts: Sequence[tuple[Branch, float]], negative: Branch) -> tuple[Embedding, ...]:
    """A positive branch of several, each of which pulls away from the negative branch by its weight: uncond +
    Σ weight·(cond − uncond), and not their mean (Liu et al., arXiv:2206.01714; `AND` in A1111).

    That is Σ weight·cond + (1 − Σ weight)·uncond: the negative branch stands in it with what the weights leave up to 1,
    so that all strengths add up to 1, and the mean by strength is that sum. `parts`: branches whose own strengths add
    up to 1 at every sigma, with their weights.
    """
    pulling = tuple(replace(e, strength=e.strength * weight) for branch, weight in parts for e in branch)
    left = 1.0 - sum(weight for _, weight in parts)
    return pulling if abs(left) < 1e-6 else (*pulling, *(replace(e, strength=e.strength * left) for e in negative))


def with_strength(branch: Branch, strength: float) -> tuple[Embedding, ...]:
    """The embeddings with this share where several make one branch."""
    return tuple(replace(embedding, strength=strength) for embedding in branch)


def with_area(branch: Branch, area: Area, strength: float = 1.0) -> tuple[Embedding, ...]:
    """The embeddings for one rectangle of the picture only, which the model is shown alone, with `strength` times their
    share. Raises RequestError for one that is outside the picture or has no size."""
    if not (0 <= area.top < 1 and 0 <= area.left < 1 and area.height > 0 and area.width > 0):
        raise RequestError(
            f"an area's top and left must be in 0…1, its sides above 0, as shares of the picture's sides; got {area}"
        )
    return tuple(replace(embedding, area=area, strength=embedding.strength * strength) for embedding in branch)


def with_mask(
    branch: Branch, mask: torch.Tensor, strength: float = 1.0, *, bounds: bool = False
) -> tuple[Embedding, ...]:
    """The embeddings where a mask is, `[h, w]` or `[1 or B, h, w]`, 0…1, of any resolution, with `strength` times their
    share.

    `bounds`: show the model the bounding box of the mask alone, not the whole picture. Raises RequestError for another
    shape.
    """
    if mask.ndim not in (2, 3):
        raise RequestError(f"a conditioning's mask must be [h, w] or [B, h, w], not {list(mask.shape)}")
    mask = mask if mask.ndim == 3 else mask[None]
    return tuple(
        replace(e, mask=mask, strength=e.strength * strength, area="mask" if bounds else e.area) for e in branch
    )


def with_range(branch: Branch, spec: ModelSpec, start: float = 0.0, end: float = 1.0) -> tuple[Embedding, ...]:
    """The embeddings for a part of the way only: from the share `start` of the model's training timesteps to the share
    `end`, 0 being noise alone. Both ends are in it.

    Raises RequestError where the end comes before the start.
    """
    if not start <= end:
        raise RequestError(f"a range must not end before it starts; got {start} to {end}")
    rules = parameterisation(spec)
    sigmas = rules.percent_to_sigma(start), rules.percent_to_sigma(end)
    return tuple(replace(embedding, sigmas=sigmas) for embedding in branch)


def zero_out(branch: Branch) -> tuple[Embedding, ...]:
    """The embeddings with zeros for their features and pooled vectors: what some models were trained to see as no
    prompt."""
    return tuple(
        replace(
            embedding,
            context=torch.zeros_like(embedding.context),
            pooled=None if embedding.pooled is None else torch.zeros_like(embedding.pooled),
        )
        for embedding in branch
    )


def _first(branch: Branch, what: str) -> Branch:
    if not branch:
        raise RequestError(f"{what} needs an embedding on both sides; the second branch is empty")
    return branch[:1]


def _rows_alike(first: torch.Tensor, second: torch.Tensor, what: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Two contexts with the same number of rows."""
    rows = max(len(first), len(second))
    if first.shape[-1] != second.shape[-1] or any(len(each) not in (1, rows) for each in (first, second)):
        raise RequestError(
            f"{what}: contexts of shapes {list(first.shape)} and {list(second.shape)} do not fit together"
        )
    return first.expand(rows, -1, -1), second.to(first).expand(rows, -1, -1)


def _blended(embedding: Embedding, second: Embedding, share: float) -> Embedding:
    own, other = _rows_alike(embedding.context, second.context, "average")
    tokens = own.shape[1]
    other = torch.nn.functional.pad(other[:, :tokens], (0, 0, 0, max(0, tokens - other.shape[1])))
    pooled = second.pooled if embedding.pooled is None else embedding.pooled
    if embedding.pooled is not None and second.pooled is not None:
        pooled = embedding.pooled * share + second.pooled.to(embedding.pooled) * (1.0 - share)
    return replace(embedding, context=own * share + other * (1.0 - share), pooled=pooled)
