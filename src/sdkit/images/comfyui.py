"""The graph that ComfyUI puts into pictures: nodes by id, of which the one that samples says what a request says.

::

    {"3": {"class_type": "KSampler", "inputs": {"seed": 7, "steps": 20, …, "model": ["4", 0], "positive": ["6", 0]}}, …}

A graph can say far more than a request. What is read is the usual one: one KSampler or KSamplerAdvanced, and the nodes
that are reached from its inputs. Other nodes on the way are told of, and passed over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, cast

from pydantic import JsonValue

from sdkit.errors import MetadataError

_ADVICE = "Open it in ComfyUI and read the values there, or save it with a node that writes A1111's parameters."


class _Node(NamedTuple):
    id: str
    kind: str
    inputs: Mapping[str, JsonValue]


def is_graph(text: str) -> bool:
    """Whether a text is ComfyUI's graph: JSON of nodes by id, each with a `class_type`."""
    return text.lstrip().startswith("{") and '"class_type"' in text


def read_graph(text: str, shown: str) -> tuple[dict[str, JsonValue], tuple[str, ...]]:
    """The fields of a request that asks for the same, and in words what they leave out.

    Raises MetadataError where there is no graph, or not exactly one node in it that samples.
    """
    nodes = _nodes(text)
    samplers = [node for node in nodes.values() if node.kind in _SAMPLERS]
    if len(samplers) != 1:
        how_many = f"{len(samplers)} KSampler nodes" if samplers else "no KSampler node"
        raise MetadataError(
            f"{shown} was made by ComfyUI, by a graph of nodes that is no single request: it has {how_many}. {_ADVICE}"
        )
    (sampler,) = samplers
    fields: dict[str, JsonValue] = {
        "prompt_syntax": "comfy",
        "noise": "comfy",
        **_read(sampler, _SAMPLERS[sampler.kind]),
    }
    if str(name := fields.get("sampler", "")).endswith("_gpu"):
        fields["sampler"], fields["noise_options"] = str(name).removesuffix("_gpu"), {"brownian_from": "cuda"}
    if sampler.kind == "KSamplerAdvanced":
        _steps(fields)
    passed: list[str] = []
    for name, key in (("prompt", "positive"), ("negative_prompt", "negative")):
        fields[name] = "\n".join(_texts(nodes, sampler.inputs.get(key), passed))
    for node in _chain(nodes, sampler.inputs.get("latent_image")):
        fields |= _read(node, _LATENTS.get(node.kind, {}))
        passed += [node.kind] if node.kind not in _LATENTS else []
    for node in _chain(nodes, sampler.inputs.get("model")):
        fields |= _model(node)
        passed += [node.kind] if node.kind not in _MODELS else []
    for node in nodes.values():
        if node.kind == "CLIPSetLastLayer" and isinstance(layer := node.inputs.get("stop_at_clip_layer"), int):
            fields["clip_skip"] = -layer
    notes = [f"the graph's node {kind} is passed over" for kind in dict.fromkeys(passed)]
    return fields, tuple(notes)


_SAMPLERS: Mapping[str, Mapping[str, str]] = {
    "KSampler": {
        "seed": "seed",
        "steps": "steps",
        "cfg": "guidance_scale",
        "sampler_name": "sampler",
        "scheduler": "schedule",
        "denoise": "denoise",
    },
    "KSamplerAdvanced": {
        "noise_seed": "seed",
        "steps": "steps",
        "cfg": "guidance_scale",
        "sampler_name": "sampler",
        "scheduler": "schedule",
        "start_at_step": "start_step",
        "end_at_step": "end_step",
        "add_noise": "add_noise",
        "return_with_leftover_noise": "leftover_noise",
    },
}
"""Nodes that sample: their inputs → fields of a request."""

_LATENTS: Mapping[str, Mapping[str, str]] = {
    "EmptyLatentImage": {"width": "width", "height": "height"},
    "EmptySD3LatentImage": {"width": "width", "height": "height"},
}
_MODELS: Mapping[str, Callable[[Mapping[str, JsonValue]], dict[str, JsonValue]]] = {
    "CheckpointLoaderSimple": lambda inputs: {"model": _stem(inputs.get("ckpt_name"))},
    "ModelSamplingSD3": lambda inputs: {"flow_shift": inputs.get("shift")},
    "ModelSamplingDiscrete": lambda inputs: {
        "prediction": {"eps": "eps", "v_prediction": "v"}.get(str(inputs.get("sampling"))),
        "zero_terminal_snr": inputs.get("zsnr"),
    },
}


def _steps(fields: dict[str, JsonValue]) -> None:
    """KSamplerAdvanced's words → a request's; an end behind the last step, such as 10000, is none."""
    fields["add_noise"] = fields.get("add_noise") != "disable"
    leftover, end, steps = fields.pop("leftover_noise", None), fields.pop("end_step", None), fields.get("steps")
    if isinstance(end, int) and isinstance(steps, int) and end < steps:
        fields |= {"end_step": end, "leftover_noise": leftover == "enable"}


def _model(node: _Node) -> dict[str, JsonValue]:
    read = _MODELS.get(node.kind)
    return {name: value for name, value in read(node.inputs).items() if value is not None} if read else {}


def _read(node: _Node, names: Mapping[str, str]) -> dict[str, JsonValue]:
    """The node's values under the request's names; inputs that are links to other nodes are no values."""
    found = {own: node.inputs.get(name) for name, own in names.items()}
    return {own: value for own, value in found.items() if value is not None and not isinstance(value, list)}


def _texts(nodes: Mapping[str, _Node], link: JsonValue, passed: list[str]) -> Iterator[str]:
    for node in _chain(nodes, link):
        text = node.inputs.get("text")
        if node.kind == "CLIPTextEncode" and isinstance(text, str):
            yield text
        else:
            passed.append(node.kind)


def _chain(nodes: Mapping[str, _Node], link: JsonValue) -> Iterator[_Node]:
    """The node that a link leads to, and on through inputs of the same sort, as long as there is one."""
    seen: set[str] = set()
    while isinstance(link, list) and link and (node := nodes.get(str(link[0]))) and node.id not in seen:
        seen.add(node.id)
        yield node
        link = next((node.inputs[name] for name in ("model", "samples", "conditioning") if name in node.inputs), None)


def _nodes(text: str) -> dict[str, _Node]:
    """The nodes by id; what is none is left out."""
    try:
        data: object = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        data = {}
    found: dict[str, _Node] = {}
    for name, value in cast("dict[str, object]", data).items() if isinstance(data, dict) else ():
        node = cast("dict[str, object]", value) if isinstance(value, dict) else {}
        kind, inputs = node.get("class_type"), node.get("inputs")
        if isinstance(kind, str) and isinstance(inputs, dict):
            found[name] = _Node(name, kind, cast("dict[str, JsonValue]", inputs))
    return found


def _stem(name: JsonValue) -> JsonValue:
    """`folder/model.safetensors` → `model`."""
    return name.replace("\\", "/").rpartition("/")[2].rpartition(".")[0] or name if isinstance(name, str) else None
