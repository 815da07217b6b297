"""Stage ``export``: one fp16 safetensors file in the original single-file layout of SD 1.5, with a model card."""

import hashlib
import json
import re
from datetime import date
from pathlib import Path
from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.models.clip.modeling_clip import CLIPModel

LATENT_SCALE = 0.18215
"""SD1's fixed factor between the autoencoder's latents and those the U-Net sees."""

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_UNET_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def unet_key(key: str, layers: int) -> str:
    """The single-file name (after ``model.diffusion_model.``) of a diffusers U-Net weight."""
    name, kind = key.rsplit(".", 1)
    if name in _UNET_ENDS:
        return f"{_UNET_ENDS[name]}.{kind}"
    if found := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d)\.(.+)", name):
        part, index, rest = found.groups()
        return f"middle_block.{1 if part == 'attentions' else 2 * int(index)}.{_RESNET.get(rest, rest)}.{kind}"
    found = re.fullmatch(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)", name)
    if found is None:
        raise KeyError(f"no single-file name for the U-Net weight {key!r}")
    way, block, part, index, rest = found.groups()
    first = int(block) * (layers + 1) + (1 if way == "down" else 0)
    side = "input_blocks" if way == "down" else "output_blocks"
    match part:
        case "resnets":
            return f"{side}.{first + int(index)}.0.{_RESNET[rest]}.{kind}"
        case "attentions":
            return f"{side}.{first + int(index)}.1.{rest}.{kind}"
        case "downsamplers":
            return f"{side}.{first + layers}.0.op.{kind}"
        case _:
            return f"{side}.{first + layers}.UPSAMPLE.conv.{kind}"


def unet_weights(unet: UNet2DConditionModel) -> dict[str, Tensor]:
    layers = int(unet.config["layers_per_block"])
    weights = {unet_key(key, layers): value for key, value in unet.state_dict().items()}
    # An upsampler follows the attention of its block where there is one, and otherwise takes its number.
    named = {}
    for key, value in weights.items():
        block = key.split(".UPSAMPLE.")[0]
        after = 2 if f"{block}.1.norm.weight" in weights else 1
        named["model.diffusion_model." + key.replace("UPSAMPLE", str(after))] = value
    return named


def vae_key(key: str, depth: int) -> str:
    """The single-file name (after ``first_stage_model.``) of a diffusers autoencoder weight."""
    key = re.sub(
        r"mid_block\.attentions\.0\.(group_norm|to_q|to_k|to_v|to_out\.0)",
        lambda found: f"mid.attn_1.{_VAE_ATTENTION[found[1]]}",
        key,
    )
    key = re.sub(r"mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}", key)
    key = re.sub(r"down_blocks\.(\d+)", r"down.\1", key)
    key = re.sub(r"up_blocks\.(\d+)", lambda found: f"up.{depth - 1 - int(found[1])}", key)
    key = re.sub(r"resnets\.(\d+)", r"block.\1", key)
    key = key.replace("downsamplers.0", "downsample").replace("upsamplers.0", "upsample")
    return key.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")


def vae_weights(vae: AutoencoderKL) -> dict[str, Tensor]:
    """The autoencoder's weights; its attention is stored as 1x1 convolutions, as SD1 has it."""
    named = {}
    for key, value in vae.state_dict().items():
        matrix = "attn" in key or ".attentions." in key
        named["first_stage_model." + vae_key(key, len(vae.config["block_out_channels"]))] = (
            value[:, :, None, None] if matrix and value.ndim == 2 else value
        )
    return named


def clip_weights(clip: CLIPModel) -> dict[str, Tensor]:
    return {
        f"cond_stage_model.transformer.{key}": value
        for key, value in clip.state_dict().items()
        if not key.endswith("position_ids")
    }


@torch.no_grad()
def fold_whitening(vae: AutoencoderKL, mean: Tensor, whiten: Tensor) -> None:
    """Change the 1x1 convolutions around the latents so that ``LATENT_SCALE * mean`` has mean 0 and covariance 1.

    ``mean [4]`` and ``whiten [4, 4]`` describe the old latents: ``whiten @ (z - mean)`` is white. The log-variances
    move by the logarithm of each row's gain.
    """
    into = whiten / LATENT_SCALE
    quant, post = cast("nn.Conv2d", vae.quant_conv), cast("nn.Conv2d", vae.post_quant_conv)
    quant_bias, post_bias = cast("Tensor", quant.bias), cast("Tensor", post.bias)
    weight, bias = quant.weight[:, :, 0, 0].clone(), quant_bias.clone()
    quant.weight[:4, :, 0, 0] = into @ weight[:4]
    quant_bias[:4] = into @ (bias[:4] - mean)
    quant_bias[4:] = bias[4:] + 2 * into.norm(dim=1).log()
    out, shift = post.weight[:, :, 0, 0].clone(), post_bias.clone()
    post.weight[:, :, 0, 0] = out @ torch.linalg.inv(into)
    post_bias[:] = shift + out @ mean


def write(path: Path, clip: CLIPModel, vae: AutoencoderKL, unet: UNet2DConditionModel, recipe: dict[str, Any]) -> int:
    """Write the file and return its size in bytes. ``vae`` is already folded; ``recipe`` is hashed into the header."""
    weights = {**unet_weights(unet), **vae_weights(vae), **clip_weights(clip)}
    tensors = {key: value.detach().to(torch.float16).contiguous().clone() for key, value in weights.items()}
    wrong = [key for key, value in tensors.items() if not value.isfinite().all()]
    if wrong:
        raise ValueError(f"{len(wrong)} tensors do not fit into fp16 (first: {wrong[0]})")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata=model_card(recipe))
    path.chmod(0o644)  # safetensors writes for the owner only, which a wheel would hand on
    return path.stat().st_size


def model_card(recipe: dict[str, Any]) -> dict[str, str]:
    """Header fields after sai_model_spec 1.0.0; nothing needs them to load the file."""
    return {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-v1",
        "modelspec.implementation": "https://github.com/Stability-AI/stablediffusion",
        "modelspec.title": "sdkit tiny",
        "modelspec.author": "The sdkit authors",
        "modelspec.license": "CC0-1.0",
        "modelspec.description": "A small SD1-style model of flat shapes on flat backgrounds, for offline use.",
        "modelspec.resolution": "128x128",
        "modelspec.prediction_type": "epsilon",
        "modelspec.date": date.today().isoformat(),
        "sdkit.training_hash": hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest(),
    }
