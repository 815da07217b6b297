"""Token merging (Bolya and Hoffman, arXiv:2303.17604): similar pixels ask attention one question together.

Of every square of four pixels, one is kept, by chance; of all the others, the share that is most similar to a kept one
is merged into it. Chance comes from a generator with a fixed seed, made for each run, so that a picture depends on its
own seed alone, and on nobody's global state.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from sdkit.types import Attend, AttentionPatch, AttentionSite

SEED = 0
SQUARE = 2


def tome(ratio: float) -> AttentionPatch:
    """Around the layers among the pixels at the finest level: `ratio` of the queries are merged into others."""
    generator = torch.Generator().manual_seed(SEED)

    def layer(
        attend: Attend, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, site: AttentionSite
    ) -> torch.Tensor:
        finest = site.kind == "self" and site.size == site.call.shape[-2:]
        count = int(query.shape[1] * ratio)
        if not finest or not count or 1 in site.size or query.shape[1] != site.size[0] * site.size[1]:
            return attend(query, key, value)
        merging = merging_of(query, site.size, count, generator)
        return merging.undo(attend(merging.merge(query), key, value))

    return AttentionPatch(layer=layer)


@dataclass(frozen=True, eq=False)
class Merging:
    """Which tokens go where. `kept`: `[K]`; `alone`: `[R, A]`, those that stay as they are; `merged`: `[R, M]`, those
    that go into kept ones, and `into`: `[R, M]`, into which of `kept`."""

    kept: torch.Tensor
    alone: torch.Tensor
    merged: torch.Tensor
    into: torch.Tensor

    def merge(self, tokens: torch.Tensor) -> torch.Tensor:
        """`[R, N, C]` → `[R, A + K, C]`: those that stay, then the kept ones, each the mean with what goes into it."""
        kept = tokens[:, self.kept]
        into = self.into[..., None].expand(-1, -1, tokens.shape[-1])
        kept = kept.scatter_reduce(1, into, _pick(tokens, self.merged), reduce="mean")
        return torch.cat((_pick(tokens, self.alone), kept), dim=1)

    def undo(self, tokens: torch.Tensor) -> torch.Tensor:
        """The way back, `[R, N, C]`: every token that was merged gets what its kept one has."""
        count = self.alone.shape[1]
        alone, kept = tokens[:, :count], tokens[:, count:]
        every = torch.cat((self.alone, self.kept.expand(len(tokens), -1), self.merged), dim=1)
        whole = torch.cat((alone, kept, _pick(kept, self.into)), dim=1)
        return torch.empty_like(whole).scatter(1, every[..., None].expand_as(whole), whole)


def merging_of(tokens: torch.Tensor, size: tuple[int, int], count: int, generator: torch.Generator) -> Merging:
    """What to merge of `[R, N, C]`, a feature map's pixels: the `count` that are most similar, by cosine, to one of
    those that are kept; all that are not kept, if there are no more."""
    kept, others = _squares(size, generator)
    kept, others = kept.to(tokens.device), others.to(tokens.device)
    units = F.normalize(tokens, dim=-1)
    similarity, nearest = torch.matmul(units[:, others], units[:, kept].mT).max(dim=-1)
    order = similarity.argsort(dim=-1, descending=True)
    merged, alone = order[:, :count], order[:, count:]
    return Merging(kept, others[alone], others[merged], nearest.gather(1, merged))


def _squares(size: tuple[int, int], generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """The numbers of the pixels that are kept, one of every whole square, and of all others."""
    height, width = size
    high, wide = height // SQUARE, width // SQUARE
    chosen = torch.randint(SQUARE**2, (high, wide), generator=generator)
    rows = torch.arange(high)[:, None] * SQUARE + chosen // SQUARE
    columns = torch.arange(wide) * SQUARE + chosen % SQUARE
    kept = (rows * width + columns).flatten()
    left = torch.ones(height * width, dtype=torch.bool)
    left[kept] = False
    return kept, left.nonzero().flatten()


def _pick(tokens: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    return tokens.gather(1, numbers[..., None].expand(-1, -1, tokens.shape[-1]))
