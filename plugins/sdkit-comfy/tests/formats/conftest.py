"""A few node types as ComfyUI declares them, and short ways to write its files."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sdkit.graph import Choices, Input, NodeType, Output

NAMES = Choices("models")
SAMPLERS = ("euler", "dpmpp_2m")


def _declared(name: str, inputs: list[Input], *outputs: str, open_inputs: bool = False) -> NodeType:
    made = tuple(Output(each, each) for each in outputs)
    return NodeType(name, lambda **_: None, tuple(inputs), made, open_inputs=open_inputs)


@pytest.fixture(scope="session")
def types() -> dict[str, NodeType]:
    sampler = [
        Input("model", "MODEL"),
        Input("seed", "int", default=0),
        Input("steps", "int", default=20),
        Input("cfg", "float", default=8.0),
        Input("sampler_name", "COMBO", choices=SAMPLERS),
        Input("positive", "CONDITIONING"),
        Input("latent_image", "LATENT"),
        Input("denoise", "float", default=1.0),
    ]
    declared = [
        _declared("Loader", [Input("name", "COMBO", choices=NAMES)], "MODEL", "CLIP", "VAE"),
        _declared("Encode", [Input("text", "str", multiline=True), Input("clip", "CLIP")], "CONDITIONING"),
        _declared("Latent", [Input("width", "int"), Input("height", "int"), Input("batch_size", "int")], "LATENT"),
        _declared("Sampler", sampler, "LATENT"),
        _declared("Decode", [Input("samples", "LATENT"), Input("vae", "VAE")], "IMAGE"),
        _declared("Save", [Input("images", "IMAGE"), Input("filename_prefix", "str", default="ComfyUI")]),
        _declared(
            "Scale", [Input("image", "IMAGE"), Input("by", "float"), Input("mask", "MASK", required=False)], "IMAGE"
        ),
        _declared(
            "Upload",
            [Input("image", "COMBO", choices=NAMES), Input("channel", "COMBO", choices=("alpha", "red"))],
            "IMAGE",
            "MASK",
        ),
        _declared("Average", [Input("a", "CONDITIONING"), Input("strength", "float")], "CONDITIONING"),
        _declared("Number", [Input("value", "int"), Input("mode", "COMBO", choices=("fixed", "free"))], "INT"),
        _declared("Seeded", [Input("noise_seed", "int"), Input("text", "str")], "NOISE"),
        _declared("Forced", [Input("strength", "float", link_only=True), Input("flag", "bool")], "FLOAT"),
    ]
    return {each.name: each for each in declared}


NodeMaker = Callable[..., dict[str, object]]


@pytest.fixture(scope="session")
def node() -> NodeMaker:
    """`node(3, "Sampler", "model:MODEL=1 seed:INT=2~", "LATENT", [7, "fixed"])`: inputs as name:type=link, with ~
    behind it for one that is a field, too."""

    def made(
        node_id: int | str, kind: str, inputs: str = "", outputs: str = "", values: object = None, **more: object
    ) -> dict[str, object]:
        slots: list[dict[str, object]] = []
        for each in inputs.split():
            head, _, link = each.rstrip("~").partition("=")
            name, _, socket = head.partition(":")
            slot: dict[str, object] = {"name": name, "type": socket or "*", "link": int(link) if link else None}
            slots.append(slot | ({"widget": {"name": name}} if each.endswith("~") else {}))
        made_outputs = [{"name": each, "type": each, "links": []} for each in outputs.split()]
        base: dict[str, object] = {"id": node_id, "type": kind, "mode": 0, "inputs": slots, "outputs": made_outputs}
        return base | ({} if values is None else {"widgets_values": values}) | more

    return made
