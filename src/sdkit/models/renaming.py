"""Other programs' names for weights, shown as the names of sdkit's networks: rules, and a view of files through them.

The U-Net and the VAE go by their names in the original checkpoints, text towers by Hugging Face's. What a file stores
otherwise (diffusers' names, OpenCLIP's, fused or transposed matrices, 1×1 convolutions as matrices) is shown as views
of the mapped file; nothing is copied.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

QKV = ("q_proj", "k_proj", "v_proj")


@dataclass(frozen=True)
class Place:
    """The name of a weight, and how it is made from the stored tensor: the `third` of its rows (0, 1, 2), or
    `transposed`."""

    name: str
    third: int | None = None
    transposed: bool = False

    def shape(self, stored: tuple[int, ...]) -> tuple[int, ...]:
        """The weight's shape, of a stored tensor of this one."""
        if self.transposed:
            stored = stored[::-1]
        if self.third is not None and stored:
            stored = (stored[0] // 3, *stored[1:])
        if len(stored) == 2 and _VAE_ATTENTION.search(self.name):
            stored = (*stored, 1, 1)
        return stored


Rename = Callable[[str], Iterable[Place]]
"""From a stored name to the weights that are in it; none where it is no weight of the network."""

_VAE_ATTENTION = re.compile(r"coder\.mid\.attn_1\.(q|k|v|proj_out)\.weight$")


# ── single files ─────────────────────────────────────────────────────────────────────────────────────────────────────

_OPEN_CLIP = re.compile(r"(cond_stage_model\.model\.|conditioner\.embedders\.\d\.model\.)(.+)")
_BARE_CLIP = re.compile(
    r"(cond_stage_model\.transformer\.|conditioner\.embedders\.\d\.transformer\.)"
    r"((?:embeddings|encoder|final_layer_norm)\..+)"
)


def single_file_places(key: str) -> Iterable[Place]:
    """The weights in one tensor of a checkpoint in a single file."""
    if found := _OPEN_CLIP.fullmatch(key):
        return [Place(found[1] + place.name, place.third, place.transposed) for place in open_clip_places(found[2])]
    if found := _BARE_CLIP.fullmatch(key):
        return [Place(f"{found[1]}text_model.{found[2]}")]
    return [Place(key)]


# ── text towers ──────────────────────────────────────────────────────────────────────────────────────────────────────

_OPEN_CLIP_NAMES = {
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
}
_OPEN_CLIP_LAYER = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}


def open_clip_places(name: str) -> list[Place]:
    """The weights of a text tower in one tensor of OpenCLIP's layout, without prefix."""
    if name in _OPEN_CLIP_NAMES:
        return [Place(_OPEN_CLIP_NAMES[name])]
    if name == "text_projection":
        return [Place("text_projection.weight", transposed=True)]
    if found := re.fullmatch(r"transformer\.resblocks\.(\d+)\.(.+)", name):
        layer, rest = f"text_model.encoder.layers.{found[1]}.", found[2]
        if rest.startswith("attn.in_proj_"):
            kind = rest.removeprefix("attn.in_proj_")
            return [Place(f"{layer}self_attn.{part}.{kind}", third) for third, part in enumerate(QKV)]
        stem, _, kind = rest.rpartition(".")
        if stem in _OPEN_CLIP_LAYER:
            return [Place(f"{layer}{_OPEN_CLIP_LAYER[stem]}.{kind}")]
    return [Place(name)]


def transformers_places(name: str) -> list[Place]:
    """The weights of a text tower in Hugging Face's layout, without prefix; transformers 5 leaves out `text_model.`."""
    if name.startswith(("embeddings.", "encoder.", "final_layer_norm.")):
        return [Place(f"text_model.{name}")]
    return [Place(name)]


# ── diffusers' U-Net ─────────────────────────────────────────────────────────────────────────────────────────────────

_RESIDUAL = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "time_embedding.cond_proj": "time_embed.cond_proj",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_UNET_LAYER = re.compile(
    r"(?:(down|up)_blocks\.(\d+)|mid_block)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)"
)


def diffusers_unet_names(names: Iterable[str]) -> dict[str, str]:
    """Diffusers' names of a U-Net's weights (or of its modules) → the original ones, as far as they are any.

    How many blocks a level has, and which have attention, is seen from the names, so all of them are needed.
    """
    names = list(names)
    layers = len(_numbers(names, "down_blocks.0.resnets."))
    attentive = {
        name.split(".attentions.")[0] for name in names if name.startswith("up_blocks.") and ".attentions." in name
    }
    renamed: dict[str, str] = {}
    for name in names:
        new = _unet_name(name, layers, attentive)
        if new is not None:
            renamed[name] = new
    return renamed


