"""The names that other programs give to the weights of sdkit's networks: the inverse of `renaming.py`."""

from __future__ import annotations

import re

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
_BLOCK = re.compile(r"(?:(input|output)_blocks\.(\d+)|middle_block)\.(\d+)\.(.+)")


def diffusers_unet_name(name: str, layers: int) -> str:
    """Diffusers' name of a U-Net's weight, in a U-Net of so many residual blocks per level. Raises KeyError for a name
    that is none."""
    for old, new in _ENDS.items():
        if name.startswith(f"{old}."):
            return new + name.removeprefix(old)
    found = _BLOCK.fullmatch(name)
    if found is None:
        raise KeyError(name)
    side, number, place, rest = found.groups()
    old = next((old for old in _RESIDUAL if rest.startswith(f"{old}.")), None)
    if old is not None:
        rest = _RESIDUAL[old] + rest.removeprefix(old)
    if side is None:
        return f"mid_block.resnets.{int(place) // 2}.{rest}" if old else f"mid_block.attentions.0.{rest}"
    level, index = divmod(int(number) - (side == "input"), layers + 1)
    block = f"{'down' if side == 'input' else 'up'}_blocks.{level}"
    if rest.startswith("op."):
        return f"{block}.downsamplers.0.conv.{rest.removeprefix('op.')}"
    if rest.startswith("conv."):
        return f"{block}.upsamplers.0.{rest}"
    return f"{block}.{'resnets' if old else 'attentions'}.{index}.{rest}"


_VAE_ATTENTION = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}


def diffusers_vae_name(name: str, levels: int) -> str:
    """Diffusers' name of a VAE's weight, in a VAE of so many levels. There, attention's 1×1 convolutions are
    matrices."""
    if found := re.fullmatch(r"(.+)\.mid\.attn_1\.(\w+)\.(\w+)", name):
        return f"{found[1]}.mid_block.attentions.0.{_VAE_ATTENTION[found[2]]}.{found[3]}"
    name = re.sub(r"\.mid\.block_(\d)\.", lambda m: f".mid_block.resnets.{int(m[1]) - 1}.", name)
    name = re.sub(r"\.down\.(\d)\.", r".down_blocks.\1.", name)
    name = re.sub(r"\.up\.(\d)\.", lambda m: f".up_blocks.{levels - 1 - int(m[1])}.", name)
    for old, new in (
        (".block.", ".resnets."),
        (".downsample.", ".downsamplers.0."),
        (".upsample.", ".upsamplers.0."),
        ("nin_shortcut", "conv_shortcut"),
        ("norm_out", "conv_norm_out"),
    ):
        name = name.replace(old, new)
    return name


_OPEN_CLIP = {
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.final_layer_norm.weight": "ln_final.weight",
    "text_model.final_layer_norm.bias": "ln_final.bias",
    "text_projection.weight": "text_projection",
}
_OPEN_CLIP_LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}


def open_clip_name(name: str) -> tuple[str, int | None]:
    """OpenCLIP's name of a text tower's weight, and which third of the rows of that tensor it is, if it is one. There,
    `text_projection` is transposed. Raises KeyError for a name that is none."""
    if name in _OPEN_CLIP:
        return _OPEN_CLIP[name], None
    found = re.fullmatch(r"text_model\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)", name)
    if found is None:
        raise KeyError(name)
    layer = f"transformer.resblocks.{found[1]}."
    if found[2] in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"):
        return f"{layer}attn.in_proj_{found[3]}", "qkv".index(found[2][-6])
    return f"{layer}{_OPEN_CLIP_LAYER[found[2]]}.{found[3]}", None
