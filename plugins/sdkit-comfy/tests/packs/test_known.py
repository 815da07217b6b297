"""Nodes that are not there: which public pack usually has them."""

from __future__ import annotations

import pytest

from sdkit import Workspace
from sdkit_comfy.packs.known import usual_pack


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("FaceDetailer", "ComfyUI-Impact-Pack"),
        ("KSampler (Efficient)", "efficiency-nodes-comfyui"),
        ("Seed (rgthree)", "rgthree-comfy"),
        ("ImageResize+", "ComfyUI_essentials"),
        ("easy int", "ComfyUI-Easy-Use"),
        ("DWPreprocessor", "comfyui_controlnet_aux"),
        ("LayerUtility: ImageBlend", "ComfyUI_LayerStyle"),
    ],
)
def test_the_pack_is_told_from_the_name(name: str, pack: str) -> None:
    assert str(usual_pack(name)).startswith(f"the pack {pack} usually has it;")


def test_no_pack_is_made_up() -> None:
    assert usual_pack("KSamplr") is None
    assert usual_pack("MyOwnNode") is None


def test_the_report_names_the_pack() -> None:
    (fault,) = Workspace().check({"1": {"class_type": "FaceDetailer", "inputs": {}}})
    assert "there is no node type 'FaceDetailer'; the pack ComfyUI-Impact-Pack usually has it" in str(fault)
