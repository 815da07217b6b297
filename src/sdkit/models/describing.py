"""What a file is that is no whole checkpoint: LoRA, embedding, VAE, ControlNet …, told from its header.

For which family it is, the widths say: cross-attention reads texts of 768 channels in SD1, 1024 in SD2, 2048 in SDXL
and 1280 in SDXL's refiner.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdkit.models.checkpoint import TensorInfo
    from sdkit.models.library import Kind

    Infos = Mapping[str, TensorInfo]

FAMILY_OF_WIDTH: Mapping[int, str] = {768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "sdxl_refiner"}
"""Channels of the texts that cross-attention reads → family."""

_LORA_FORMATS: tuple[tuple[str, str], ...] = (
    # a fragment of the names → what its author calls it; the first that is there counts
    (".dora_scale", "DoRA"),
    (".hada_w1_", "LoHa"),
    (".lokr_w1", "LoKr"),
    (".on_input", "(IA)³"),
    (".oft_", "OFT"),
    (".lora_A.", "LoRA, PEFT's names"),
    ("_lora.down.", "LoRA, diffusers' older names"),
    (".lora.down.", "LoRA, diffusers' older names"),
    (".lora_down.", "LoRA, kohya's names"),
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


@dataclass(frozen=True)
class Description:
    """What a file is: `kind` as in the library, `what` in words, the `family` that it is for ("" where the shapes do
    not say), and further facts, label → value."""

    kind: Kind
    what: str
    family: str
    facts: Mapping[str, str]


def describe(infos: Infos) -> Description | None:
    """Tell from names and shapes what a file is; None if it is nothing known, or may be a checkpoint."""
    for attempt in (_lora, _embedding, _controlnet, _upscaler, _checkpoint_part):
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
        "embeddings", "textual inversion (embedding)", family, {"vectors": str(count), "channels": channels}
    )


def _controlnet(infos: Infos) -> Description | None:
    fragments = ("input_hint_block.", "controlnet_cond_embedding.", "zero_convs.", "controlnet_down_blocks.")
    if not any(fragment in key for key in infos for fragment in fragments):
        return None
    return Description("controlnet", "ControlNet", _cross_attention(infos), {})


def _upscaler(infos: Infos) -> Description | None:
    if any(key.startswith(("body.0.rdb1.", "RRDB_trunk.", "model.1.sub.0.RDB1.")) for key in infos):
        return Description("upscale_models", "upscaler (RRDB)", "", {})
    return None


def _checkpoint_part(infos: Infos) -> Description | None:
    """A U-Net, a VAE or a text encoder alone."""
    has = {
        "unet": any(_is_unet(key) for key in infos),
        "vae": any("decoder.conv_in.weight" in key for key in infos),
        "text": any("token_embedding.weight" in key for key in infos),
    }
    if sum(has.values()) != 1:
        return None
    if has["unet"]:
        return Description("diffusion_models", "diffusion network (U-Net) alone", _cross_attention(infos), {})
    if has["vae"]:
        info = next(info for key, info in infos.items() if key.endswith("decoder.conv_in.weight"))
        channels = info.shape[1] if len(info.shape) == 4 else 0
        fits = {4: "sd1, sd2, sdxl: their VAEs have the same shapes"}.get(channels, "")
        facts = {"latent channels": str(channels)} | ({"fits": fits} if fits else {})
        return Description("vae", "VAE alone", "", facts)
    info = next(info for key, info in infos.items() if key.endswith("token_embedding.weight"))
    tower = {768: "CLIP-L", 1024: "OpenCLIP-H", 1280: "OpenCLIP-G"}.get(info.shape[-1], "CLIP")
    return Description("text_encoders", f"text encoder alone ({tower})", "", {"channels": str(info.shape[-1])})


def _is_unet(key: str) -> bool:
    return key.endswith(("input_blocks.0.0.weight", "down_blocks.0.resnets.0.time_emb_proj.weight"))


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
