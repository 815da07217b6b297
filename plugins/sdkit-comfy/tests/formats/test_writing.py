"""Writing: what is written reads the same again, and is laid out as ComfyUI's own editor reads it."""

from __future__ import annotations

import io
import json

from PIL import Image as pillow
from PIL.PngImagePlugin import PngInfo

from sdkit.graph import Graph, NodeType, Ref
from sdkit_comfy.formats import read_workflow, text_chunks, to_api, to_ui

Types = dict[str, NodeType]


def made() -> Graph:
    graph = Graph()
    loaded = graph.add("Loader", id="4", title="The model", name="m.safetensors")
    positive = graph.add("Encode", id="6", text="a ring, é", clip=loaded[1])
    latent = graph.add("Latent", id="5", width=64, height=32, batch_size=1)
    graph.add(
        "Sampler",
        id="3",
        model=loaded[0],
        seed=7,
        steps=20,
        cfg=8.0,
        sampler_name="euler",
        positive=positive[0],
        latent_image=latent[0],
        denoise=Ref("11", 1),
    )
    graph.add("Strange", id="11", size=3, what="x", other=loaded[2])
    return graph


def test_api_format() -> None:
    graph = made()
    graph.nodes["11"].inputs |= {"points": [1, 2], "raw": {"__value__": 1}}
    data = json.loads(json.dumps(to_api(graph)))
    assert data["6"] == {
        "class_type": "Encode",
        "inputs": {"text": "a ring, é", "clip": ["4", 1]},
        "_meta": {"title": "Encode"},
    }
    assert data["4"]["_meta"] == {"title": "The model"}
    inputs = data["11"]["inputs"]
    assert inputs["points"] == {"__value__": [1, 2]}
    again = read_workflow(data)
    assert {node_id: node.inputs for node_id, node in again.nodes.items()} == {
        node_id: node.inputs for node_id, node in graph.nodes.items()
    }


def test_ui_format_reads_the_same_again(types: Types) -> None:
    assert read_workflow(json.loads(json.dumps(to_ui(made(), types))), types) == made()


def test_ui_format_is_as_the_editor_has_it(types: Types) -> None:
    data = json.loads(json.dumps(to_ui(made(), types)))
    nodes = {each["id"]: each for each in data["nodes"]}
    assert nodes[3]["widgets_values"] == [7, "fixed", 20, 8.0, "euler", 1.0]
    assert [each["name"] for each in nodes[3]["inputs"]] == ["model", "positive", "latent_image", "denoise"]
    assert nodes[3]["inputs"][3]["widget"] == {"name": "denoise"}
    assert nodes[3]["inputs"][3]["type"] == "FLOAT"
    assert [each["type"] for each in nodes[4]["outputs"]] == ["MODEL", "CLIP", "VAE"]
    assert (data["last_node_id"], data["last_link_id"], data["version"]) == (11, 6, 0.4)
    by_id = {link[0]: link for link in data["links"]}
    for each in data["nodes"]:
        for place, slot in enumerate(each["inputs"]):
            if slot["link"] is not None:
                assert by_id[slot["link"]][3:5] == [each["id"], place]
        for place, output in enumerate(each["outputs"]):
            for link in output["links"]:
                assert by_id[link][1:3] == [each["id"], place]
    columns = {each["id"]: each["pos"][0] for each in data["nodes"]}
    assert columns[4] < columns[6] < columns[3]
    assert columns[4] < columns[11] < columns[3]


def test_ids_that_are_paths_get_numbers(types: Types) -> None:
    graph = Graph()
    first = graph.add("Loader", id="5:1", name="a")
    graph.add("Encode", id="7", text="x", clip=first[1])
    data = to_ui(graph, types)
    again = read_workflow(data, types)
    assert again.nodes["7"].inputs == {"text": "x", "clip": Ref("8", 1)}
    assert again.nodes["8"].inputs == {"name": "a"}


def test_circles_and_links_to_nowhere_can_be_written(types: Types) -> None:
    graph = Graph()
    graph.add("Scale", id="1", image=Ref("2", 0), by=2.0)
    graph.add("Scale", id="2", image=Ref("1", 0), by=2.0, mask=Ref("99", 0))
    graph.add("Strange", id="1" * 5000, image=Ref("1", 10**30))
    again = read_workflow(to_ui(graph, types), types)
    assert again.nodes["1"].inputs == {"image": Ref("2", 0), "by": 2.0}
    assert again.nodes["2"].inputs == {"image": Ref("1", 0), "by": 2.0}


def test_a_picture_with_the_texts_reads_the_same_again(types: Types) -> None:
    chunks = text_chunks(made(), types)
    assert set(chunks) == {"prompt", "workflow"}
    assert all(text.isascii() for text in chunks.values())
    for keyword in chunks:
        info, out = PngInfo(), io.BytesIO()
        info.add_text(keyword, chunks[keyword])
        pillow.new("RGB", (4, 4)).save(out, "PNG", pnginfo=info)
        again = read_workflow(out.getvalue(), types)
        assert {node_id: node.inputs for node_id, node in again.nodes.items()} == {
            node_id: node.inputs for node_id, node in made().nodes.items()
        }
