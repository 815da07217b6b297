"""Nodes for pictures and masks, run in graphs of ComfyUI's API format."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image as pillow

import sdkit_comfy.plugin
from sdkit.errors import GraphError, NodeError
from sdkit.pipeline import Workspace

Api = dict[str, dict[str, object]]


def node(kind: str, **inputs: object) -> dict[str, object]:
    return {"class_type": kind, "inputs": inputs}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "in").mkdir()
    return Workspace(plugins=[sdkit_comfy.plugin], inputs=tmp_path / "in", outputs=tmp_path / "out")


def run(workspace: Workspace, graph: Api, asked: str) -> tuple[object, ...]:
    return tuple(workspace.run(graph, outputs=[asked]).values[asked])


def tensor(workspace: Workspace, graph: Api, asked: str, output: int = 0) -> torch.Tensor:
    value = run(workspace, graph, asked)[output]
    assert isinstance(value, torch.Tensor)
    return value


def test_pictures_are_made_scaled_cut_and_stitched_in_the_sizes_that_the_inputs_say(workspace: Workspace) -> None:
    graph: Api = {
        "1": node("EmptyImage", width=40, height=20, batch_size=2, color=0x3366CC),
        "2": node("ImageScale", image=["1", 0], upscale_method="bilinear", width=0, height=10, crop="disabled"),
        "3": node("ImageScaleBy", image=["2", 0], upscale_method="area", scale_by=0.5),
        "4": node("ImageScaleToMaxDimension", image=["1", 0], upscale_method="area", largest_size=16),
        "5": node("ImageScaleToTotalPixels", image=["1", 0], upscale_method="area", megapixels=0.01),
        "6": node("ImageCrop", image=["1", 0], width=8, height=100, x=36, y=15),
        "7": node("ImagePadForOutpaint", image=["1", 0], left=8, top=0, right=0, bottom=16, feathering=4),
        "8": node("ImageRotate", image=["1", 0], rotation="90 degrees"),
        "9": node("ImageStitch", image1=["1", 0], image2=["8", 0], direction="down", spacing_width=3),
        "10": node("GetImageSize", image=["9", 0]),
        "11": node("ResizeAndPadImage", image=["1", 0], target_width=10, target_height=10, padding_color="white"),
    }
    sizes = {"1": (20, 40), "2": (10, 20), "3": (5, 10), "4": (8, 16), "5": (72, 145), "6": (5, 4), "7": (36, 48)}
    for asked, size in {**sizes, "8": (40, 20), "9": (20 + 4 + 80, 40), "11": (10, 10)}.items():
        assert tensor(workspace, graph, asked).shape[:3] == (2, *size), asked
    assert torch.equal(tensor(workspace, graph, "1")[0, 0, 0], torch.tensor([0x33, 0x66, 0xCC]) / 255)
    assert tensor(workspace, graph, "7", 1).shape == (1, 36, 48)
    assert run(workspace, graph, "10") == (40, 104, 2)
    framed = tensor(workspace, graph, "11")
    assert torch.equal(framed[:, 0], torch.ones(2, 10, 3))  # white above the picture
    assert torch.allclose(framed[:, 4], tensor(workspace, graph, "1")[:, :1, :10].expand(-1, -1, -1, -1)[:, 0])


@pytest.mark.parametrize(
    ("rule", "values", "size"),
    [
        ("scale dimensions", {"width": 30, "height": 0, "crop": "disabled"}, (15, 30)),
        ("scale by multiplier", {"multiplier": 0.5}, (10, 20)),
        ("scale longer dimension", {"longer_size": 20}, (10, 20)),
        ("scale shorter dimension", {"shorter_size": 40}, (40, 80)),
        ("scale width", {"width": 10}, (5, 10)),
        ("scale height", {"height": 10}, (10, 20)),
        ("scale total pixels", {"megapixels": 0.01, "multiple": 16}, (80, 144)),
        ("scale to multiple", {"multiple": 16}, (16, 32)),
        ("match size", {"match": ["2", 0], "crop": "center"}, (7, 9)),
    ],
)
def test_a_picture_or_mask_is_resized_by_any_rule(
    workspace: Workspace, rule: str, values: dict[str, object], size: tuple[int, int]
) -> None:
    inputs = {f"resize_type.{name}": value for name, value in values.items()}
    graph: Api = {
        "1": node("EmptyImage", width=40, height=20, color=0xFF0000),
        "2": node("SolidMask", value=1.0, width=9, height=7),
        "3": node("ResizeImageMaskNode", input=["1", 0], resize_type=rule, scale_method="area", **inputs),
        "4": node("ImageToMask", image=["1", 0], channel="red"),
        "5": node("ResizeImageMaskNode", input=["4", 0], resize_type=rule, scale_method="area", **inputs),
    }
    picture = tensor(workspace, graph, "3")
    assert picture.shape == (1, *size, 3)
    assert torch.equal(picture[0, 0, 0], torch.tensor([1.0, 0.0, 0.0]))
    assert tensor(workspace, graph, "5").shape == (1, *size)


def test_filters_and_masks_compute_what_the_library_computes(workspace: Workspace) -> None:
    graph: Api = {
        "1": node("EmptyImage", width=8, height=8, color=0x800000),
        "2": node("ImageInvert", image=["1", 0]),
        "3": node("ImageBlend", image1=["1", 0], image2=["2", 0], blend_factor=0.25, blend_mode="normal"),
        "4": node("SolidMask", value=0.5, width=8, height=8),
        "5": node("InvertMask", mask=["4", 0]),
        "6": node("MaskComposite", destination=["4", 0], source=["5", 0], x=4, y=0, operation="add"),
        "7": node("ThresholdMask", mask=["6", 0], value=0.75),
        "8": node("GrowMask", mask=["7", 0], expand=1, tapered_corners=False),
        "9": node("ImageCompositeMasked", destination=["1", 0], source=["2", 0], mask=["8", 0]),
        "10": node("JoinImageWithAlpha", image=["1", 0], alpha=["8", 0]),
        "11": node("SplitImageWithAlpha", image=["10", 0]),
        "12": node("ImageColorToMask", image=["1", 0], color=0x800000),
        "13": node("FeatherMask", mask=["12", 0], left=4),
        "14": node("MaskToImage", mask=["13", 0]),
        "15": node("CropMask", mask=["13", 0], x=1, y=2, width=2, height=3),
        "16": node("BatchImagesNode", **{"images.image1": ["2", 0], "images.image0": ["1", 0]}),
    }
    red = 0x80 / 255
    assert torch.allclose(
        tensor(workspace, graph, "3")[0, 0, 0], torch.tensor([0.75 * red + 0.25 * (1 - red), 0.25, 0.25])
    )
    assert tensor(workspace, graph, "8")[0, 0].tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    pasted = tensor(workspace, graph, "9")
    assert torch.allclose(pasted[0, :, 0, 0], torch.full((8,), red))
    assert torch.allclose(pasted[0, :, 3, 1], torch.ones(8))
    assert tensor(workspace, graph, "10").shape == (1, 8, 8, 4)
    assert torch.equal(tensor(workspace, graph, "11", 1), tensor(workspace, graph, "8"))
    assert tensor(workspace, graph, "14")[0, 0, :, 1].tolist() == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]
    assert tensor(workspace, graph, "15").shape == (1, 3, 2)
    both = tensor(workspace, graph, "16")
    assert torch.equal(both[0], tensor(workspace, graph, "1")[0]), "in the order of their numbers, not of the file"
    assert torch.equal(both[1], tensor(workspace, graph, "2")[0])


def test_batches_are_split_and_joined_by_rebatching(workspace: Workspace) -> None:
    graph: Api = {
        "1": node("EmptyImage", width=4, height=4, batch_size=3),
        "2": node("RepeatImageBatch", image=["1", 0], amount=2),
        "3": node("ImageFromBatch", image=["2", 0], batch_index=4, length=9),
        "4": node("ImageBatch", image1=["2", 0], image2=["3", 0]),
        "5": node("RebatchImages", images=["4", 0], batch_size=3),
        "6": node("GetImageSize", image=["5", 0]),
    }
    assert tensor(workspace, graph, "4").shape[0] == 8
    assert run(workspace, graph, "6")[2] == [3, 3, 2]


def test_a_picture_is_read_with_its_mask_and_read_again_when_the_file_changes(
    workspace: Workspace, tmp_path: Path
) -> None:
    path = tmp_path / "in" / "sub" / "photo.png"
    path.parent.mkdir()
    pillow.new("RGBA", (6, 4), (255, 0, 0, 51)).save(path)
    graph: Api = {
        "1": node("LoadImage", image="sub/photo.png [input]", upload="image"),
        "2": node("LoadImageMask", image="sub/photo.png", channel="red"),
        "3": node("GetImageSize", image=["1", 0]),
    }
    assert tensor(workspace, graph, "1").shape == (1, 4, 6, 3)
    assert torch.allclose(tensor(workspace, graph, "1", 1), torch.full((1, 4, 6), 0.8))
    assert torch.equal(tensor(workspace, graph, "2"), torch.ones(1, 4, 6))
    assert workspace.run(graph, outputs=["3"]).executed in ((), ("3",), ("1", "3"))
    assert not workspace.run(graph, outputs=["3"]).executed
    pillow.new("RGB", (8, 4)).save(path)
    again = workspace.run(graph, outputs=["3"])
    assert list(again.executed) == ["1", "3"]
    assert again.values["3"][0] == 8


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/passwd", "nowhere.png", "old.png [temp]", "..\\x.png [output]"]
)
def test_pictures_that_are_not_there_are_faults_before_anything_runs(workspace: Workspace, name: str) -> None:
    graph: Api = {"7": node("LoadImage", image=name), "8": node("PreviewImage", images=["7", 0])}
    with pytest.raises(GraphError) as failure:
        workspace.run(graph)
    (fault,) = failure.value.faults
    assert fault.node == "7"
    assert name.partition(" ")[0].replace("\\", "\\\\") in fault.message


def test_previews_are_reported_and_saved_nowhere(workspace: Workspace, tmp_path: Path) -> None:
    graph: Api = {
        "1": node("SolidMask", value=0.25, width=8, height=6),
        "2": node("MaskPreview", mask=["1", 0]),
    }
    (shown,) = workspace.run(graph).ui["2"]["images"]
    assert (getattr(shown, "width", 0), getattr(shown, "height", 0)) == (8, 6)
    assert not (tmp_path / "out").exists()


def test_what_the_node_cannot_do_names_the_node(workspace: Workspace) -> None:
    graph: Api = {
        "1": node("EmptyImage", width=8, height=8),
        "2": node("ImageBlur", image=["1", 0], blur_radius=9, sigma=1.0),
        "3": node("PreviewImage", images=["2", 0]),
    }
    with pytest.raises(NodeError, match=r"(?s)2.*ImageBlur.*radius 9"):
        workspace.run(graph)


@pytest.mark.parametrize(
    ("values", "size"),
    [
        (["scale dimensions", 30, 12, "center", "area"], (12, 30)),
        (["scale by multiplier", 2, "area"], (40, 80)),
        (["scale total pixels", 0.01, 8, "area"], (72, 144)),
    ],
)
def test_the_editors_fields_of_a_rule_are_told_apart_by_the_rule(
    workspace: Workspace, values: list[object], size: tuple[int, int]
) -> None:
    picture = {"id": 1, "type": "EmptyImage", "outputs": [{"links": [1]}], "widgets_values": [40, 20, 1, 0]}
    resized = {
        "id": 2,
        "type": "ResizeImageMaskNode",
        "inputs": [{"name": "input", "type": "IMAGE,MASK", "link": 1}],
        "outputs": [],
        "widgets_values": values,
    }
    graph = workspace.load({"nodes": [picture, resized], "links": [[1, 1, 0, 2, 0, "IMAGE"]], "version": 0.4})
    value = workspace.run(graph, outputs=["2"]).values["2"][0]
    assert isinstance(value, torch.Tensor)
    assert value.shape == (1, *size, 3)
    assert graph.nodes["2"].inputs["scale_method"] == "area"
