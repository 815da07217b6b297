"""Stable Diffusion 1: the family of 1.4, 1.5, their fine-tunes, and sdkit's own small model.

Recognised by names and shapes: a U-Net under `model.diffusion_model.` whose attention sits between 1×1 convolutions,
a VAE under `first_stage_model.` and a CLIP text tower under `cond_stage_model.transformer.text_model.`. Any widths
and depths will do. Recognising needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sdkit.errors import ModelError
from sdkit.models.architecture import (
    ClipImageArchitecture,
    ClipTextArchitecture,
    Shapes,
    UNetArchitecture,
    Unrecognised,
    VaeArchitecture,
    read_clip_image,
    read_clip_text,
    read_unet,
    read_vae,
)
from sdkit.models.families import Declined, Detection, report_unknown_keys
from sdkit.models.tokenizer import VOCABULARY, WINDOW
from sdkit.sigmas import scaled_linear_sigmas
from sdkit.types import Defaults, ModelSpec

if TYPE_CHECKING:
    import torch

    from sdkit.models.checkpoint import CheckpointFile
    from sdkit.models.latent_diffusion import LatentDiffusion

UNET = "model.diffusion_model."
VAE = "first_stage_model."
CLIP = "cond_stage_model.transformer."
TEXT = "cond_stage_model.transformer.text_model."
IMAGE = "cond_stage_model.transformer.vision_model."

HEADS = 8
"""Attention heads at every level of every SD1 U-Net; weight shapes do not show it."""

GROUPS = 32
"""Groups of every group normalisation."""

LATENT_SCALE = 0.18215
"""Latents are multiplied by this after the VAE's encoder, for unit variance."""

IGNORABLE = (
    "model_ema.",
    "first_stage_model.loss.",
    "cond_stage_model.transformer.text_model.embeddings.position_ids",
    "cond_stage_model.transformer.vision_model.embeddings.position_ids",
    "cond_stage_model.transformer.logit_scale",
    "cond_stage_model.transformer.text_projection.",
    "cond_stage_model.transformer.visual_projection.",
    "cond_stage_model.logit_scale",
    "cond_stage_model.text_projection",
    "alphas_cumprod",
    "betas",
    "log_one_minus_alphas_cumprod",
    "logvar",
    "posterior_",
    "scale_factor",
    "sqrt_",
)
"""Beginnings of the keys that SD1 files carry and nobody needs: averaged copies, training losses, noise tables."""

_PROPER = Defaults(width=512, height=512, steps=20, sampler="dpmpp_2m", schedule="karras", guidance_scale=7.0)
_SMALL = Defaults(width=128, height=128, steps=20, sampler="dpmpp_2m", schedule="karras", guidance_scale=4.0)
_SMALL_BELOW = 128


@dataclass(frozen=True)
class SD1Architecture:
    """The networks of an SD1 checkpoint; `image` is CLIP's image tower, which few files carry."""

    unet: UNetArchitecture
    vae: VaeArchitecture
    text: ClipTextArchitecture
    image: ClipImageArchitecture | None

    @property
    def spec(self) -> ModelSpec:
        """What the pipeline must know of it."""
        return ModelSpec(
            family="sd1",
            prediction="eps",
            sigmas=scaled_linear_sigmas(),
            defaults=defaults(self.unet),
            latent_channels=self.vae.latent_channels,
            latent_factor=self.vae.factor,
            has_image_tower=self.image is not None,
        )


def defaults(unet: UNetArchitecture) -> Defaults:
    """The one place for SD1's defaults, small models' included: those are told by a U-Net of less than 128 channels
    at the finest level (SD1 proper has 320)."""
    return _SMALL if unet.widths[0] < _SMALL_BELOW else _PROPER


