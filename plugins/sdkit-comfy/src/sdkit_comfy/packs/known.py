"""Which public pack usually has a node that is not there, as far as its name tells."""

from __future__ import annotations

import re

PACKS = (
    ("ComfyUI-Impact-Pack", r"(FaceDetailer|DetailerForEach|SAMLoader|BboxDetector|SegmDetector|Impact)\w*"),
    ("ComfyUI-Impact-Subpack", r"UltralyticsDetectorProvider"),
    ("ComfyUI-Inspire-Pack", r".*//\s*Inspire"),
    ("efficiency-nodes-comfyui", r"Efficient Loader|Eff\. Loader SDXL|KSampler.* \(Efficient\)|XY Plot"),
    ("ComfyUI_UltimateSDUpscale", r"UltimateSDUpscale\w*"),
    ("rgthree-comfy", r".*\(rgthree\)"),
    ("comfyui_controlnet_aux", r"AIO_Preprocessor|\w+Preprocessor(_Provider)?"),
    ("ComfyUI_IPAdapter_plus", r"(IPAdapter|PrepImageForClipVision)\w*"),
    ("ComfyUI-AnimateDiff-Evolved", r"ADE_\w+"),
    ("ComfyUI-Advanced-ControlNet", r"ACN_\w+"),
    ("ComfyUI-VideoHelperSuite", r"VHS_\w+"),
    ("ComfyUI-KJNodes", r"\w+KJ(v\d)?|SetNode|GetNode"),
    ("ComfyUI-Custom-Scripts", r".*\|pysssss"),
    ("ComfyUI_essentials", r"\w+\+"),
    ("ComfyUI_Comfyroll_CustomNodes", r"CR .+"),
    ("ComfyUI-Easy-Use", r"easy \w+"),
    ("ComfyUI_LayerStyle", r"Layer(Utility|Mask|Color|Filter|Style): ?.+"),
    ("cg-use-everywhere", r"(Anything|Prompts|Seed) Everywhere.*"),
    ("ComfyUI-GGUF", r"\w+GGUF\w*"),
    ("ComfyUI_tinyterraNodes", r"ttN .+"),
    ("ComfyUI-Florence2", r"\w*Florence2\w*"),
    ("ComfyUI-SUPIR", r"SUPIR_\w+"),
    ("comfyui-reactor-node", r"ReActor\w*"),
)
"""Public packs, and what the names of their nodes look like, wholly."""


def usual_pack(name: str) -> str | None:
    """A sentence that names the pack that usually has a node of this name, and how to enable it; None for no idea."""
    pack = next((pack for pack, pattern in PACKS if re.fullmatch(pattern, name)), None)
    if pack is None:
        return None
    return f"the pack {pack} usually has it; put it into a pack folder and enable it by SDKIT_COMFY_PACKS={pack}"
