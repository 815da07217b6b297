"""Patches inside the noise predictor: functions around its attention layers and between its blocks, for one run.

They travel with the call, so the network itself stays as it is and other runs see nothing of them. Where there are
none, they cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import torch

Part = Literal["input", "middle", "output"]
"""Of a U-Net: the way down, what is between, the way up."""


@dataclass(frozen=True, eq=False)
class NetworkCall:
    """One call of the noise predictor, as patches see it.

    `sigma`: the noise std that it is called at; `timestep`: what the network is told of it. `shape`: of the latents in
    this call, `[R, C, h, w]`. `branches`: the R rows are as many groups of equal size, one after another, and each
    group counts in these branches: `(("negative",), ("positive",))`. `whole`: whether the latents are the whole
    picture's, and not those of an area.
    """

    sigma: float
    timestep: float
    shape: tuple[int, int, int, int]
    branches: tuple[tuple[str, ...], ...]
    whole: bool = True

    def rows(self, branch: str) -> tuple[slice, ...]:
        """The rows of a branch, a slice per group."""
        size = self.shape[0] // len(self.branches)
        return tuple(slice(i * size, (i + 1) * size) for i, names in enumerate(self.branches) if branch in names)


@dataclass(frozen=True, eq=False, slots=True)
class BlockSite:
    """A block of the network: the one numbered `block`, from 0, of a part, in the original layout's numbers (the middle
    is number 0). `base`: channels of the network's finest level, which others are multiples of."""

    part: Part
    block: int
    base: int
    call: NetworkCall


@dataclass(frozen=True, eq=False, slots=True)
class AttentionSite:
    """An attention layer: in which block (see `BlockSite`), in the transformer block numbered `index` there; `kind`:
    among the pixels or to the text. `heads`; `size`: height and width of the feature map whose pixels are the tokens,
    in raster order; `base` and `call` as in `BlockSite`."""

    part: Part
    block: int
    index: int
    kind: Literal["self", "cross"]
    heads: int
    size: tuple[int, int]
    base: int
    call: NetworkCall


class Attend(Protocol):
    """What a patch finds in its place: an attention layer, or its inner part, with the patches inside of it."""

    def __call__(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, /) -> torch.Tensor: ...


PatchedAttention = Callable[["Attend", "torch.Tensor", "torch.Tensor", "torch.Tensor", "AttentionSite"], "torch.Tensor"]
"""`(attend, query, key, value, site)` → what `attend(query, key, value)` would return."""


@dataclass(frozen=True, eq=False)
class AttentionPatch:
    """Functions around attention layers: what `attention_patches` returns.

    `layer`: around a whole layer. Query, key and value are what it makes them of, `[R, tokens, C]`: the normalised
    feature map three times, or the feature map and the text twice; what comes out, `[R, tokens, C]`, is added to the
    feature map. `mixing`: around the layer's inside, after the projections: query, key and value by head,
    `[R, heads, tokens, C / heads]`, and what comes out is of the query's shape and will be projected.

    Every attention layer calls them; they return `attend(query, key, value)` where they have nothing to do. They do not
    change the tensors that they get.
    """

    layer: PatchedAttention | None = None
    mixing: PatchedAttention | None = None


BlockFunction = Callable[["torch.Tensor", "BlockSite"], "torch.Tensor"]
"""`(x, site)` → what is to take the place of the feature map `x`, `[R, C, h, w]`."""

SkipFunction = Callable[["torch.Tensor", "torch.Tensor", "BlockSite"], "tuple[torch.Tensor, torch.Tensor]"]
"""`(x, skip, site)` → both as an output block is to get them: what comes up from below, and what was kept on the way
down, `[R, C, h, w]` each, joined after this."""


@dataclass(frozen=True, eq=False)
class BlockPatch:
    """Functions between blocks: what `block_patches` returns.

    `input`: on what an input block puts out, before it is kept for the way up; `down`: after that, on its way to the
    next block. `middle`: on what the middle puts out. `output`: on what an output block gets. They do not change the
    tensors that they get. Heights and widths may be changed, as long as `output` makes both of a block's equal.
    """

    input: BlockFunction | None = None
    down: BlockFunction | None = None
    middle: BlockFunction | None = None
    output: SkipFunction | None = None


@dataclass(frozen=True, eq=False)
class NetworkPatches:
    """All patches of a run. Of attention patches, the last one is the outermost; block patches go one after another."""

    attention: tuple[AttentionPatch, ...] = ()
    blocks: tuple[BlockPatch, ...] = ()

    def __add__(self, other: NetworkPatches) -> NetworkPatches:
        """These, and then others around them."""
        return NetworkPatches(self.attention + other.attention, self.blocks + other.blocks)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.attention or self.blocks)


@dataclass(frozen=True, eq=False)
class CallPatches:
    """The patches of a run with the call that they are for: what `DiffusionModel.predict` takes."""

    patches: NetworkPatches
    call: NetworkCall
