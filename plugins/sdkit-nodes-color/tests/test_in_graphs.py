"""The nodes in graphs: registered, checked before anything runs, and run again when their files change."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

import pytest
import torch

import sdkit
import sdkit_nodes_color
from sdkit.graph import Graph

GREY = sdkit.Image(torch.full((3, 4, 4), 0.5))
INVERT = "LUT_3D_SIZE 2\n" + "\n".join(f"{1 - r} {1 - g} {1 - b}" for b in (0, 1) for g in (0, 1) for r in (0, 1))


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sdkit.Workspace:
    monkeypatch.setenv("SDKIT_PLUGINS", "none")
    return sdkit.Workspace(plugins=[sdkit_nodes_color], inputs=tmp_path)


@pytest.mark.hook("register_nodes")
def test_every_node_is_there_and_documented(workspace: sdkit.Workspace):
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    for name in sdkit_nodes_color.NODES:
        kind = workspace.types[name]
        assert (kind.category, kind.outputs[0].type) == ("color", "Image")
        assert kind.summary
        assert f"| `{name}` |" in readme


def test_faults_are_said_before_anything_runs(workspace: sdkit.Workspace, tmp_path: Path):
    (tmp_path / "look.cube").write_text("LUT_3D_SIZE 2\n0 0 0\n")
    graph = Graph()
    image = graph.add(given)
    graph.add("tone_curve", image=image, points="0:0 0:1")
    graph.add("split_tone", image=image, shadows="blue")
    graph.add("apply_lut", image=image, table="look.cube")
    graph.add("apply_lut", image=image, table="lok.cube")
    graph.add("adjust_color", image=image, contrast=-1)
    messages = [fault.message for fault in workspace.check(graph)]
    assert messages[0] == "points: the points go from dark to bright: the first numbers must rise"
    assert messages[1].startswith("shadows: a colour is written #rrggbb")
    assert messages[2].endswith("a table of size 2 has 8 colours, this file has 1")
    assert "there is no file 'lok.cube'" in messages[3]
    assert messages[4] == "contrast is -1, must be at least 0"


@sdkit.node
def given() -> sdkit.Image:
    return GREY


def test_a_table_that_changed_is_read_again(workspace: sdkit.Workspace, tmp_path: Path):
    table = tmp_path / "look.cube"
    table.write_text(INVERT)
    graph = Graph()
    dark = graph.add("adjust_color", image=graph.add(given), exposure=-2.0)
    graph.add("apply_lut", image=dark, table="look.cube")
    inverted = workspace.run(graph).value("3")
    assert workspace.run(graph).executed == ()
    table.write_text(INVERT.replace("\n1 1 1", "\n1 1 0.5"))
    os.utime(table, ns=(1, 1))
    again = workspace.run(graph)
    assert again.executed == ("3",)
    assert isinstance(inverted, sdkit.Image)
    assert not torch.equal(again.value("3").pixels, inverted.pixels)  # pyright: ignore[reportAttributeAccessIssue]


def test_the_picture_of_the_readme_can_be_made():
    main = runpy.run_path(str(Path(__file__).parents[1] / "make_pictures.py"))["main"]
    assert callable(main)
