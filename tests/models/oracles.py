"""diffusers' and transformers' networks with a checkpoint's weights: what sdkit's own networks are held against."""

import re
from collections.abc import Mapping

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor
from transformers.models.clip.configuration_clip import CLIPConfig, CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPModel, CLIPTextModelWithProjection

from sdkit.models.architecture import TransformerArchitecture
from sdkit.models.diffusion_family import Architecture

_RESNET = {
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


def diffusers_unet_name(name: str, layers: int) -> str:
    """The name in diffusers of a U-Net weight of the original layout (without its prefix)."""
    stem, kind = name.rsplit(".", 1)
    if stem in _ENDS:
        return f"{_ENDS[stem]}.{kind}"
    side, *numbers, rest = _numbered(stem)
    residual = next((new + rest.removeprefix(old) for old, new in _RESNET.items() if rest.startswith(old)), None)
    if side == "middle_block":
        return (
            f"mid_block.{f'resnets.{int(numbers[0]) // 2}.{residual}' if residual else f'attentions.0.{rest}'}.{kind}"
        )
    number = int(numbers[0]) - (side == "input_blocks")
    level, layer = divmod(number, layers + 1)
    block = f"{'down' if side == 'input_blocks' else 'up'}_blocks.{level}"
    if rest == "op":
        return f"{block}.downsamplers.0.conv.{kind}"
    if rest == "conv":
        return f"{block}.upsamplers.0.conv.{kind}"
    return f"{block}.{f'resnets.{layer}.{residual}' if residual else f'attentions.{layer}.{rest}'}.{kind}"


def _numbered(stem: str) -> tuple[str, ...]:
    """`input_blocks.3.1.norm` → side, block, place in it, rest; the middle block has no number of its own."""
    parts = stem.split(".")
    head = 2 if parts[0] == "middle_block" else 3
    return (*parts[:head], ".".join(parts[head:]))


def diffusers_vae_name(name: str, levels: int) -> str:
    """The name in diffusers of a VAE weight of the original layout (without its prefix)."""
    name = re.sub(r"mid\.block_(\d)", lambda m: f"mid_block.resnets.{int(m[1]) - 1}", name)
    name = name.replace("mid.attn_1.norm", "mid_block.attentions.0.group_norm")
    name = re.sub(r"mid\.attn_1\.([qkv])\.", r"mid_block.attentions.0.to_\1.", name)
    name = name.replace("mid.attn_1.proj_out", "mid_block.attentions.0.to_out.0")
    name = re.sub(r"\.up\.(\d)", lambda m: f".up_blocks.{levels - 1 - int(m[1])}", name)
    name = re.sub(r"\.down\.(\d)", r".down_blocks.\1", name).replace(".block.", ".resnets.")
    name = name.replace(".downsample.", ".downsamplers.0.").replace(".upsample.", ".upsamplers.0.")
    return name.replace("nin_shortcut", "conv_shortcut").replace("norm_out", "conv_norm_out")


def unet_oracle(
    architecture: Architecture, weights: Mapping[str, Tensor], time_cond_proj_dim: int | None = None
) -> UNet2DConditionModel:
    a = architecture.unet
    down = tuple("CrossAttnDownBlock2D" if any(depths) else "DownBlock2D" for depths in a.depths)
    up = tuple("CrossAttnUpBlock2D" if any(depths) else "UpBlock2D" for depths in reversed(a.depths))
    extra = {}
    if a.linear_projections:
        extra = {
            "use_linear_projection": True,
            "transformer_layers_per_block": [list(map(_one, depths)) for depths in a.depths],
            "reverse_transformer_layers_per_block": [list(map(_one, depths)) for depths in reversed(a.depths_up)],
        }
        if not a.middle:  # diffusers takes its depth from the last level
            extra["mid_block_type"] = "UNetMidBlock2D"
    if a.summary:
        numbers = architecture.kind.numbers
        extra |= {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": a.summary,
        }
        assert a.summary == architecture.texts[-1].architecture.projection + 256 * numbers
    model = UNet2DConditionModel(
        in_channels=a.in_channels,
        out_channels=a.out_channels,
        block_out_channels=a.widths,
        layers_per_block=a.layers,
        down_block_types=down,
        up_block_types=up,
        cross_attention_dim=a.context,
        attention_head_dim=a.heads,  # pyright: ignore[reportArgumentType] - the number of heads; declared as of one
        time_cond_proj_dim=time_cond_proj_dim,
        **extra,
    )
    model.load_state_dict({diffusers_unet_name(name, a.layers): weight for name, weight in weights.items()})
    return model.eval().requires_grad_(False)


def vae_oracle(architecture: Architecture, weights: Mapping[str, Tensor]) -> AutoencoderKL:
    a = architecture.vae
    model = AutoencoderKL(
        block_out_channels=a.widths,  # pyright: ignore[reportArgumentType] - declared as a tuple of one
        layers_per_block=a.layers,
        down_block_types=("DownEncoderBlock2D",) * len(a.widths),  # pyright: ignore[reportArgumentType]
        up_block_types=("UpDecoderBlock2D",) * len(a.widths),  # pyright: ignore[reportArgumentType]
        latent_channels=a.latent_channels,
    )
    shapes = {name: weight.shape for name, weight in model.state_dict().items()}
    named = {diffusers_vae_name(name, len(a.widths)): weight for name, weight in weights.items()}
    model.load_state_dict({name: weight.reshape(shapes[name]) for name, weight in named.items()})
    return model.eval().requires_grad_(False)


def clip_oracle(architecture: Architecture, weights: Mapping[str, Tensor]) -> CLIPModel:
    image = architecture.image
    assert image is not None
    text = {
        **_tower(architecture.texts[0].architecture.transformer),
        "max_position_embeddings": 77,
        "eos_token_id": 49407,
    }
    vision = {**_tower(image.transformer), "image_size": image.side, "patch_size": image.patch}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=image.projection)
    model = CLIPModel(config)
    model.load_state_dict({**weights, "logit_scale": torch.tensor(1.0)})
    return model.eval().requires_grad_(False)


def text_oracle(architecture: Architecture, number: int, weights: Mapping[str, Tensor]) -> CLIPTextModelWithProjection:
    """One of the text towers, of weights under Hugging Face's names."""
    a = architecture.texts[number].architecture
    tower = {**_tower(a.transformer), "projection_dim": a.projection or a.transformer.width, "eos_token_id": 49407}
    config = CLIPTextConfig.from_dict({**tower, "max_position_embeddings": 77})
    model = CLIPTextModelWithProjection(config)
    eye = {} if a.projection else {"text_projection.weight": torch.eye(a.transformer.width)}
    model.load_state_dict({**eye, **weights})
    return model.eval().requires_grad_(False)


def _one(depth: int) -> int:
    return max(1, depth)  # of blocks without attention, which have none whatever it is


def _tower(a: TransformerArchitecture) -> dict[str, int | str]:
    return {
        "hidden_size": a.width,
        "intermediate_size": a.hidden,
        "num_attention_heads": a.heads,
        "num_hidden_layers": a.layers,
        "hidden_act": a.activation,
    }
