"""The names that weights have in files of other programs: the original layout in a single file, and diffusers'.

Weights come by network and name, as in `DiffusionModel.weights`: `unet.input_blocks.0.0.weight`,
`text_encoder.text_model.…`, `vae.decoder.…`. This is the way back from `renaming.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sdkit.models.kinds import UNET, VAE
from sdkit.models.renaming import QKV
from sdkit.models.writing import Weight

if TYPE_CHECKING:
    import torch

    from sdkit.models.diffusion_family import Architecture

_OPEN_CLIP_ENDS = {
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.final_layer_norm.weight": "ln_final.weight",
    "text_model.final_layer_norm.bias": "ln_final.bias",
}
_OPEN_CLIP_LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
_LAYER = re.compile(r"text_model\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")


def by_network(weights: Iterable[Weight]) -> dict[str, list[Weight]]:
    """The weights of each network, under their names within it."""
    found: dict[str, list[Weight]] = {}
    for weight in weights:
        network, _, name = weight.name.partition(".")
        found.setdefault(network, []).append(weight.named(name))
    return found


def single_file(weights: Iterable[Weight], architecture: Architecture) -> list[Weight]:
    """The weights as the original programs name and store them: OpenCLIP's towers with fused matrices."""
    prefixes = {"unet": UNET, "vae": VAE, "image_tower": architecture.kind.encoders[0].prefixes[0]}
    prefixes |= {encoder.part: encoder.prefixes[0] for encoder in architecture.kind.encoders}
    found: list[Weight] = []
    for network, own in by_network(weights).items():
        prefix = prefixes[network]
        stored = open_clip(own) if prefix.endswith(".model.") else own
        found += [weight.named(prefix + weight.name) for weight in stored]
    return found


def open_clip(weights: Sequence[Weight]) -> list[Weight]:
    """A text tower in OpenCLIP's layout."""
    by_name = {weight.name: weight for weight in weights}
    found: list[Weight] = []
    for name, weight in by_name.items():
        layer = _LAYER.fullmatch(name)
        if name in _OPEN_CLIP_ENDS:
            found.append(weight.named(_OPEN_CLIP_ENDS[name]))
        elif name == "text_projection.weight":
            found.append(replace(weight, name="text_projection", shape=weight.shape[::-1], make=_transposed(weight)))
        elif layer is None:
            found.append(weight)
        elif layer[2] in _OPEN_CLIP_LAYER:
            found.append(weight.named(f"transformer.resblocks.{layer[1]}.{_OPEN_CLIP_LAYER[layer[2]]}.{layer[3]}"))
        elif layer[2] == f"self_attn.{QKV[0]}":
            thirds = [by_name[name.replace(QKV[0], third)] for third in QKV]
            shape = (3 * weight.shape[0], *weight.shape[1:])
            stem = f"transformer.resblocks.{layer[1]}.attn.in_proj_{layer[3]}"
            found.append(replace(weight, name=stem, shape=shape, make=_joined(thirds)))
    return found


def _transposed(weight: Weight) -> Callable[[], torch.Tensor]:
    return lambda: weight.make().T


def _joined(thirds: Sequence[Weight]) -> Callable[[], torch.Tensor]:
    def make() -> torch.Tensor:
        import torch

        return torch.cat([third.make() for third in thirds])

    return make


# ── diffusers ────────────────────────────────────────────────────────────────────────────────────────────────────────

_RESIDUAL = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_ENDS = {
    "input_blocks.0.0": "conv_in",
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "time_embed.cond_proj": "time_embedding.cond_proj",
    "label_emb.0.0": "add_embedding.linear_1",
    "label_emb.0.2": "add_embedding.linear_2",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
_BLOCK = re.compile(r"(input|output)_blocks\.(\d+)\.(\d+)\.(.+)|middle_block\.(\d+)\.(.+)")
_VAE_ATTENTION = re.compile(r"(encoder|decoder)\.mid\.attn_1\.(norm|q|k|v|proj_out)\.(weight|bias)")
_VAE_ATTENTION_NAMES = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}


def diffusers_unet(weights: Sequence[Weight], layers: int) -> list[Weight]:
    """A U-Net under diffusers' names; `layers`: residual blocks per level on the way down."""
    return [weight.named(_unet_name(weight.name, layers)) for weight in weights]


def _unet_name(name: str, layers: int) -> str:
    stem, _, kind = name.rpartition(".")
    if stem in _ENDS:
        return f"{_ENDS[stem]}.{kind}"
    found = _BLOCK.fullmatch(name)
    if found is None:
        raise AssertionError(f"no U-Net has a weight {name}")
    side, number, place, rest, middle, middle_rest = found.groups()
    if middle is not None:
        inner = _residual(middle_rest)
        return f"mid_block.resnets.{int(middle) // 2}.{inner}" if inner else f"mid_block.attentions.0.{middle_rest}"
    level, layer = divmod(int(number) - (side == "input"), layers + 1)
    block = f"{'down' if side == 'input' else 'up'}_blocks.{level}"
    if place == "0" and rest.startswith("op."):
        return f"{block}.downsamplers.0.conv.{kind}"
    if rest in ("conv.weight", "conv.bias"):
        return f"{block}.upsamplers.0.{rest}"
    inner = _residual(rest)
    return f"{block}.resnets.{layer}.{inner}" if inner else f"{block}.attentions.{layer}.{rest}"


def _residual(rest: str) -> str:
    """A name within a residual block; "" if it is none of one."""
    stem, _, kind = rest.rpartition(".")
    return f"{_RESIDUAL[stem]}.{kind}" if stem in _RESIDUAL else ""


def diffusers_vae(weights: Sequence[Weight], levels: int) -> list[Weight]:
    """A VAE under diffusers' names; its attention's 1×1 convolutions become matrices."""
    found: list[Weight] = []
    for weight in weights:
        attention = _VAE_ATTENTION.fullmatch(weight.name)
        if attention is None:
            found.append(weight.named(_vae_name(weight.name, levels)))
            continue
        side, part, kind = attention.groups()
        named = weight.named(f"{side}.mid_block.attentions.0.{_VAE_ATTENTION_NAMES[part]}.{kind}")
        found.append(replace(named, shape=weight.shape[:2], make=_matrix(weight)) if len(weight.shape) == 4 else named)
    return found


def _vae_name(name: str, levels: int) -> str:
    name = re.sub(r"mid\.block_(\d)", lambda found: f"mid_block.resnets.{int(found[1]) - 1}", name)
    name = re.sub(r"\.up\.(\d)", lambda found: f".up_blocks.{levels - 1 - int(found[1])}", name)
    name = re.sub(r"\.down\.(\d)", r".down_blocks.\1", name).replace(".block.", ".resnets.")
    name = name.replace(".downsample.", ".downsamplers.0.").replace(".upsample.", ".upsamplers.0.")
    return name.replace("nin_shortcut", "conv_shortcut").replace("norm_out", "conv_norm_out")


def _matrix(weight: Weight) -> Callable[[], torch.Tensor]:
    return lambda: weight.make().reshape(weight.shape[:2])
