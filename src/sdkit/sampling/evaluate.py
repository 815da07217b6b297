"""Evaluating the model: several branches of the conditioning in one batched call, as denoised latents per branch.

What depends on the conditioning alone (which embeddings count at a sigma, rows expanded to the batch, contexts repeated
to one length and concatenated, the weight of each place) is prepared once per set of branches and kept for the run, not
made anew in every step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import torch

from sdkit.errors import RequestError, SamplingError
from sdkit.sampling.places import Place, Placed, lay_out, part_of, weights_of
from sdkit.types import CallPatches, Embedding, NetworkCall, SizeConditioning

if TYPE_CHECKING:
    from sdkit.sampling.parameterisations import Parameterisation
    from sdkit.types import Conditioning, DiffusionModel, Evaluate, NetworkPatches

MOST_REPEATS = 4
"""How often a context may be repeated to reach a common length. Beyond it two calls are cheaper than one long one."""

SIGMA_SLACK = 1e-5
"""Relative. The ends of a range are often sigmas of the schedule, which other roundings must not push out of it."""


def make_evaluate(
    model: DiffusionModel,
    parameterisation: Parameterisation,
    conditioning: Conditioning,
    patches: NetworkPatches | None = None,
) -> Evaluate:
    """Bind a model and a conditioning: `evaluate(x, sigma, names)` → denoised latents, `[B, C, h, w]`, by branch name.

    Names are "positive" and "negative"; they are evaluated in the order given. A branch of several embeddings is, in
    every place, Σ strength·prediction / Σ strength over those that count there at this sigma, and 0 where none does;
    `sdkit.sampling.places` says how much each of them counts where. One that belongs to both branches is evaluated
    once.

    Everything that looks at as many latent pixels goes in one call, areas in different places, too. Contexts of
    different lengths are repeated to their least common multiple, which does not change cross-attention, if no context
    is repeated more than four times; else they go in separate calls.

    `patches`: functions for the inside of the noise predictor, in every call.

    Raises SamplingError for an unknown branch, an empty one, or embeddings whose rows do not fit the batch.
    """
    layouts: dict[tuple[int, ...], _Layout] = {}

    def evaluate(x: torch.Tensor, sigma: float, names: tuple[str, ...]) -> dict[str, torch.Tensor]:
        shape = tuple(x.shape)
        layout = layouts.get(shape)
        if layout is None:
            layout = layouts[shape] = _Layout(conditioning, x, model.spec.latent_factor)
        calls = layout.calls(names, sigma)
        scaled, timestep = parameterisation.scale_input(x, sigma), parameterisation.timestep(sigma)
        sums: dict[str, torch.Tensor] = {}
        for call in calls:
            rows = _rows([part_of(scaled, place) for place in call.places])
            told = () if patches is None else (CallPatches(patches, call.seen(sigma, timestep, rows)),)
            outputs = model.predict(rows, timestep, call.embedding, *told)
            outputs = outputs.view(len(call.places), len(x), *rows.shape[1:])
            for place, shares, output in zip(call.places, call.shares, outputs, strict=True):
                denoised = parameterisation.denoised(part_of(x, place), output, sigma)
                for name, share in shares:
                    part = denoised if share is None else denoised * share
                    if place is not None:
                        part = _within(part, place, x)
                    sums[name] = sums[name] + part if name in sums else part
        for name in names:
            if name not in sums:
                sums[name] = torch.zeros_like(x)
        return sums

    return evaluate


Share = float | torch.Tensor | None
"""How much an embedding counts in a branch: everywhere alike, by place `[1 or B, 1, h, w]`, or, None, alone."""


@dataclass(frozen=True, eq=False)
class _Member:
    """An embedding to evaluate in a place, and its share of each branch that it belongs to."""

    embedding: Embedding
    place: Place | None
    shares: list[tuple[str, Share]]


@dataclass(frozen=True, eq=False)
class _Call:
    """One call of the model: embeddings of one length, stacked, in places of one size; each one's place, and its shares
    of the branches."""

    embedding: Embedding
    places: tuple[Place | None, ...]
    shares: tuple[tuple[tuple[str, Share], ...], ...]

    def seen(self, sigma: float, timestep: float, rows: torch.Tensor) -> NetworkCall:
        """The call as patches see it."""
        r, c, h, w = rows.shape
        branches = tuple(tuple(name for name, _ in shares) for shares in self.shares)
        return NetworkCall(sigma, timestep, (r, c, h, w), branches, whole=None in self.places)


class _Layout:
    """The calls for latents of one shape, prepared when they are first wanted."""

    def __init__(self, conditioning: Conditioning, x: torch.Tensor, factor: int) -> None:
        positive, negative = lay_out(conditioning.positive, conditioning.negative, x)
        self._branches = {"positive": positive, "negative": negative}
        self._ranged = [placed for branch in (positive, negative) for placed in branch if placed.embedding.sigmas]
        self._whole = SizeConditioning(x.shape[-2] * factor, x.shape[-1] * factor)
        self._like = x.new_empty(()).expand(x.shape)  # its shape, dtype and device, without holding on to it
        self._plans: dict[tuple[object, ...], tuple[_Call, ...]] = {}

    def calls(self, names: tuple[str, ...], sigma: float) -> tuple[_Call, ...]:
        """What to ask the model for some branches at a sigma."""
        key = names, tuple(_counts(placed.embedding, sigma) for placed in self._ranged)
        calls = self._plans.get(key)
        if calls is None:
            calls = self._plans[key] = self._planned(names, sigma)
        return calls

    def _planned(self, names: tuple[str, ...], sigma: float) -> tuple[_Call, ...]:
        members: dict[object, _Member] = {}
        for name in names:
            for placed, share in self._shares(name, sigma):
                embedding, place = placed.embedding, placed.place
                if place is not None and (place.height, place.width) == self._like.shape[-2:]:
                    place = None
                said = id(embedding.context), id(embedding.pooled), id(embedding.channels), embedding.size
                member = members.setdefault((said, place), _Member(embedding, place, []))
                member.shares.append((name, share))
        groups: list[list[_Member]] = []
        for member in members.values():
            group = next((group for group in groups if _fits(group, member)), None)
            if group is None:
                groups.append([member])
            else:
                group.append(member)
        return tuple(_call(group, len(self._like), self._whole) for group in groups)

    def _shares(self, name: str, sigma: float) -> list[tuple[Placed, Share]]:
        """What counts of a branch at a sigma, and which share of it each is."""
        if name not in self._branches:
            raise SamplingError(f"there is no branch {name!r} to evaluate; there are {', '.join(self._branches)}")
        branch = self._branches[name]
        if not branch:
            raise SamplingError(f"the {name} branch has no embedding, or all their strengths are 0")
        for placed in branch:
            _check_rows(name, placed.embedding, len(self._like))
        now = [placed for placed in branch if _counts(placed.embedding, sigma)]
        if any(placed.place is not None or placed.mask is not None for placed in now):
            return list(zip(now, weights_of(now, self._like), strict=True))
        total = sum(placed.embedding.strength for placed in now)
        if now and total == 0:
            raise SamplingError(f"the strengths of the {name} branch's embeddings add up to 0")
        strengths = [placed.embedding.strength for placed in now]
        return [(placed, None if own == total else own / total) for placed, own in zip(now, strengths, strict=True)]


def _counts(embedding: Embedding, sigma: float) -> bool:
    if embedding.sigmas is None:
        return True
    highest, lowest = embedding.sigmas
    return lowest * (1 - SIGMA_SLACK) <= sigma <= highest * (1 + SIGMA_SLACK)


def _call(group: Sequence[_Member], batch: int, whole: SizeConditioning) -> _Call:
    embedding = stack_embeddings([_seen(member, whole) for member in group], batch)
    places = tuple(member.place for member in group)
    return _Call(embedding, places, tuple(tuple(member.shares) for member in group))


def _seen(member: _Member, whole: SizeConditioning) -> Embedding:
    """What the model is told in a place: the whole picture's size, and of further channels the place's own part."""
    embedding, place = member.embedding, member.place
    if place is None:
        return embedding
    channels = None if embedding.channels is None else part_of(embedding.channels, place)
    return replace(embedding, size=embedding.size or whole, channels=channels)


def _check_rows(name: str, embedding: Embedding, batch: int) -> None:
    for what in ("context", "pooled", "mask", "channels"):
        tensor = cast("torch.Tensor | None", getattr(embedding, what))
        if tensor is not None and tensor.shape[0] not in (1, batch):
            raise SamplingError(
                f"the {name} branch has a {what} of shape {list(tensor.shape)}, but the batch is of {batch} images; "
                f"its first size must be 1 or {batch}"
            )


def _fits(group: Sequence[_Member], member: _Member) -> bool:
    """Whether a member can go in the same call as a group."""
    first, other = group[0].embedding, member.embedding
    if _sides(group[0].place) != _sides(member.place) or first.size != other.size:
        return False
    if first.context.shape[2:] != other.context.shape[2:]:
        return False
    if (first.pooled is None, first.channels is None) != (other.pooled is None, other.channels is None):
        return False
    lengths = [each.embedding.context.shape[1] for each in (*group, member)]
    return math.lcm(*lengths) <= MOST_REPEATS * min(lengths)


def _sides(place: Place | None) -> tuple[int, int] | None:
    """Height and width, None for the whole picture."""
    return None if place is None else (place.height, place.width)


def _within(part: torch.Tensor, place: Place, x: torch.Tensor) -> torch.Tensor:
    """A part of the latents in its place, 0 around it."""
    whole = torch.zeros_like(x)
    part_of(whole, place).copy_(part)
    return whole


def stack_embeddings(embeddings: Sequence[Embedding], batch: int = 1) -> Embedding:
    """Several embeddings as the rows of one, each expanded to `batch` rows: `[len(embeddings)·batch, T, C]`; pooled
    vectors, size and further channels go along, and where and when they count does not.

    Contexts of different lengths are repeated to their least common multiple, which cross-attention does not notice.
    Raises RequestError where that is more than four times the longest, or where the pictures are of different sizes.
    """
    lengths = sorted({embedding.context.shape[1] for embedding in embeddings})
    length = math.lcm(*lengths)
    if length > MOST_REPEATS * lengths[-1]:
        raise RequestError(
            f"prompts of {' and '.join(map(str, lengths))} tokens cannot share a batch: their lengths have no small "
            "common multiple; use batch_size=1, or prompts of similar length"
        )
    size = embeddings[0].size
    if any(embedding.size != size for embedding in embeddings):
        raise RequestError("prompts for pictures of different sizes cannot share a batch; use batch_size=1")
    contexts = [e.context.repeat(1, length // e.context.shape[1], 1).expand(batch, -1, -1) for e in embeddings]
    pooled = [e.pooled.expand(batch, -1) for e in embeddings if e.pooled is not None]
    channels = [e.channels.expand(batch, -1, -1, -1) for e in embeddings if e.channels is not None]
    return Embedding(
        _rows(contexts), _rows(pooled) if pooled else None, size=size, channels=_rows(channels) if channels else None
    )


def _rows(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))
