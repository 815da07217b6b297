"""The way in: what is taken, and what is said of what is no workflow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdkit.errors import GraphError
from sdkit.graph import Graph
from sdkit_comfy.formats import detect, read_workflow

API = {"4": {"class_type": "Loader", "inputs": {}}}
UI = {"nodes": [{"id": 4, "type": "Loader"}], "links": [], "version": 0.4}


def test_paths_bytes_text_and_json_are_the_same(tmp_path: Path) -> None:
    text = json.dumps(API)
    path = tmp_path / "a.json"
    path.write_text("\ufeff" + text, encoding="utf-8")
    for source in (path, str(path), text, text.encode(), API):
        assert list(read_workflow(source).nodes) == ["4"]
        assert detect(source) == "api"
    assert detect(UI) == "ui"


def test_ui_format_without_links_and_with_last_node_id() -> None:
    assert detect({"nodes": [{"id": 1, "type": "A"}], "last_node_id": 1}) == "ui"
    assert detect({"nodes": [{"id": 1, "type": "n8n"}], "connections": {}}) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"name": "x", "version": "1.0.0", "dependencies": {}}', "is a package.json of Node.js, not a workflow"),
        ('{"nodes": {"1": {}}}', "has nodes, but not as ComfyUI's workflows"),
        (
            '{"3": {"inputs": {}}, "4": {"inputs": {}}}',
            "looks like ComfyUI's API format, but no node in it has a class_type",
        ),
        ('{"sdkit_graph": 1, "nodes": {}}', "is a graph in sdkit's own format"),
        ('{"a": 1, "b": 2}', "is no workflow of ComfyUI, but an object with 'a', 'b'. Workflows are saved with"),
        ("{}", "but an empty object"),
        ("[1, 2]", "but a list"),
        ("{not json", "is no JSON: .* in line 1, column 2"),
        ("[" * 100_000, "is no JSON that can be read: .*recursion"),
    ],
)
def test_says_what_it_is_instead(text: str, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        read_workflow(text)
    assert detect(text) is None


def test_what_is_not_text_and_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="the workflow is neither a picture nor text in UTF-8: byte 0"):
        read_workflow(b"\xff\x00\x01 no text")
    with pytest.raises(GraphError, match=r"cannot read the workflow .*gone.json': No such file"):
        read_workflow(tmp_path / "gone.json")
    with pytest.raises(GraphError, match="cannot read the workflow"):
        read_workflow(tmp_path)
    with pytest.raises(GraphError, match="is no JSON"):
        read_workflow(b"")
    assert detect(tmp_path / "gone.json") is None


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(100 * 2**20)
    with pytest.raises(
        GraphError, match=r"huge.json' has 104,857,600 bytes; workflows of up to 33,554,432 bytes are read"
    ):
        read_workflow(path)
    with pytest.raises(GraphError, match="bytes are read"):
        read_workflow(b"{" + b" " * 2**25)


def test_nothing_but_the_graph_is_returned() -> None:
    assert isinstance(read_workflow(UI), Graph)
