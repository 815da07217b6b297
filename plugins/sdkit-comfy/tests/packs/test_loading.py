"""Finding packs without running them, and loading them into namespaces of their own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sdkit import Workspace
from sdkit.graph import Graph
from sdkit_comfy.packs import PackError, Packs, find_packs, load_pack
from sdkit_comfy.packs.commands import packs

SAMPLES = Path(__file__).with_name("samples")
Maker = Callable[..., Workspace]


def test_packs_are_found_without_running_them(tmp_path: Path) -> None:
    (tmp_path / "a_pack").mkdir()
    (tmp_path / "a_pack" / "__init__.py").write_text("NODE_CLASS_MAPPINGS = {}\nraise SystemExit")
    (tmp_path / "single.py").write_text("def comfy_entrypoint(): ...")
    (tmp_path / "other.py").write_text("raise SystemExit")
    (tmp_path / "off.disabled").mkdir()
    assert find_packs([tmp_path, tmp_path / "none"]) == {
        "a_pack": tmp_path / "a_pack",
        "single": tmp_path / "single.py",
    }


def test_only_what_is_named_is_loaded(workspace: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Calculate" not in workspace().types
    assert "Calculate" in workspace("maths").types
    monkeypatch.setenv("SDKIT_COMFY_PACK_FOLDERS", str(SAMPLES))
    monkeypatch.setenv("SDKIT_COMFY_PACKS", "twin_a, maths")
    named = Packs.of_environment()
    assert [each.name for each in named.load()] == ["twin_a", "maths"]
    with pytest.raises(PackError, match="did you mean 'maths'"):
        Packs([SAMPLES], ["math"]).load()


def test_a_pack_is_loaded_once(workspace: Maker) -> None:
    assert load_pack(SAMPLES / "maths") is load_pack(SAMPLES / "maths")


def test_nothing_of_comfyui_is_left_behind(workspace: Maker) -> None:
    before = [*sys.path]
    workspace("images", "hidden", "v3")
    roots = {name.partition(".")[0] for name in sys.modules}
    assert not roots & {"comfy", "nodes", "folder_paths", "server", "comfy_api", "helpers"}
    assert sys.path == before
    assert sys.modules["sdkit_comfy_packs.images"].capture is None, "a pack that can do without goes on without"


def test_modules_of_one_name_in_two_packs(workspace: Maker) -> None:
    space = workspace("twin_a", "twin_b")
    graph = Graph(space.types)
    graph.add("Twin_a", id="a")
    graph.add("Twin_b", id="b")
    assert space.run(graph).values == {"a": ("aa",), "b": ("bb",)}
    assert "shared_name" not in sys.modules


@pytest.mark.parametrize(
    ("pack", "message"),
    [
        ("broken", r"pack 'broken' \(.*\) cannot be loaded: RuntimeError: no licence found"),
        ("lacking", "No module named 'a_package_that_nobody_has'.*requirements.txt"),
        ("nowhere", "there is no pack 'nowhere'"),
    ],
)
def test_a_pack_that_cannot_be_loaded_leaves_nothing(pack: str, message: str) -> None:
    path, finders = [*sys.path], [*sys.meta_path]
    with pytest.raises(PackError, match=message):
        load_pack(SAMPLES / pack)
    assert sys.path == path
    assert sys.meta_path == finders
    assert not [name for name in sys.modules if f".{pack}" in name and name.startswith("sdkit_comfy_packs")]


def test_a_module_of_comfyuis_name_that_is_installed_stays(
    workspace: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nodes.py").write_text("MAX_RESOLUTION = 'mine'")
    monkeypatch.syspath_prepend(tmp_path)
    nodes = importlib.import_module("nodes")

    try:
        assert workspace("images").types["Brighten"].inputs[2].le == 16384
        assert sys.modules["nodes"] is nodes
        assert nodes.MAX_RESOLUTION == "mine"
    finally:
        del sys.modules["nodes"]


def test_the_environment_enables_packs_for_the_installed_plugin(
    workspace: Maker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SDKIT_COMFY_PACK_FOLDERS", str(SAMPLES))
    monkeypatch.setenv("SDKIT_COMFY_PACKS", "maths,nobodys")
    with pytest.raises(PackError, match="there is no pack 'nobodys'"):
        workspace()
    packs()
    shown = capsys.readouterr().out
    assert f"enabled   maths  {SAMPLES / 'maths'}" in shown
    assert f"disabled  broken  {SAMPLES / 'broken'}" in shown
    assert "missing   nobodys" in shown
    monkeypatch.setenv("SDKIT_COMFY_PACKS", "maths")
    assert "Calculate" in workspace().types
