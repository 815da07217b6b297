"""Reading the architecture of networks off the shapes in a checkpoint.

No torch. What shapes cannot tell (the number of attention heads, activation functions) the family supplies. Sizes that
do not fit together are not checked here: building the network and comparing every shape does that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sdkit.models.architecture import (
    ClipImageArchitecture,
    ClipTextArchitecture,
    TransformerArchitecture,
    UNetArchitecture,
    VaeArchitecture,
)

if TYPE_CHECKING:
    from sdkit.models.checkpoint import TensorInfo

MOST_CHILDREN = 64
"""Most layers, blocks or levels that are believed; building tens of thousands, as one name in a small file can claim,
would take minutes before the missing weights are noticed."""
MOST_LEVELS = 8
"""Most resolutions of a VAE; each has all its layers again."""
HEAD = 64
"""Channels of an attention head in every published CLIP tower, SD2 and SDXL; narrower levels have one head."""


class Unrecognised(Exception):
    """A part is not there, or is of another kind; the message completes "declined because …"."""


class Shapes:
    """The shapes under one prefix of a checkpoint."""

    def __init__(self, infos: Mapping[str, TensorInfo], prefix: str) -> None:
        self.prefix = prefix
        self._shapes = {key.removeprefix(prefix): info.shape for key, info in infos.items() if key.startswith(prefix)}
        self._children: dict[str, int] = {}

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
        if stem not in self._children:
            names = (key.removeprefix(stem).split(".", 1)[0] for key in self._shapes if key.startswith(stem))
            self._children[stem] = max((int(n) + 1 for n in names if n.isdecimal() and len(n) < 5), default=0)
        count = self._children[stem]
        if count > MOST_CHILDREN:
            raise Unrecognised(f"{self.prefix}{stem} is numbered up to {count - 1}, further than in any known model")
        return count


def read_unet(shapes: Shapes, heads_per_level: int | None) -> UNetArchitecture:
    """Read a U-Net off the shapes under `model.diffusion_model.`; None heads per level are heads of 64 channels."""
    stem = shapes.of("input_blocks.0.0.weight", 4)
    widths: list[int] = [stem[0]]
    depths: list[list[int]] = [[]]
    for index in range(1, shapes.children("input_blocks.")):
        block = f"input_blocks.{index}."
        if f"{block}0.op.weight" in shapes:
            widths.append(0)
            depths.append([])
            continue
        widths[-1] = shapes.of(f"{block}0.in_layers.2.weight", 4)[0]
        depths[-1].append(shapes.children(f"{block}1.transformer_blocks."))
    blocks = [len(level) for level in depths]
    if not blocks[0] or len(set(blocks)) != 1:
        raise Unrecognised(f"its U-Net has {blocks} residual blocks per level, not the same number at each")
    per_level = blocks[0] + 1
    depths_up = [
        tuple(
            shapes.children(f"output_blocks.{place * per_level + index}.1.transformer_blocks.")
            for index in range(per_level)
        )
        for place in range(len(widths))
    ]
    middle = shapes.children("middle_block.1.transformer_blocks.") if shapes.children("middle_block.") else None
    attention = _an_attention(shapes)
    projection = shapes.of(f"{attention}proj_in.weight", 2 if _has_dimensions(shapes, attention, 2) else 4)
    return UNetArchitecture(
        in_channels=stem[1],
        out_channels=shapes.of("out.2.weight", 4)[0],
        widths=tuple(widths),
        layers=blocks[0],
        depths=tuple(tuple(level) for level in depths),
        depths_up=tuple(reversed(depths_up)),
        middle=middle,
        heads=tuple(heads_per_level or max(1, width // HEAD) for width in widths),
        context=shapes.of(f"{attention}transformer_blocks.0.attn2.to_k.weight", 2)[1],
        linear_projections=len(projection) == 2,
        summary=shapes.of("label_emb.0.0.weight", 2)[1] if "label_emb.0.0.weight" in shapes else 0,
        guidance=shapes.of("time_embed.cond_proj.weight", 2)[1] if "time_embed.cond_proj.weight" in shapes else 0,
    )


def _an_attention(shapes: Shapes) -> str:
    """The place of the first attention to be found, in the middle or on the way up."""
    if "middle_block.1.proj_in.weight" in shapes:
        return "middle_block.1."
    for index in range(shapes.children("output_blocks.")):
        if f"output_blocks.{index}.1.proj_in.weight" in shapes:
            return f"output_blocks.{index}.1."
    raise Unrecognised("its U-Net has no cross-attention")


def _has_dimensions(shapes: Shapes, attention: str, dimensions: int) -> bool:
    try:
        return bool(shapes.of(f"{attention}proj_in.weight", dimensions))
    except Unrecognised:
        return False


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


def read_clip_text(shapes: Shapes, activation: str = "quick_gelu", *, projects: bool = False) -> ClipTextArchitecture:
    """Read a text tower off the shapes under the prefix of a CLIP model, in Hugging Face's names."""
    vocabulary, width = shapes.of("text_model.embeddings.token_embedding.weight", 2)
    return ClipTextArchitecture(
        transformer=_read_transformer(shapes, width, "text_model.", activation),
        vocabulary=vocabulary,
        positions=shapes.of("text_model.embeddings.position_embedding.weight", 2)[0],
        projection=shapes.of("text_projection.weight", 2)[0] if projects else 0,
    )


def read_clip_image(shapes: Shapes) -> ClipImageArchitecture:
    """Read an image tower and both projections off the shapes under the prefix of a CLIP model."""
    tower = "vision_model.embeddings."
    width, _, patch, _ = shapes.of(f"{tower}patch_embedding.weight", 4)
    positions = shapes.of(f"{tower}position_embedding.weight", 2)[0]
    projection, text_width = shapes.of("text_projection.weight", 2)
    return ClipImageArchitecture(
        transformer=_read_transformer(shapes, width, "vision_model.", "quick_gelu"),
        patch=patch,
        side=patch * round((positions - 1) ** 0.5),
        projection=projection,
        text_width=text_width,
    )


def _read_transformer(shapes: Shapes, width: int, stem: str, activation: str) -> TransformerArchitecture:
    heads = max(1, width // HEAD)
    if width % heads:
        raise Unrecognised(f"the width {width} of {shapes.prefix}{stem}encoder does not divide into {heads} heads")
    return TransformerArchitecture(
        width=width,
        layers=shapes.children(f"{stem}encoder.layers."),
        heads=heads,
        hidden=shapes.of(f"{stem}encoder.layers.0.mlp.fc1.weight", 2)[0],
        activation=activation,
    )
