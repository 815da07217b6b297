"""What a file is that no family recognises: LoRA, embedding, VAE, ControlNet, another kind of model …, told from its
header.

For which family it is, the widths say: cross-attention reads texts of 768 channels in SD1, 1024 in SD2, 2048 in SDXL
and 1280 in SDXL's refiner.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdkit.models.checkpoint import TensorInfo
    from sdkit.models.library import Kind

    Infos = Mapping[str, TensorInfo]

FAMILY_OF_WIDTH: Mapping[int, str] = {768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "sdxl_refiner"}
"""Channels of the texts that cross-attention reads → family."""

_LORA_FORMATS: tuple[tuple[str, str], ...] = (
    # a fragment of the names → what its author calls it; the first that is there counts
    (".dora_scale", "a DoRA"),
    (".hada_w1_", "a LoHa"),
    (".lokr_w1", "a LoKr"),
    (".on_input", "an (IA)³"),
    (".oft_", "an OFT"),
    (".lora_A.", "a LoRA, PEFT's names"),
    ("_lora.down.", "a LoRA, diffusers' older names"),
    (".lora.down.", "a LoRA, diffusers' older names"),
    (".lora_down.", "a LoRA, kohya's names"),
)
_RANKS: tuple[tuple[str, int], ...] = (
    # ending of a tensor's name → the side of it that is the rank
    (".lora_down.weight", 0),
    ("_lora.down.weight", 0),
    (".lora.down.weight", 0),
    (".lora_A.weight", 0),
    (".hada_w1_b", 0),
    (".hada_w2_b", 0),
    (".lokr_w1_b", 0),
    (".lokr_w2_b", 0),
)
_CROSS = re.compile(r"attn2[._]to_[kv]\b|attn2[._](?:processor[._])?to_[kv]_lora\b")
_CROSS_ENDS = (".lora_down.weight", "_lora.down.weight", ".lora.down.weight", ".lora_A.weight", "hada_w1_b", ".weight")


_OTHER_MODELS: tuple[tuple[str, str], ...] = (
    # a fragment of the names → whose they are; sdkit runs none of them
    ("joint_blocks.", "Stable Diffusion 3"),
    ("double_blocks.", "Flux, or a model built like it"),
    ("single_transformer_blocks.", "Flux, or a model built like it"),
    ("adaln_single.", "PixArt, or a model built like it"),
    ("down_blocks.0.2.kv_mapper.", "Stable Cascade"),
    ("double_layers.", "AuraFlow"),
    ("motion_modules.", "an AnimateDiff motion module"),
    ("ip_adapter.", "an IP-Adapter"),
)

USES: Mapping[Kind, str] = {
    "checkpoints": "Get the complete file, or give the missing part beside it: unet=…, vae=… or text_encoder=…",
    "loras": "Load a checkpoint, and name the LoRA in the request or in the prompt: <lora:NAME:0.8>",
    "vae": "Load a checkpoint, and give this file as its VAE: vae=…",
    "embeddings": "Load a checkpoint, put this file into the folder of embeddings, and name it in the prompt",
    "controlnet": "It steers a checkpoint: load the one that it was made for",
    "upscale_models": "It enlarges pictures and makes none: load a checkpoint",
    "text_encoders": "Load a checkpoint, and give this file as its text encoder: text_encoder=…",
    "diffusion_models": "Give it as unet=…, with vae=… and text_encoder=…, or load a whole checkpoint",
}
"""What can be done with a file of a kind, for whoever gave it as a checkpoint."""


@dataclass(frozen=True)
class Description:
    """What a file is: `kind` as in the library, None for what has no place there; `what` in words, the `family` that it
    is for ("" where the shapes do not say), and further facts, label → value."""

    kind: Kind | None
    what: str
    family: str = ""
    facts: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def use(self) -> str:
        """What to do with such a file, where a checkpoint is wanted."""
        return "sdkit does not run it" if self.kind is None else USES[self.kind]


def describe(infos: Infos) -> Description | None:
    """Tell from names and shapes what a file is; None if it is nothing known, or has all that a checkpoint has."""
    for attempt in (_lora, _embedding, _controlnet, _upscaler, _other_model, _checkpoint_part):
        found = attempt(infos)
        if found is not None:
            return found
    return None


def _lora(infos: Infos) -> Description | None:
    name = next((name for fragment, name in _LORA_FORMATS if any(fragment in key for key in infos)), None)
    if name is None:
        return None
    ranks = Counter(
        info.shape[side]
        for key, info in infos.items()
        for ending, side in _RANKS
        if key.endswith(ending) and info.shape
    )
    facts = {"rank": ", ".join(map(str, sorted(ranks)))} if ranks else {}
    texts = {
        "lora_te1_": "text encoder 1",
        "lora_te2_": "text encoder 2",
        "lora_te_": "text encoder",
        "text_encoder_2.": "text encoder 2",
        "text_encoder.": "text encoder",
    }
    changes = ["U-Net"] if any("unet" in key or "diffusion_model" in key for key in infos) else []
    changes += dict.fromkeys(label for start, label in texts.items() if any(key.startswith(start) for key in infos))
    if changes:
        facts["changes"] = ", ".join(changes)
    family = _cross_attention(infos)
    if not family and any(key.startswith(("lora_te2_", "text_encoder_2.")) for key in infos):
        family = "sdxl"
    if not family:
        family = {768: "sd1", 1024: "sd2"}.get(_text_width(infos), "")
    return Description("loras", name, family, facts)


def _embedding(infos: Infos) -> Description | None:
    known = {"emb_params", "clip_l", "clip_g", "t5xxl"}
    vectors = {key: info.shape for key, info in infos.items() if len(info.shape) in (1, 2)}
    if not infos or len(infos) > 3 or len(vectors) != len(infos):
        return None
    if not (set(infos) <= known or (len(infos) == 1 and re.fullmatch(r"<.+>", next(iter(infos))))):
        return None
    width = {key: shape[-1] for key, shape in vectors.items()}
    family = "sdxl" if "clip_g" in infos else FAMILY_OF_WIDTH.get(next(iter(width.values())), "")
    family = "" if family == "sdxl_refiner" else family
    count = max(shape[0] if len(shape) == 2 else 1 for shape in vectors.values())
    channels = " and ".join(str(number) for number in width.values())
    return Description(
        "embeddings", "a textual inversion (embedding)", family, {"vectors": str(count), "channels": channels}
    )


def _controlnet(infos: Infos) -> Description | None:
    fragments = ("input_hint_block.", "controlnet_cond_embedding.", "zero_convs.", "controlnet_down_blocks.")
    if not any(fragment in key for key in infos for fragment in fragments):
        return None
    return Description("controlnet", "a ControlNet", _cross_attention(infos))


def _upscaler(infos: Infos) -> Description | None:
    if any(key.startswith(("body.0.rdb1.", "RRDB_trunk.", "model.1.sub.0.RDB1.")) for key in infos):
        return Description("upscale_models", "an upscaler (RRDB)")
    return None


def _other_model(infos: Infos) -> Description | None:
    for fragment, title in _OTHER_MODELS:
        if any(fragment in key for key in infos):
            return Description(None, title)
    return None


_PARTS: Mapping[str, tuple[str, ...]] = {
    "U-Net": ("input_blocks.0.0.weight", "down_blocks.0.resnets.0.time_emb_proj.weight"),
    "VAE": ("decoder.conv_in.weight",),
    "text encoder": ("token_embedding.weight",),
}
"""The parts of a checkpoint, and endings of names that each has."""


def _checkpoint_part(infos: Infos) -> Description | None:
    """A U-Net, a VAE or a text encoder alone, or two of the three."""
    keys = {part: next((key for key in infos if key.endswith(ends)), "") for part, ends in _PARTS.items()}
    there = [part for part, key in keys.items() if key]
    lacking = [part for part, key in keys.items() if not key]
    if len(there) == 2:
        return Description("checkpoints", f"a checkpoint without its {lacking[0]}", _cross_attention(infos))
    if len(there) != 1:
        return None
    (part,) = there
    shape = infos[keys[part]].shape
    if part == "U-Net":
        return Description("diffusion_models", "a diffusion network (U-Net) alone", _cross_attention(infos))
    if part == "VAE":
        channels = shape[1] if len(shape) == 4 else 0
        fits = {4: "sd1, sd2, sdxl: their VAEs have the same shapes"}.get(channels, "")
        facts = {"latent channels": str(channels)} | ({"fits": fits} if fits else {})
        return Description("vae", "a VAE alone", facts=facts)
    width = shape[-1] if shape else 0
    tower = {768: "CLIP-L", 1024: "OpenCLIP-H", 1280: "OpenCLIP-G"}.get(width, "CLIP")
    return Description("text_encoders", f"a text encoder alone ({tower})", facts={"channels": str(width)})


def _cross_attention(infos: Infos) -> str:
    """The family whose texts the cross-attention in these names reads; "" if they hold none."""
    for key, info in infos.items():
        if len(info.shape) >= 2 and key.endswith(_CROSS_ENDS) and _CROSS.search(key):
            family = FAMILY_OF_WIDTH.get(info.shape[1])
            if family:
                return family
    return ""


def _text_width(infos: Infos) -> int:
    """Channels of the text encoder that a LoRA changes; 0 if it changes none."""
    for key, info in infos.items():
        if "self_attn" in key and key.endswith(_CROSS_ENDS[:5]) and len(info.shape) == 2:
            return info.shape[1]
    return 0
