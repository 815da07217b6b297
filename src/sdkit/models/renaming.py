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


def open_clip_name(name: str) -> tuple[str, int | None]:
    """The way back: OpenCLIP's name of the tensor that a weight is in, and which third of its rows it is, if it is one.
    There, `text_projection` is transposed. What has no name there keeps its own."""
    if found := re.fullmatch(r"text_model\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)", name):
        number, module, kind = found.groups()
        layer = f"transformer.resblocks.{number}."
        if module.removeprefix("self_attn.") in QKV:
            return f"{layer}attn.in_proj_{kind}", QKV.index(module.removeprefix("self_attn."))
        theirs = next((theirs for theirs, ours in _OPEN_CLIP_LAYER.items() if ours == module), None)
        return (name if theirs is None else f"{layer}{theirs}.{kind}"), None
    if name == "text_projection.weight":
        return "text_projection", None
    return next((theirs for theirs, ours in _OPEN_CLIP_NAMES.items() if ours == name), name), None


def transformers_places(name: str) -> list[Place]:
    """The weights of a text tower in Hugging Face's layout, without prefix; transformers 5 leaves out `text_model.`."""
    if name.startswith(("embeddings.", "encoder.", "final_layer_norm.")):
        return [Place(f"text_model.{name}")]
    return [Place(name)]


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────────────────────


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
