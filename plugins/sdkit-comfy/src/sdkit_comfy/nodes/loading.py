"""Loading checkpoints and their parts, and LoRAs."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from sdkit import Workspace, node
from sdkit.errors import LoraKeyError
from sdkit.graph import CheckContext, NodeContext
from sdkit.models import Kind
from sdkit.types import LoraSpec
from sdkit_comfy.missing import not_available
from sdkit_comfy.sockets import (
    CLIP,
    CLIP_VISION,
    MODEL,
    VAE,
    CheckpointName,
    LoraName,
    Strength,
    TextEncoderName,
    UnetName,
    VaeName,
)
from sdkit_comfy.values.loras import fits
from sdkit_comfy.values.networks import Clip, Model, Vae

TextEncoderType = Literal[
    "stable_diffusion",
    "stable_cascade",
    "sd3",
    "stable_audio",
    "mochi",
    "ltxv",
    "pixart",
    "cosmos",
    "lumina2",
    "wan",
    "hidream",
    "chroma",
    "ace",
    "omnigen2",
    "qwen_image",
    "hunyuan_image",
]
TwoEncodersType = Literal["sdxl", "sd3", "flux", "hunyuan_video", "hidream", "hunyuan_image"]
WeightDtype = Literal["default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2"]
Device = Literal["default", "cpu"]


class Loaded(NamedTuple):
    """The three parts of a checkpoint."""

    model: MODEL
    clip: CLIP
    vae: VAE


class LoadedWithVision(NamedTuple):
    """The four parts of an unCLIP checkpoint."""

    model: MODEL
    clip: CLIP
    vae: VAE
    clip_vision: CLIP_VISION


class Changed(NamedTuple):
    """What a LoRA makes of a model and its text encoders."""

    model: MODEL
    clip: CLIP


# ── what changes when a file does ────────────────────────────────────────────────────────────────────────────────────


def _stamps(context: CheckContext, kind: Kind, *names: str | None) -> list[str]:
    workspace = context.service(Workspace)
    return [workspace.stamp(kind, name) for name in names if name]


def _checkpoint(*, context: CheckContext, ckpt_name: str | None, **_: object) -> list[str]:
    return _stamps(context, "checkpoints", ckpt_name)


def _folder(*, context: CheckContext, model_path: str | None) -> list[str]:
    return _stamps(context, "checkpoints", model_path)


def _unet(*, context: CheckContext, unet_name: str | None, **_: object) -> list[str]:
    return _stamps(context, "diffusion_models", unet_name)


def _text(*, context: CheckContext, clip_name: str | None, **_: object) -> list[str]:
    return _stamps(context, "text_encoders", clip_name)


def _texts(*, context: CheckContext, clip_name1: str | None, clip_name2: str | None, **_: object) -> list[str]:
    return _stamps(context, "text_encoders", clip_name1, clip_name2)


def _vae(*, context: CheckContext, vae_name: str | None) -> list[str]:
    return _stamps(context, "vae", vae_name)


def _lora(*, context: CheckContext, lora_name: str | None, **_: object) -> list[str]:
    return _stamps(context, "loras", lora_name)


# ── checkpoints ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _loaded(context: NodeContext, name: str) -> Loaded:
    pipe = context.service(Workspace).pipeline(name)
    return Loaded(Model(pipe), Clip(pipe), Vae(pipe))


@node(name="CheckpointLoaderSimple", category="loaders", changes=_checkpoint)
def checkpoint_loader_simple(*, context: NodeContext, ckpt_name: CheckpointName) -> Loaded:
    """A checkpoint's noise predictor, text encoders and VAE."""
    return _loaded(context, ckpt_name)


@node(name="CheckpointLoader", category="advanced/loaders", changes=_checkpoint)
def checkpoint_loader(*, context: NodeContext, config_name: str = "", ckpt_name: CheckpointName) -> Loaded:
    """A checkpoint's parts. The configuration is not needed: the file shows what is in it."""
    return _loaded(context, ckpt_name)


@node(name="DiffusersLoader", category="advanced/loaders/deprecated", changes=_folder)
def diffusers_loader(*, context: NodeContext, model_path: CheckpointName) -> Loaded:
    """The parts of a model in a folder as diffusers has them."""
    return _loaded(context, model_path)


