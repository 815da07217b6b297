"""Diffusers' names for the weights of a U-Net and a VAE: one table of modules per network, read in both directions.

A table is made from how many levels and residual blocks a network has, which its own names show, in either layout. It
holds modules; names of weights, and of modules inside of these, go by the longest beginning that is in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

Pairs = Iterator[tuple[str, str]]
"""Diffusers' name of a module, and the original one."""

_RESIDUAL = (
    ("norm1", "in_layers.0"),
    ("conv1", "in_layers.2"),
    ("time_emb_proj", "emb_layers.1"),
    ("norm2", "out_layers.0"),
    ("conv2", "out_layers.3"),
    ("conv_shortcut", "skip_connection"),
)
_UNET_ENDS = (
    ("conv_in", "input_blocks.0.0"),
    ("time_embedding.linear_1", "time_embed.0"),
    ("time_embedding.linear_2", "time_embed.2"),
    ("time_embedding.cond_proj", "time_embed.cond_proj"),
    ("add_embedding.linear_1", "label_emb.0.0"),
    ("add_embedding.linear_2", "label_emb.0.2"),
    ("conv_norm_out", "out.0"),
    ("conv_out", "out.2"),
)
_VAE_ENDS = ("encoder.conv_in", "encoder.conv_out", "quant_conv", "post_quant_conv", "decoder.conv_in",
             "decoder.conv_out")  # fmt: skip
_VAE_ATTENTION = (
    ("group_norm", "norm"),
    ("to_q", "q"),
    ("to_k", "k"),
    ("to_v", "v"),
    ("to_out.0", "proj_out"),
    ("query", "q"),  # from here on as diffusers spelt them before 0.17
    ("key", "k"),
    ("value", "v"),
    ("proj_attn", "proj_out"),
)


# ── U-Net ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def diffusers_unet_names(names: Iterable[str]) -> dict[str, str]:
    """Diffusers' names of all of a U-Net's weights, or modules → the original ones, as far as they are any."""
    names = list(names)
    levels, layers = _count(names, "down_blocks."), _count(names, "down_blocks.0.resnets.")
    attentive = [level for level in range(levels) if _count(names, f"up_blocks.{level}.attentions.") > layers]
    return _renamed(names, dict(_unet_modules(levels, layers, attentive)))


def unet_names_for_diffusers(names: Iterable[str]) -> dict[str, str]:
    """The way back: original names of all of a U-Net's weights, or modules → diffusers'."""
    names = list(names)
    blocks = _count(names, "input_blocks.")
    halving = [number for number in range(blocks) if _count(names, f"input_blocks.{number}.0.", "op")]
    levels, layers = len(halving) + 1, (halving[0] if halving else blocks) - 1
    lasts = [level * (layers + 1) + layers for level in range(levels)]
    attentive = [level for level, last in enumerate(lasts) if _count(names, f"output_blocks.{last}.2.", "conv")]
    return _renamed(names, _inverse(_unet_modules(levels, layers, attentive)))


def _unet_modules(levels: int, layers: int, attentive: Collection[int]) -> Pairs:
    """Original blocks are numbered through, diffusers' by level. `attentive`: levels on the way up, the coarsest first,
    that end with an attention, so that what follows it has the number 2 there, and not 1."""
    yield from _UNET_ENDS
    for level in range(levels):
        down, up, first = f"down_blocks.{level}", f"up_blocks.{level}", level * (layers + 1)
        for index in range(layers):
            yield from _unet_block(down, index, f"input_blocks.{first + index + 1}")
        for index in range(layers + 1):
            yield from _unet_block(up, index, f"output_blocks.{first + index}")
        yield f"{down}.downsamplers.0.conv", f"input_blocks.{first + layers + 1}.0.op"
        yield f"{up}.upsamplers.0.conv", f"output_blocks.{first + layers}.{2 if level in attentive else 1}.conv"
    yield from _residual("mid_block.resnets.0", "middle_block.0")
    yield "mid_block.attentions.0", "middle_block.1"
    yield from _residual("mid_block.resnets.1", "middle_block.2")


