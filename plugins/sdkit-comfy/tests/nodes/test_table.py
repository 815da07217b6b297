"""The table of nodes and the modules that it names."""

from importlib import import_module

import pytest

from sdkit.graph import NodeType, node_type
from sdkit_comfy.nodes import NODES

ALIASES = {"ConditioningAverage ": "ConditioningAverage", "ModelMergeSD2": "ModelMergeSD1"}


@pytest.mark.parametrize("name", NODES)
def test_a_row_names_a_node_that_calls_itself_so(name: str) -> None:
    module, _, function = NODES[name].partition(":")
    found = getattr(import_module(module), function)
    declared = found if isinstance(found, NodeType) else node_type(found)
    assert declared.name == ALIASES.get(name, name)
    assert declared.category
    assert declared.summary


INPUTS = {
    "KSampler": "model seed steps cfg sampler_name scheduler positive negative latent_image denoise",
    "KSamplerAdvanced": "model add_noise noise_seed steps cfg sampler_name scheduler positive negative latent_image "
    "start_at_step end_at_step return_with_leftover_noise",
    "CLIPTextEncodeSDXL": "clip width height crop_w crop_h target_width target_height text_g text_l",
    "LoraLoader": "model clip lora_name strength_model strength_clip",
    "ControlNetApplyAdvanced": "positive negative control_net image strength start_percent end_percent vae",
    "InpaintModelConditioning": "positive negative vae pixels mask noise_mask",
}
"""In ComfyUI's order, which is that of the values in its files."""


@pytest.mark.parametrize("name", INPUTS)
def test_inputs_stand_in_the_order_of_the_files(name: str) -> None:
    module, _, function = NODES[name].partition(":")
    declared = node_type(getattr(import_module(module), function))
    assert [each.name for each in declared.inputs] == INPUTS[name].split()


def test_blocks_have_an_input_each() -> None:
    merging = import_module("sdkit_comfy.nodes.merging")
    assert len(merging.SD1.inputs) == 2 + 2 + 12 + 3 + 12 + 1
    assert len(merging.SDXL.inputs) == 2 + 2 + 9 + 3 + 9 + 1