@node(name="unCLIPCheckpointLoader", category="loaders")
def unclip_checkpoint_loader(*, ckpt_name: CheckpointName) -> LoadedWithVision:
    """An unCLIP checkpoint's parts."""
    raise not_available("unCLIP")


# ── parts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@node(name="UNETLoader", category="advanced/loaders", changes=_unet)
def unet_loader(*, context: NodeContext, unet_name: UnetName, weight_dtype: WeightDtype = "default") -> MODEL:
    """A noise predictor alone. It computes in the workspace's dtype: 8-bit numbers save memory only, and sdkit computes
    in more of them."""
    return Model(context.service(Workspace).pipeline(unet=unet_name, whole=False))


@node(name="CLIPLoader", category="advanced/loaders", changes=_text)
def clip_loader(
    *,
    context: NodeContext,
    clip_name: TextEncoderName,
    type: TextEncoderType = "stable_diffusion",  # noqa: A002 - the input's name
    device: Device = "default",
) -> CLIP:
    """A text encoder alone."""
    if type != "stable_diffusion":
        raise not_available(f"the text encoder of {type}")
    return Clip(context.service(Workspace).pipeline(text_encoders=[clip_name], whole=False))


@node(name="DualCLIPLoader", category="advanced/loaders", changes=_texts)
def dual_clip_loader(
    *,
    context: NodeContext,
    clip_name1: TextEncoderName,
    clip_name2: TextEncoderName,
    type: TwoEncodersType = "sdxl",  # noqa: A002 - the input's name
    device: Device = "default",
) -> CLIP:
    """Two text encoders, in any order."""
    if type != "sdxl":
        raise not_available(f"the text encoders of {type}")
    return Clip(context.service(Workspace).pipeline(text_encoders=[clip_name1, clip_name2], whole=False))


@node(name="VAELoader", category="loaders", changes=_vae)
def vae_loader(*, context: NodeContext, vae_name: VaeName) -> VAE:
    """A VAE alone."""
    return Vae(context.service(Workspace).pipeline(vae=vae_name, whole=False))


# ── LoRAs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@node(name="LoraLoader", category="loaders", changes=_lora)
def lora_loader(
    *,
    context: NodeContext,
    model: MODEL,
    clip: CLIP,
    lora_name: LoraName,
    strength_model: Strength = 1.0,
    strength_clip: Strength = 1.0,
) -> Changed:
    """A model and its text encoders with a LoRA. Keys that match nothing are passed over, unless none does."""
    if strength_model == 0 and strength_clip == 0:
        return Changed(model, clip)
    path = str(context.service(Workspace).library.find("loras", lora_name))
    in_model, in_clip = fits(model.pipe, path), fits(clip.pipe, path)
    if not in_model and not in_clip:
        raise LoraKeyError(f"no key in {path!r} matches anything in {model.pipe.model.name!r}: it was made for another")
    changed, text = model, clip
    if in_model and strength_model:
        changed = model.with_changes(LoraSpec(name=path, strength=strength_model, text_strength=0.0, strict=False))
    if in_clip and strength_clip:
        text = clip.with_changes(LoraSpec(name=path, strength=0.0, text_strength=strength_clip, strict=False))
    return Changed(changed, text)


@node(name="LoraLoaderModelOnly", category="loaders", changes=_lora)
def lora_loader_model_only(
    *, context: NodeContext, model: MODEL, lora_name: LoraName, strength_model: Strength = 1.0
) -> MODEL:
    """A model with a LoRA, of which the part for text encoders is left out."""
    if strength_model == 0:
        return model
    path = str(context.service(Workspace).library.find("loras", lora_name))
    return model.with_changes(LoraSpec(name=path, strength=strength_model, text_strength=0.0, strict=False))


@node(name="HypernetworkLoader", category="loaders")
def hypernetwork_loader(
    *, model: MODEL, hypernetwork_name: str, strength: Annotated[float, Field(ge=-10, le=10)] = 1.0
) -> MODEL:
    """A model with a hypernetwork."""
    raise not_available("hypernetworks")
