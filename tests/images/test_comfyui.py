"""ComfyUI's graph in a picture: read where it is one request, refused with advice where it is not."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import torch

from sdkit.errors import MetadataError
from sdkit.images import Image, read_record
from sdkit.request import Request

GRAPH: dict[str, Any] = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 7,
            "steps": 20,
            "cfg": 6.5,
            "sampler_name": "dpmpp_2m",
            "scheduler": "karras",
            "denoise": 1.0,
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd15/dreamy.v8.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a (cat:1.2)", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "dog", "clip": ["4", 1]}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0]}},
}
FIELDS: dict[str, object] = {
    "prompt": "a (cat:1.2)",
    "negative_prompt": "dog",
    "prompt_syntax": "comfy",
    "noise": "comfy",
    "seed": 7,
    "steps": 20,
    "guidance_scale": 6.5,
    "sampler": "dpmpp_2m",
    "schedule": "karras",
    "width": 512,
    "height": 768,
    "model": "dreamy.v8",
}


def picture(graph: object) -> bytes:
    return Image(torch.zeros(3, 8, 8)).with_text(prompt=json.dumps(graph)).to_png()


def changed(**nodes: dict[str, Any]) -> dict[str, Any]:
    graph = copy.deepcopy(GRAPH)
    for name, change in nodes.items():
        node = graph.setdefault(name.removeprefix("n"), {"class_type": "", "inputs": {}})
        node["class_type"] = change.pop("class_type", node["class_type"])
        node["inputs"] |= change
    return graph


def test_the_usual_graph_is_a_request() -> None:
    record = read_record(picture(GRAPH))
    assert record.request_fields() == FIELDS
    assert (record.model, record.warnings) == ("dreamy.v8", ())
    assert Request(**record.request_fields()).steps == 20


def test_the_sampler_in_parts_and_what_is_on_the_way_to_it() -> None:
    graph = changed(
        n3={
            "class_type": "KSamplerAdvanced",
            "noise_seed": 8,
            "start_at_step": 4,
            "end_at_step": 12,
            "model": ["20", 0],
        }
        | {"add_noise": "disable", "return_with_leftover_noise": "enable"},
        n20={"class_type": "ModelSamplingDiscrete", "sampling": "v_prediction", "zsnr": True, "model": ["21", 0]},
        n21={"class_type": "LoraLoader", "lora_name": "x", "model": ["4", 0]},
        n22={"class_type": "CLIPSetLastLayer", "stop_at_clip_layer": -2, "clip": ["4", 1]},
    )
    record = read_record(picture(graph))
    expected = FIELDS | {
        "seed": 8,
        "start_step": 4,
        "end_step": 12,
        "add_noise": False,
        "leftover_noise": True,
        "prediction": "v",
        "zero_terminal_snr": True,
        "clip_skip": 2,
    }
    assert record.request == expected
    assert record.warnings == ("the graph's node LoraLoader is passed over",)
    assert Request(**record.request_fields()).leftover_noise


def test_an_end_behind_the_last_step_is_none() -> None:
    advanced = {"class_type": "KSamplerAdvanced", "end_at_step": 10000, "return_with_leftover_noise": "enable"}
    fields = read_record(picture(changed(n3=advanced | {"add_noise": "enable"}))).request_fields()
    assert (fields["add_noise"], "end_step" in fields, "leftover_noise" in fields) == (True, False, False)


def test_values_that_other_nodes_compute_are_left_out() -> None:
    record = read_record(picture(changed(n3={"seed": ["30", 0]}, n6={"text": ["31", 0]})))
    assert "seed" not in record.request
    assert record.request["prompt"] == ""
    assert record.warnings == ("the graph's node CLIPTextEncode is passed over",)


def test_links_in_a_ring_end() -> None:
    ring = {"class_type": "ModelSamplingSD3", "shift": 3.0, "model": ["20", 0]}
    assert read_record(picture(changed(n3={"model": ["20", 0]}, n20=ring))).request["flow_shift"] == 3.0


@pytest.mark.parametrize(
    ("text", "how_many"),
    [
        ({"workflow": "{}"}, "no KSampler node"),
        ({"prompt": '{"3": {"class_type": "Other", "inputs": {}}}'}, "no KSampler node"),
        ({"prompt": '{"3": {"class_type": '}, "no KSampler node"),
        ({"prompt": json.dumps(GRAPH | {"10": GRAPH["3"]})}, "2 KSampler nodes"),
    ],
)
def test_other_graphs_are_refused_with_advice(text: dict[str, str], how_many: str) -> None:
    data = Image(torch.zeros(3, 8, 8)).with_text(**text).to_png()
    with pytest.raises(MetadataError, match=rf"made by ComfyUI.*no single request.*{how_many}.*A1111's parameters"):
        read_record(data)
