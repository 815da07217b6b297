"""Where a run's patches are called inside the noise predictor. Nothing of this exists for a call without patches."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sdkit.types import Attend, AttentionSite, BlockSite, CallPatches
from sdkit.types.network import Part, PatchedAttention


@dataclass(frozen=True, eq=False)
class Inside:
    """The patches of a call, at one block: `block`, of a part of a network whose finest level has `base` channels.
    `index` and `size`: which transformer block within it, and the size of its feature map."""

    patches: CallPatches
    part: Part
    block: int
    base: int
    index: int = 0
    size: tuple[int, int] = (0, 0)

    @property
    def _site(self) -> BlockSite:
        return BlockSite(self.part, self.block, self.base, self.patches.call)

    def after_input(self, x: Tensor) -> Tensor:
        """What an input block put out, as it is kept."""
        for patch in self.patches.patches.blocks:
            x = x if patch.input is None else patch.input(x, self._site)
        return x

    def down(self, x: Tensor) -> Tensor:
        """What an input block put out, as the next block gets it."""
        for patch in self.patches.patches.blocks:
            x = x if patch.down is None else patch.down(x, self._site)
        return x

    def after_middle(self, x: Tensor) -> Tensor:
        """What the middle put out."""
        for patch in self.patches.patches.blocks:
            x = x if patch.middle is None else patch.middle(x, self._site)
        return x

    def before_output(self, x: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        """What an output block gets."""
        for patch in self.patches.patches.blocks:
            x, skip = (x, skip) if patch.output is None else patch.output(x, skip, self._site)
        return x, skip

    def within(self, index: int, size: torch.Size) -> Inside | None:
        """The same at a transformer block; None where no patch is for attention."""
        if not self.patches.patches.attention:
            return None
        return dataclasses.replace(self, index=index, size=(size[0], size[1]))

    def attentions(self, heads: int) -> tuple[AttentionPatches, AttentionPatches]:
        """The patches around both of a transformer block's attention layers: among the pixels, and to the text."""
        place = self.part, self.block, self.index
        more = heads, self.size, self.base, self.patches.call
        own, cross = AttentionSite(*place, "self", *more), AttentionSite(*place, "cross", *more)
        return AttentionPatches(self.patches, own), AttentionPatches(self.patches, cross)


@dataclass(frozen=True, eq=False)
class AttentionPatches:
    """The patches of a call, at one attention layer."""

    patches: CallPatches
    site: AttentionSite

    def layer(self, attend: Attend) -> Attend:
        """A whole attention layer with the patches around it."""
        for patch in self.patches.patches.attention:
            attend = attend if patch.layer is None else self._around(patch.layer, attend)
        return attend

    @property
    def mixing(self) -> Attend:
        """Attention by head with the patches around it."""
        attend: Attend = F.scaled_dot_product_attention
        for patch in self.patches.patches.attention:
            attend = attend if patch.mixing is None else self._around(patch.mixing, attend)
        return attend

    def _around(self, patched: PatchedAttention, attend: Attend) -> Attend:
        def attended(query: Tensor, key: Tensor, value: Tensor, /) -> Tensor:
            return patched(attend, query, key, value, self.site)

        return attended
