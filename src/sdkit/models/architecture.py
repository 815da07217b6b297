"""Descriptions of networks. Pure data: no torch. `reading.py` reads them off the shapes in a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class UNetArchitecture:
    """A U-Net of the LDM kind. Levels are listed from the finest to the coarsest.

    `widths`: channels per level. `layers`: residual blocks per level on the way down (one more on the way up).
    `depths`: transformer blocks after each residual block on the way down, by level, 0 for none; `depths_up`: on the
    way up, in the order of computation within a level. `middle`: those in the middle, between two residual blocks; 0
    is a middle of one residual block, and None no middle at all, as in distilled models. `heads`: attention heads by
    level. `context`: channels of the text embedding. `linear_projections`: whether attention sits between linear
    layers (SD2, SDXL) or 1×1 convolutions (SD1). `summary`: channels of the vector that SDXL takes besides the text
    (pooled text and picture sizes), 0 for none. `guidance`: channels of the embedded guidance scale, which distilled
    latent consistency models take (arXiv:2310.04378), 0 for none.
    """

    in_channels: int
    out_channels: int
    widths: tuple[int, ...]
    layers: int
    depths: tuple[tuple[int, ...], ...]
    depths_up: tuple[tuple[int, ...], ...]
    middle: int | None
    heads: tuple[int, ...]
    context: int
    linear_projections: bool = False
    summary: int = 0
    guidance: int = 0


@dataclass(frozen=True)
class VaeArchitecture:
    """A convolutional autoencoder of the LDM kind; `widths` per level, finest first; `layers` per level in the
    encoder."""

    widths: tuple[int, ...]
    layers: int
    latent_channels: int

    @property
    def factor(self) -> int:
        """Pixels per latent along a side."""
        return 2 ** (len(self.widths) - 1)


@dataclass(frozen=True)
class TransformerArchitecture:
    """The transformer in a CLIP tower; `activation` is "quick_gelu" or "gelu"."""

    width: int
    layers: int
    heads: int
    hidden: int
    activation: str = "quick_gelu"


@dataclass(frozen=True)
class ClipTextArchitecture:
    """CLIP's text tower; `positions` is the most tokens it can see at once; `projection` the channels of the vector
    that sums a text up, 0 where the tower does not project it."""

    transformer: TransformerArchitecture
    vocabulary: int
    positions: int
    projection: int = 0


@dataclass(frozen=True)
class ClipImageArchitecture:
    """CLIP's image tower, with the two projections into the space that texts and pictures share."""

    transformer: TransformerArchitecture
    patch: int
    side: int
    projection: int
    text_width: int
