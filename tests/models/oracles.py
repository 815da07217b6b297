"""diffusers' and transformers' networks with a checkpoint's weights: what sdkit's own networks are held against."""

from collections.abc import Mapping

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor
from transformers.models.clip.configuration_clip import CLIPConfig, CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPModel, CLIPTextModelWithProjection

from sdkit.models.architecture import TransformerArchitecture
from sdkit.models.diffusers_names import unet_names_for_diffusers, vae_names_for_diffusers
from sdkit.models.diffusion_family import Architecture


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
    names = unet_names_for_diffusers(weights)
    model.load_state_dict({names[name]: weight for name, weight in weights.items()})
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
    names = vae_names_for_diffusers(weights)
    named = {names[name]: weight for name, weight in weights.items()}
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
