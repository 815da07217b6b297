"""Workflows in what ComfyUI saves: PNG, WebP, JPEG and latents."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image as pillow
from PIL.PngImagePlugin import PngInfo

from sdkit.errors import GraphError, ImageError
from sdkit_comfy.formats import detect, read_workflow

PROMPT = json.dumps({"4": {"class_type": "Loader", "inputs": {"name": "é.safetensors"}}}, ensure_ascii=False)
WORKFLOW = json.dumps({"nodes": [{"id": 5, "type": "Loader"}], "links": [], "version": 0.4})


def png(*texts: tuple[str, str, str]) -> bytes:
    """A PNG with texts of a kind: tEXt, zTXt, iTXt."""
    info, out = PngInfo(), io.BytesIO()
    for kind, keyword, text in texts:
        if kind == "iTXt":
            info.add_itxt(keyword, text, zip=True)
        else:
            info.add_text(keyword, text, zip=kind == "zTXt")
    pillow.new("RGB", (4, 4)).save(out, "PNG", pnginfo=info)
    return out.getvalue()


def exif(kind: str, **fields: str) -> bytes:
    made, out = pillow.Exif(), io.BytesIO()
    for tag, text in zip((0x0110, 0x010F), fields.items(), strict=False):
        made[tag] = ":".join(text)
    pillow.new("RGB", (4, 4)).save(out, kind, exif=made)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["tEXt", "zTXt", "iTXt"])
def test_of_both_formats_in_a_png_the_one_that_ran_is_read(kind: str) -> None:
    data = png((kind, "workflow", WORKFLOW), (kind, "prompt", PROMPT))
    assert detect(data) == "api"
    graph = read_workflow(data)
    assert {node_id: node.inputs for node_id, node in graph.nodes.items()} == {"4": {"name": "é.safetensors"}}


def test_a_workflow_alone_is_read_and_so_it_is_beside_another_programs_prompt() -> None:
    assert list(read_workflow(png(("tEXt", "workflow", WORKFLOW))).nodes) == ["5"]
    assert list(read_workflow(png(("tEXt", "prompt", "a ring"), ("tEXt", "workflow", WORKFLOW))).nodes) == ["5"]
    assert list(read_workflow(png(("tEXt", "prompt", "{broken"), ("tEXt", "workflow", WORKFLOW))).nodes) == ["5"]


@pytest.mark.parametrize("kind", ["WEBP", "JPEG"])
def test_exif(kind: str, tmp_path: Path) -> None:
    ascii_prompt = PROMPT.replace("é", "e")
    path = tmp_path / "picture.png"  # endings may lie
    path.write_bytes(exif(kind, prompt=ascii_prompt, workflow=WORKFLOW))
    assert list(read_workflow(path).nodes) == ["4"]
    assert list(read_workflow(exif(kind, workflow=WORKFLOW)).nodes) == ["5"]


def test_a_latent_file(tmp_path: Path) -> None:
    path = tmp_path / "x.latent"
    tensor = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    header = json.dumps({"__metadata__": {"prompt": PROMPT, "workflow": WORKFLOW}, "latent_tensor": tensor}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    assert list(read_workflow(path).nodes) == ["4"]
    assert list(read_workflow(path.read_bytes()).nodes) == ["4"]
    with pytest.raises(GraphError, match="is cut short"):
        read_workflow(path.read_bytes()[:40])


def test_pictures_without_a_workflow_say_what_they_hold(tmp_path: Path) -> None:
    path = tmp_path / "empty.png"
    path.write_bytes(png())
    with pytest.raises(GraphError, match=r"empty.png' holds no workflow: it holds no text at all. Messengers"):
        read_workflow(path)
    with pytest.raises(GraphError, match="holds no workflow: it holds only Comment"):
        read_workflow(png(("tEXt", "Comment", "hello")))
    with pytest.raises(GraphError, match="A1111's text"):
        read_workflow(png(("tEXt", "parameters", "a ring\nSteps: 20")))
    assert detect(path) is None


def test_a_damaged_picture_is_an_image_error() -> None:
    with pytest.raises(ImageError, match=r"damaged or cut short|not a picture"):
        read_workflow(png(("tEXt", "prompt", PROMPT))[:40])
    assert detect(png()[:40]) is None