def _unet_block(theirs: str, index: int, ours: str) -> Pairs:
    yield from _residual(f"{theirs}.resnets.{index}", f"{ours}.0")
    yield f"{theirs}.attentions.{index}", f"{ours}.1"


def _residual(theirs: str, ours: str) -> Pairs:
    for their, our in _RESIDUAL:
        yield f"{theirs}.{their}", f"{ours}.{our}"


# ── VAE ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def diffusers_vae_names(names: Iterable[str]) -> dict[str, str]:
    """Diffusers' names of all of a VAE's weights → the original ones, as far as they are any."""
    names = list(names)
    levels, layers = _count(names, "decoder.up_blocks."), _count(names, "decoder.up_blocks.0.resnets.") - 1
    return _renamed(names, dict(_vae_modules(levels, layers)))


def vae_names_for_diffusers(names: Iterable[str]) -> dict[str, str]:
    """The way back: original names of all of a VAE's weights → diffusers'."""
    names = list(names)
    levels, layers = _count(names, "decoder.up."), _count(names, "decoder.up.0.block.") - 1
    return _renamed(names, _inverse(_vae_modules(levels, layers)))


def _vae_modules(levels: int, layers: int) -> Pairs:
    """`layers`: residual blocks per level of the encoder; the decoder has one more. Original levels are numbered from
    the finest, in the decoder, too."""
    yield from zip(_VAE_ENDS, _VAE_ENDS, strict=True)
    for level in range(levels):
        down, up = f"encoder.down.{level}", f"decoder.up.{levels - 1 - level}"
        for index in range(layers):
            yield from _vae_block(f"encoder.down_blocks.{level}.resnets.{index}", f"{down}.block.{index}")
        for index in range(layers + 1):
            yield from _vae_block(f"decoder.up_blocks.{level}.resnets.{index}", f"{up}.block.{index}")
        yield f"encoder.down_blocks.{level}.downsamplers.0", f"{down}.downsample"
        yield f"decoder.up_blocks.{level}.upsamplers.0", f"{up}.upsample"
    for side in ("encoder", "decoder"):
        yield f"{side}.conv_norm_out", f"{side}.norm_out"
        yield from _vae_block(f"{side}.mid_block.resnets.0", f"{side}.mid.block_1")
        yield from _vae_block(f"{side}.mid_block.resnets.1", f"{side}.mid.block_2")
        for theirs, ours in _VAE_ATTENTION:
            yield f"{side}.mid_block.attentions.0.{theirs}", f"{side}.mid.attn_1.{ours}"


def _vae_block(theirs: str, ours: str) -> Pairs:
    yield theirs, ours
    yield f"{theirs}.conv_shortcut", f"{ours}.nin_shortcut"


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _inverse(pairs: Pairs) -> dict[str, str]:
    """Original modules → diffusers', the first spelling of those that have several."""
    found: dict[str, str] = {}
    for theirs, ours in pairs:
        found.setdefault(ours, theirs)
    return found


def _renamed(names: Iterable[str], modules: Mapping[str, str]) -> dict[str, str]:
    found = ((name, _by_longest(name, modules)) for name in names)
    return {name: new for name, new in found if new is not None}


def _by_longest(name: str, modules: Mapping[str, str]) -> str | None:
    stem, rest = name, ""
    while stem:
        if stem in modules:
            return modules[stem] + rest
        stem, _, last = stem.rpartition(".")
        rest = f".{last}{rest}"
    return None


def _count(names: Iterable[str], stem: str, child: str = "") -> int:
    """How many children of different names `stem` has; or whether it has the one of this name, as 1 or 0."""
    children = {name.removeprefix(stem).split(".", 1)[0] for name in names if name.startswith(stem)}
    return int(child in children) if child else len(children)
