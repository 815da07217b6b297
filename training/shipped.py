"""The shipped file's networks as diffusers and transformers have them, for training that starts from it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers.models.clip.modeling_clip import CLIPModel

from training.clip import ClipRecipe, build_clip
from training.export import clip_weights, unet_weights, vae_weights
from training.unet import UNetRecipe, build_unet
from training.vae import VaeRecipe, build_vae

SHIPPED = Path(__file__).parents[1] / "src/sdkit/weights/tiny.safetensors"

M = TypeVar("M", bound=nn.Module)


def shipped_networks(path: Path = SHIPPED) -> tuple[CLIPModel, AutoencoderKL, UNet2DConditionModel]:
    """Text and image towers, autoencoder and U-Net of a file that ``export`` wrote, in fp32, nothing to be trained."""
    weights = load_file(path)
    clip, vae, unet = build_clip(ClipRecipe()), build_vae(VaeRecipe()), build_unet(UNetRecipe())
    return (
        _fill(clip, clip_weights(clip), weights),
        _fill(vae, vae_weights(vae), weights),
        _fill(unet, unet_weights(unet), weights),
    )


def _fill(model: M, named: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> M:
    """``named``: the model's weights under the file's names, in the order of its state dict."""
    own = [key for key in model.state_dict() if not key.endswith("position_ids")]
    state = {key: weights[name].float() for key, name in zip(own, named, strict=True)}
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    model.load_state_dict({key: value.view(shapes[key]) for key, value in state.items()}, strict=False)
    return model.eval().requires_grad_(False)
