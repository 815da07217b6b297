"""The kinds of Stable Diffusion, in one table: what tells them apart, and what their weights do not show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sdkit.models.tokenizer import EOS
from sdkit.types import Defaults, PredictionType

UNET = "model.diffusion_model."
VAE = "first_stage_model."


@dataclass(frozen=True)
class EncoderKind:
    """A CLIP text tower and how its family uses it.

    `name`: "l", "h" or "g", as people call CLIP ViT-L, ViT-H and ViT-bigG. `part`: as diffusers calls its folder.
    `prefixes`: where it is in a checkpoint. `padding`: the token after the end token. `norm`: whether features of
    earlier layers go through the final norm, too. `projects`: whether its summary goes through its projection.
    """

    name: Literal["l", "h", "g"]
    part: str
    prefixes: tuple[str, ...]
    activation: Literal["quick_gelu", "gelu"]
    padding: int
    norm: bool
    projects: bool = False


@dataclass(frozen=True)
class Kind:
    """A family.

    `linear`: attention sits between linear layers, not 1×1 convolutions; then its heads have 64 channels, else there
    are 8. `numbers`: how many numbers on the picture's size the U-Net is told, 256 channels each, beside the summary of
    the text; none without `label_emb`. `latent_scale`: what latents are multiplied by after the VAE's encoder, for unit
    variance. `side`: of the pictures it was trained on, `side_v` of the version that predicts v. `clip_skip`: the layer
    it was trained with. `finishes_only`: see `ModelSpec`.
    """

    name: str
    title: str
    linear: bool
    numbers: int
    encoders: tuple[EncoderKind, ...]
    latent_scale: float
    side: int
    side_v: int
    clip_skip: int = 2
    telling_weight: bool = False
    finishes_only: bool = False

    def defaults(self, width: int, prediction: PredictionType, guided: bool) -> Defaults:
        """What is used where the request says None. Small models are told by a U-Net of less than 128 channels at the
        finest level; `guided`: the U-Net takes the guidance scale, so it needs no guidance and few steps."""
        small = width < _SMALL_BELOW
        side = _SMALL_SIDE if small else self.side_v if prediction == "v" else self.side
        if guided:
            return Defaults(side, side, steps=4, sampler="lcm", schedule="sgm_uniform", guidance_scale=1.0)
        return Defaults(
            width=side,
            height=side,
            steps=20,
            sampler="dpmpp_2m",
            schedule="karras",
            guidance_scale=4.0 if small else 7.0,
            clip_skip=self.clip_skip,
        )


_SMALL_BELOW = 128
_SMALL_SIDE = 128

_ONE, _TWO = "text_encoder", "text_encoder_2"
_SD = "cond_stage_model."
_XL = "conditioner.embedders."

KINDS = (
    Kind(
        "sd1", "Stable Diffusion 1", linear=False, numbers=0, latent_scale=0.18215, side=512, side_v=512, clip_skip=1,
        encoders=(EncoderKind("l", _ONE, (f"{_SD}transformer.",), "quick_gelu", EOS, norm=True),),
    ),
    Kind(
        "sd2", "Stable Diffusion 2", linear=True, numbers=0, latent_scale=0.18215, side=512, side_v=768,
        telling_weight=True,
        encoders=(
            EncoderKind("h", _ONE, (f"{_SD}model.", f"{_XL}0.model.", f"{_SD}transformer."), "gelu", 0, norm=True),
        ),
    ),
    Kind(
        "sdxl", "Stable Diffusion XL", linear=True, numbers=6, latent_scale=0.13025, side=1024, side_v=1024,
        encoders=(
            EncoderKind("l", _ONE, (f"{_XL}0.transformer.",), "quick_gelu", EOS, norm=False),
            EncoderKind("g", _TWO, (f"{_XL}1.model.",), "gelu", 0, norm=False, projects=True),
        ),
    ),
    Kind(
        "sdxl_refiner", "Stable Diffusion XL refiner", linear=True, numbers=5, latent_scale=0.13025, side=1024,
        side_v=1024, finishes_only=True,
        encoders=(EncoderKind("g", _TWO, (f"{_XL}0.model.",), "gelu", 0, norm=False, projects=True),),
    ),
)  # fmt: skip
"""Every family of Stable Diffusion that sdkit runs. Detection takes the first whose every line is true of a file."""

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
    "cond_stage_model.model.text_projection.",
    "cond_stage_model.model.logit_scale",
    "cond_stage_model.model.attn_mask",
    "cond_stage_model.model.text_model.embeddings.position_ids",
    "conditioner.embedders.0.transformer.text_projection.",
    "conditioner.embedders.0.transformer.logit_scale",
    "conditioner.embedders.0.transformer.text_model.embeddings.position_ids",
    "conditioner.embedders.0.logit_scale",
    "conditioner.embedders.0.text_projection",
    "conditioner.embedders.0.model.text_projection.",
    "conditioner.embedders.0.model.logit_scale",
    "conditioner.embedders.0.model.attn_mask",
    "conditioner.embedders.0.model.text_model.embeddings.position_ids",
    "conditioner.embedders.1.model.logit_scale",
    "conditioner.embedders.1.model.attn_mask",
    "conditioner.embedders.1.model.text_model.embeddings.position_ids",
    "denoiser.sigmas",
    "v_pred",
    "ztsnr",
    "alphas_cumprod",
    "betas",
    "log_one_minus_alphas_cumprod",
    "logvar",
    "posterior_",
    "scale_factor",
    "sqrt_",
)
"""Beginnings of the keys that files carry and nobody needs: averaged copies, training losses, noise tables, marks."""
