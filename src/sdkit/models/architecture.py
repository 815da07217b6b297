"""Descriptions of networks, and how to read them off the shapes in a checkpoint of the original (LDM) layout.

Pure data: no torch. What shapes cannot tell (the number of attention heads, activation functions) the family supplies.
Sizes that do not fit together are not checked here: building the network and comparing every shape does that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdkit.models.checkpoint import TensorInfo


MOST_CHILDREN = 64
"""Most layers, blocks or levels that are believed; building tens of thousands, as one name in a small file can claim,
would take minutes before the missing weights are noticed."""
MOST_LEVELS = 8
"""Most resolutions of a VAE; each has all its layers again."""


class Unrecognised(Exception):
    """A part is not there, or is of another kind; the message completes "declined because …"."""


@dataclass(frozen=True)
class UNetArchitecture:
    """A U-Net of the LDM kind. Levels are listed from the finest to the coarsest.

    `widths`: channels per level. `layers`: residual blocks per level on the way down (one more on the way up).
    `depths`: transformer blocks after each residual block, by level, 0 for none. `middle_depth`: those in the middle.
    `heads`: attention heads by level. `context`: channels of the text embedding. `linear_projections`: whether
    attention sits between linear layers (SD2, SDXL) or 1×1 convolutions (SD1).
    """

    in_channels: int
    out_channels: int
    widths: tuple[int, ...]
    layers: int
    depths: tuple[int, ...]
    middle_depth: int
    heads: tuple[int, ...]
    context: int
    linear_projections: bool = False


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
    """CLIP's text tower; `positions` is the most tokens it can see at once."""

    transformer: TransformerArchitecture
    vocabulary: int
    positions: int


@dataclass(frozen=True)
class ClipImageArchitecture:
    """CLIP's image tower, with the two projections into the space that texts and pictures share."""

    transformer: TransformerArchitecture
    patch: int
    side: int
    projection: int
    text_width: int


class Shapes:
    """The shapes under one prefix of a checkpoint."""

    def __init__(self, infos: Mapping[str, TensorInfo], prefix: str) -> None:
        self.prefix = prefix
        self._shapes = {key.removeprefix(prefix): info.shape for key, info in infos.items() if key.startswith(prefix)}

    def __contains__(self, key: str) -> bool:
        return key in self._shapes

    def __bool__(self) -> bool:
        return bool(self._shapes)

    def of(self, key: str, dimensions: int) -> tuple[int, ...]:
        """The shape of a tensor that must be there. Raises Unrecognised if it is missing or has other dimensions."""
        shape = self._shapes.get(key)
        if shape is None:
            raise Unrecognised(f"it has no {self.prefix}{key}")
        if len(shape) != dimensions or 0 in shape:
            raise Unrecognised(f"{self.prefix}{key} has the shape {list(shape)}, not {dimensions} dimensions")
        return shape

    def children(self, stem: str) -> int:
        """How many numbered children `stem` has: the largest number plus one, 0 for none. Raises Unrecognised for more
        than any known model has."""
        names = (key.removeprefix(stem).split(".", 1)[0] for key in self._shapes if key.startswith(stem))
        count = max((int(name) + 1 for name in names if name.isdecimal() and len(name) < 5), default=0)
        if count > MOST_CHILDREN:
            raise Unrecognised(f"{self.prefix}{stem} is numbered up to {count - 1}, further than in any known model")
        return count


def read_unet(shapes: Shapes, heads_per_level: int) -> UNetArchitecture:
    """Read a U-Net off the shapes under `model.diffusion_model.`."""
    stem = shapes.of("input_blocks.0.0.weight", 4)
    widths: list[int] = [stem[0]]
    depths: list[int] = [0]
    blocks: list[int] = [0]
    for index in range(1, shapes.children("input_blocks.")):
        block = f"input_blocks.{index}."
        if f"{block}0.op.weight" in shapes:
            widths.append(0)
            depths.append(0)
            blocks.append(0)
            continue
        widths[-1] = shapes.of(f"{block}0.in_layers.2.weight", 4)[0]
        depths[-1] = shapes.children(f"{block}1.transformer_blocks.")
        blocks[-1] += 1
    if not blocks[0] or len(set(blocks)) != 1:
        raise Unrecognised(f"its U-Net has {blocks} residual blocks per level, not the same number at each")
    middle_depth = shapes.children("middle_block.1.transformer_blocks.")
    if not middle_depth:
        raise Unrecognised("its U-Net has no cross-attention in the middle")
    first = "middle_block.1."
    return UNetArchitecture(
        in_channels=stem[1],
        out_channels=shapes.of("out.2.weight", 4)[0],
        widths=tuple(widths),
        layers=blocks[0],
        depths=tuple(depths),
        middle_depth=middle_depth,
        heads=(heads_per_level,) * len(widths),
        context=shapes.of(f"{first}transformer_blocks.0.attn2.to_k.weight", 2)[1],
        linear_projections=f"{first}proj_in.weight" in shapes and not _is_convolution(shapes, f"{first}proj_in.weight"),
    )


def read_vae(shapes: Shapes) -> VaeArchitecture:
    """Read an autoencoder off the shapes under `first_stage_model.`."""
    levels = shapes.children("encoder.down.")
    if not levels:
        raise Unrecognised(f"it has no {shapes.prefix}encoder.down.0: no VAE")
    if levels > MOST_LEVELS:
        raise Unrecognised(f"its VAE has {levels} levels, more than any known one")
    return VaeArchitecture(
        widths=tuple(shapes.of(f"encoder.down.{level}.block.0.conv1.weight", 4)[0] for level in range(levels)),
        layers=shapes.children("encoder.down.0.block."),
        latent_channels=shapes.of("post_quant_conv.weight", 4)[0],
    )


def read_clip_text(shapes: Shapes) -> ClipTextArchitecture:
    """Read a text tower off the shapes under `…text_model.` (the names of Hugging Face's CLIP)."""
    vocabulary, width = shapes.of("embeddings.token_embedding.weight", 2)
    return ClipTextArchitecture(
        transformer=_read_transformer(shapes, width),
        vocabulary=vocabulary,
        positions=shapes.of("embeddings.position_embedding.weight", 2)[0],
    )


def read_clip_image(shapes: Shapes) -> ClipImageArchitecture:
    """Read an image tower and both projections off the shapes under `cond_stage_model.transformer.`."""
    tower = "vision_model.embeddings."
    width, _, patch, _ = shapes.of(f"{tower}patch_embedding.weight", 4)
    positions = shapes.of(f"{tower}position_embedding.weight", 2)[0]
    projection, text_width = shapes.of("text_projection.weight", 2)
    return ClipImageArchitecture(
        transformer=_read_transformer(shapes, width, "vision_model."),
        patch=patch,
        side=patch * round((positions - 1) ** 0.5),
        projection=projection,
        text_width=text_width,
    )


def _read_transformer(shapes: Shapes, width: int, stem: str = "") -> TransformerArchitecture:
    heads = max(1, width // 64)  # every published CLIP tower has heads of 64 channels
    if width % heads:
        raise Unrecognised(f"the width {width} of {shapes.prefix}{stem}encoder does not divide into {heads} heads")
    return TransformerArchitecture(
        width=width,
        layers=shapes.children(f"{stem}encoder.layers."),
        heads=heads,
        hidden=shapes.of(f"{stem}encoder.layers.0.mlp.fc1.weight", 2)[0],
    )


def _is_convolution(shapes: Shapes, key: str) -> bool:
    try:
        return bool(shapes.of(key, 4))
    except Unrecognised:
        return False
