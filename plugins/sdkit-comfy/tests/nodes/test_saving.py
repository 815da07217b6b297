"""Saving pictures: where, under which names, and what the files carry."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image as pillow

import sdkit_comfy.plugin
from sdkit.errors import ImageError, NodeError
from sdkit.graph import Graph, GraphNode, Ref
from sdkit.pipeline import Workspace
from sdkit_comfy.places import fill_in, save_files

NOW = time.struct_time((2031, 2, 3, 4, 5, 6, 0, 34, 0))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(plugins=[sdkit_comfy.plugin], inputs=tmp_path / "in", outputs=tmp_path / "out")


def saving(prefix: str, count: int = 1, kind: str = "SaveImage", fps: float | None = None) -> Graph:
    graph = Graph()
    picture = graph.add("EmptyImage", width=16, height=8, batch_size=count, color=0x0A141E, id="pic", title="Canvas")
    more = {} if fps is None else {"fps": fps}
    graph.insert(GraphNode(kind, {"images": picture.out, "filename_prefix": prefix, **more}), "save")
    return graph


def files(workspace: Workspace, graph: Graph) -> list[Path]:
    return [Path(str(path)) for path in workspace.run(graph).ui["save"]["images"]]


def test_files_are_counted_on_and_none_is_overwritten(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "a"
    folder.mkdir(parents=True)
    (folder / "x_00007_.png").write_bytes(b"mine")
    (folder / "x2_00050_.png").write_bytes(b"another prefix")
    saved = files(workspace, saving("a/x", 2))
    assert saved == [folder / "x_00008_.png", folder / "x_00009_.png"]
    assert (folder / "x_00007_.png").read_bytes() == b"mine"
    with pillow.open(saved[0]) as picture:
        assert picture.size == (16, 8)
        assert picture.getpixel((3, 3)) == (0x0A, 0x14, 0x1E)


def test_somebody_elses_file_is_stepped_over(workspace: Workspace, tmp_path: Path) -> None:
    def racing() -> Iterator[bytes]:  # begun when names were looked at, and found free
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "x_00001_.bin").write_bytes(b"theirs")
        yield b"ours"

    (path,) = save_files(workspace, "x", ".bin", racing(), Graph())
    assert path.name == "x_00002_.bin"
    assert path.with_name("x_00001_.bin").read_bytes() == b"theirs"


def test_a_saved_picture_carries_its_workflow_in_both_formats(workspace: Workspace) -> None:
    graph = saving("x")
    (path,) = files(workspace, graph)
    loaded = workspace.load(path)
    assert {key: (node.type, dict(node.inputs)) for key, node in loaded.nodes.items()} == {
        key: (node.type, dict(node.inputs)) for key, node in graph.nodes.items()
    }
    with pillow.open(path) as picture:
        texts = {key: json.loads(str(value)) for key, value in picture.info.items() if key in ("prompt", "workflow")}
    assert texts["prompt"]["pic"]["class_type"] == "EmptyImage"
    assert {each["type"] for each in texts["workflow"]["nodes"]} == {"EmptyImage", "SaveImage"}


@pytest.mark.parametrize("kind", ["SaveAnimatedPNG", "SaveAnimatedWEBP"])
def test_animations_hold_every_frame_and_the_workflow(workspace: Workspace, kind: str) -> None:
    graph = saving("film", 1, kind, fps=4.0)
    negative = graph.add("ImageInvert", image=Ref("pic"))
    graph.nodes["save"].inputs["images"] = graph.add("ImageBatch", image1=Ref("pic"), image2=negative).out
    (path,) = files(workspace, graph)
    with pillow.open(path) as picture:
        assert getattr(picture, "n_frames", 1) == 2
    assert workspace.load(path).nodes["save"].type == kind


@pytest.mark.parametrize("prefix", ["../x", "/tmp/x", "a/../../x", "C:\\x"])
def test_nothing_is_saved_outside_of_the_folder(workspace: Workspace, tmp_path: Path, prefix: str) -> None:
    with pytest.raises(NodeError) as failure:
        workspace.run(saving(prefix))
    assert isinstance(failure.value.__cause__, ImageError)
    assert "leads out of there" in str(failure.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        ("%year%-%month%-%day% %hour%.%minute%.%second%", "2031-02-03 04.05.06"),
        ("%date:yyyy-MM-dd%/%date:yy M d hh:mm:ss%", "2031-02-03/31 2 3 04_05_06"),
        ("%width%x%height%", "640x480"),
        ("%Canvas.width% %EmptyImage.color%", "16 660510"),
        ("%Canvas.nothing% 100% sure", "%Canvas.nothing% 100% sure"),
        ("%Canvas.note%", "a_.._b_c"),
    ],
)
def test_what_stands_between_percent_signs_is_filled_in(prefix: str, name: str) -> None:
    graph = saving("x")
    graph.nodes["pic"].inputs["note"] = "a/../b:c"
    assert fill_in(prefix, graph, (640, 480), NOW) == name


def test_the_place_in_the_batch_can_be_part_of_the_name(workspace: Workspace) -> None:
    assert [path.name for path in files(workspace, saving("p%batch_num%", 2))] == ["p0_00001_.png", "p1_00002_.png"]