class SD1Family:
    """The family; stateless, so one serves everybody: `sd1`."""

    name = "sd1"

    def detect(self, file: CheckpointFile) -> Detection | Declined:
        """See `ModelFamily.detect`."""
        try:
            architecture = _read(file)
        except Unrecognised as reason:
            return Declined(str(reason))
        unet, text, image = architecture.unet, architecture.text, architecture.image
        why = (
            f"{UNET}: U-Net of widths {_list(unet.widths)} with {unet.layers} residual blocks per level, "
            f"attention at levels {_list([level for level, depth in enumerate(unet.depths) if depth])}",
            f"attention between 1×1 convolutions, and to texts of {unet.context} channels: SD1",
            f"{unet.in_channels} input and {unet.out_channels} output channels",
            f"{VAE}: VAE of widths {_list(architecture.vae.widths)}, factor {architecture.vae.factor}",
            f"{TEXT}: CLIP text tower of width {text.transformer.width}, {text.transformer.layers} layers",
            f"CLIP image tower for {image.side}×{image.side} pixels" if image else "no CLIP image tower",
        )
        parts: dict[str, tuple[str, ...]] = {"unet": (UNET,), "vae": (VAE,), "text_encoder": (TEXT,)}
        if image:
            parts["image_tower"] = (IMAGE, f"{CLIP}visual_projection.", f"{CLIP}text_projection.", f"{CLIP}logit_scale")
        return Detection("sd1", "eps", why, parts, architecture, IGNORABLE)

    def load(
        self,
        file: CheckpointFile,
        detection: Detection,
        *,
        device: torch.device,
        dtype: torch.dtype | Literal["auto"] = "auto",
    ) -> LatentDiffusion:
        """See `ModelFamily.load`. Raises WeightsError if weights are missing or of the wrong shape."""
        import torch

        from sdkit.models.latent_diffusion import LatentDiffusion, Networks
        from sdkit.models.networks.building import Part
        from sdkit.models.networks.clip import ClipImage, ClipText
        from sdkit.models.networks.unet import UNet
        from sdkit.models.networks.vae import Vae
        from sdkit.models.placement import own_dtype

        architecture = detection.architecture
        if not isinstance(architecture, SD1Architecture):
            raise TypeError(f"the detection is one of {detection.family!r}, not of SD1")
        if architecture.unet.in_channels != architecture.vae.latent_channels:
            raise ModelError(
                f"{file.path} is a Stable Diffusion 1 model with {architecture.unet.in_channels} input channels, for "
                "inpainting or editing, which sdkit recognises but cannot run yet. Use an ordinary checkpoint"
            )
        if dtype == "auto":
            dtype = own_dtype(file.infos[f"{UNET}input_blocks.0.0.weight"].dtype, device)
        unet, vae, text, image = architecture.unet, architecture.vae, architecture.text, architecture.image
        networks = Networks(
            unet=Part(lambda: UNet(unet), file, UNET, device, dtype),
            vae=Part(lambda: Vae(vae), file, VAE, device, torch.float32),
            text=Part(lambda: ClipText(text), file, TEXT, device, torch.float32),
            image=Part(lambda: ClipImage(image), file, CLIP, device, torch.float32) if image else None,
        )
        report_unknown_keys(file, networks.keys, detection.ignorable)
        return LatentDiffusion(file, architecture.spec, networks, latent_scale=LATENT_SCALE)


sd1 = SD1Family()
"""`register("sd1", "sdkit.models:sd1")`."""


def _read(file: CheckpointFile) -> SD1Architecture:
    unet_shapes, clip_shapes = Shapes(file.infos, UNET), Shapes(file.infos, CLIP)
    if not unet_shapes:
        raise Unrecognised(f"no key begins with {UNET!r}")
    unet = read_unet(unet_shapes, HEADS)
    if unet.linear_projections:
        raise Unrecognised("attention sits between linear layers: SD2 or SDXL")
    if f"{UNET}label_emb.0.0.weight" in file.infos:
        raise Unrecognised("the U-Net takes a summary vector (label_emb): SDXL")
    if any(width % HEADS for width, depth in zip(unet.widths, unet.depths, strict=True) if depth):
        raise Unrecognised(f"U-Net widths {_list(unet.widths)} do not divide into {HEADS} heads")
    if any(width % GROUPS for width in unet.widths):
        raise Unrecognised(f"U-Net widths {_list(unet.widths)} do not divide into {GROUPS} groups")
    if any(depth > 1 for depth in (*unet.depths, unet.middle_depth)):
        raise Unrecognised(f"it has {_list(unet.depths)} transformer blocks per attention, not 1")
    vae = read_vae(Shapes(file.infos, VAE))
    if unet.out_channels != vae.latent_channels:
        raise Unrecognised(f"the U-Net gives {unet.out_channels} channels, but the VAE reads {vae.latent_channels}")
    if any(width % GROUPS for width in vae.widths):
        raise Unrecognised(f"VAE widths {_list(vae.widths)} do not divide into {GROUPS} groups")
    text = read_clip_text(Shapes(file.infos, TEXT))
    if text.vocabulary < VOCABULARY or text.positions < WINDOW:
        raise Unrecognised(
            f"the text encoder knows {text.vocabulary} tokens at {text.positions} positions, not CLIP's "
            f"{VOCABULARY} at {WINDOW}"
        )
    if text.transformer.width != unet.context:
        raise Unrecognised(
            f"the text encoder gives {text.transformer.width} channels, but the U-Net reads {unet.context}"
        )
    image = read_clip_image(clip_shapes) if "vision_model.embeddings.patch_embedding.weight" in clip_shapes else None
    return SD1Architecture(unet, vae, text, image)


def _list(numbers: tuple[int, ...] | list[int]) -> str:
    return ", ".join(str(number) for number in numbers) or "none"