def _numbers(names: Iterable[str], stem: str) -> set[str]:
    return {name.removeprefix(stem).split(".", 1)[0] for name in names if name.startswith(stem)}


def _unet_name(name: str, layers: int, attentive: set[str]) -> str | None:
    for old, new in _ENDS.items():
        if name == old or name.startswith(f"{old}."):
            return new + name.removeprefix(old)
    found = _UNET_LAYER.fullmatch(name)
    if found is None:
        return None
    side, level, what, index, rest = found.groups()
    place = int(index)
    if what == "resnets":
        stem = next((old for old in _RESIDUAL if rest == old or rest.startswith(f"{old}.")), None)
        if stem is None:
            return None
        rest = _RESIDUAL[stem] + rest.removeprefix(stem)
    if side is None:
        return f"middle_block.{2 * place if what == 'resnets' else 1}.{rest}"
    if side == "down":
        if what == "downsamplers":
            return f"input_blocks.{(int(level) + 1) * (layers + 1)}.0.op{rest.removeprefix('conv')}"
        return f"input_blocks.{1 + int(level) * (layers + 1) + place}.{int(what == 'attentions')}.{rest}"
    block = int(level) * (layers + 1)
    if what == "upsamplers":
        return f"output_blocks.{block + layers}.{1 + (f'up_blocks.{level}' in attentive)}.{rest}"
    return f"output_blocks.{block + place}.{int(what == 'attentions')}.{rest}"


# ── diffusers' VAE ───────────────────────────────────────────────────────────────────────────────────────────────────

_ATTENTION = {
    "group_norm": "norm",
    "to_q": "q", "query": "q",
    "to_k": "k", "key": "k",
    "to_v": "v", "value": "v",
    "to_out.0": "proj_out", "proj_attn": "proj_out",
}  # fmt: skip
_VAE_LAYER = re.compile(
    r"(encoder|decoder)\.(?:(?:down|up)_blocks\.(\d+)|mid_block)"
    r"\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)"
)


def diffusers_vae_names(names: Iterable[str]) -> dict[str, str]:
    """Diffusers' names of a VAE's weights → the original ones, as far as they are any; older spellings, too."""
    names = list(names)
    last = len(_numbers(names, "decoder.up_blocks.")) - 1
    renamed: dict[str, str] = {}
    for name in names:
        new = _vae_name(name, last)
        if new is not None:
            renamed[name] = new
    return renamed


def _vae_name(name: str, last: int) -> str | None:
    if re.fullmatch(r"(post_)?quant_conv\..+|(en|de)coder\.conv_(in|out)\..+", name):
        return name
    if re.fullmatch(r"(en|de)coder\.conv_norm_out\..+", name):
        return name.replace("conv_norm_out", "norm_out")
    found = _VAE_LAYER.fullmatch(name)
    if found is None:
        return None
    side, level, what, index, rest = found.groups()
    if what == "attentions":
        stem = next((old for old in _ATTENTION if rest.startswith(f"{old}.")), None)
        return None if stem is None else f"{side}.mid.attn_1.{_ATTENTION[stem]}{rest.removeprefix(stem)}"
    rest = rest.replace("conv_shortcut", "nin_shortcut")
    if level is None:
        return f"{side}.mid.block_{int(index) + 1}.{rest}"
    stem = f"encoder.down.{level}" if side == "encoder" else f"decoder.up.{last - int(level)}"
    if what == "resnets":
        return f"{stem}.block.{index}.{rest}"
    return f"{stem}.{'downsample' if what == 'downsamplers' else 'upsample'}.{rest}"


def table(renamed: Mapping[str, str]) -> Rename:
    """A rule that looks names up."""
    return lambda key: [Place(renamed[key])] if key in renamed else []


def below(prefix: str, rename: Rename, to: str = "") -> Rename:
    """A rule for the keys under a prefix, which becomes another one; other keys are no weights."""

    def places(key: str) -> list[Place]:
        if not key.startswith(prefix):
            return []
        return [Place(to + place.name, place.third, place.transposed) for place in rename(key.removeprefix(prefix))]

    return places
