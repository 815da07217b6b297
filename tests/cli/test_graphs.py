"""`sdkit run`, `sdkit graph` and `sdkit nodes`."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from PIL import Image as pillow

from sdkit.builtin.commands.graphs import with_names
from sdkit.errors import RequestError
from sdkit.graph import Graph
from tests.cli.conftest import Run

FAST = ("--set", "sample.steps=1", "--set", "empty.width=64", "--set", "empty.height=64")


@pytest.fixture
def sums(here: Path) -> str:
    """A file with a graph of numbers and an edited picture."""
    pillow.new("RGB", (8, 4), (255, 0, 0)).save(here / "red.png")
    graph = Graph()
    graph.add("calculate", id="sum", a=1.0, b=2.0)
    loaded = graph.add("load_image", id="load", name="red.png")
    small = graph.add("scale_image", id="scale", image=loaded[0], width=4)
    graph.add("save_image", id="save", image=small, prefix="small")
    graph.save(here / "sums.json")
    return "sums.json"


class TestRunning:
    def test_a_graph_runs_and_lists_its_files(self, real_sdkit: Run, here: Path) -> None:
        done = real_sdkit("run", "default", *FAST, "--set", "prompt.prompt=a green star", "-o", "made")
        assert (done.code, done.out) == (0, "made/sdkit_00001.png\n")
        assert done.err.startswith("6 nodes ran in ")
        again = real_sdkit("graph", "made/sdkit_00001.png", "--check")
        assert (again.code, again.err) == (0, "nothing is wrong with it: 6 nodes\n")

    def test_values_are_json_or_text(self, real_sdkit: Run, sums: str) -> None:
        done = real_sdkit("run", sums, "--only", "sum", "--set", "sum.a=4", "--set", "sum.operation=*", "--json")
        assert done.code == 0
        told = json.loads(done.out)
        assert (told["executed"], told["texts"], told["files"]) == (["sum"], {"sum": ["8.0", "8"]}, [])
        plain = real_sdkit("run", sums, "--only", "sum")
        assert plain.out == "sum: 3.0\nsum: 3\n"

    def test_faults_are_all_said_and_nothing_runs(self, real_sdkit: Run, here: Path) -> None:
        wrong = ("sample.steps=0", "sample.sampler=eulr", "model.name=no")
        done = real_sdkit("run", "default", *(word for each in wrong for word in ("--set", each)))
        assert (done.code, done.out) == (2, "")
        lines = done.err.splitlines()
        assert lines[0] == "error: the graph cannot run, it has 3 faults:"
        assert lines[1].startswith("  node model (load_model): name is 'no', which is not among the checkpoints")
        assert lines[2] == "  node sample (sample): steps is 0, must be at least 1"
        assert lines[3].startswith(
            "  node sample (sample): sampler is 'eulr', which is not among the samplers; did you"
        )
        assert not (here / "out").exists()

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (("nowhere.json",), 2, "there is no file 'nowhere.json'"),
            (("default", "--set", "sample.sed=1"), 2, "node sample (sample) has no input 'sed'; did you mean 'seed'?"),
            (("default", "--set", "sampel.seed=1"), 2, "there is no node 'sampel'; did you mean 'sample' or"),
            (("default", "--set", "sample"), 2, "--set takes name=value, not 'sample'"),
            (("default", "--map", "tiny"), 2, "--map takes old=new, not 'tiny'"),
            (("default", "--map", "tinny.safetensors=x"), 2, "nothing in the graph is called 'tinny.safetensors'"),
            (("default", "--only", "svae"), 2, "there is no node 'svae' to ask for"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
    )
    def test_what_is_wrong_is_said(self, real_sdkit: Run, arguments: tuple[str, ...], code: int, message: str) -> None:
        done = real_sdkit("run", *arguments)
        assert done.code == code
        assert message in done.err

    def test_a_node_that_fails_keeps_what_others_saved(self, real_sdkit: Run, here: Path, sums: str) -> None:
        graph = Graph.from_json((here / sums).read_text())
        cropped = graph.add("crop_image", id="crop", image=graph.handle("load")[0], x=9000)
        graph.add("preview_image", id="bad", image=cropped)
        graph.nodes["crop"].inputs["width"] = 0
        graph.save(here / sums)
        done = real_sdkit("run", sums)
        assert done.code == 2, "a value that cannot be used"
        assert done.out == "out/small_00001.png\n"
        assert "error: node crop (crop_image" in done.err

    def test_pictures_are_given_and_put_in_anothers_place(self, real_sdkit: Run, here: Path, sums: str) -> None:
        folder = here.parent / "elsewhere"
        folder.mkdir()
        pillow.new("RGB", (2, 2), (0, 255, 0)).save(folder / "green.png")
        done = real_sdkit("run", sums, "--input", f"red.png={folder / 'green.png'}")
        assert done.code == 0, done.err
        with pillow.open(here / "out" / "small_00001.png") as saved:
            assert (saved.size, saved.getpixel((0, 0))) == ((4, 4), (0, 255, 0))
        (here / "red.png").rename(folder / "red.png")
        assert "is not among the inputs" in real_sdkit("run", sums).err
        assert real_sdkit("run", sums, "--input", str(folder)).code == 0
        assert real_sdkit("run", sums, "--input", str(folder / "red.png")).code == 0

    def test_quiet_is_quiet(self, real_sdkit: Run, sums: str) -> None:
        done = real_sdkit("run", sums, "-q")
        assert (done.code, done.out, done.err) == (0, "", "")


@pytest.mark.parametrize(
    ("old", "fits"),
    [
        ("sdxl\\dream.safetensors", True),
        ("sdxl/dream.safetensors", True),
        ("dream.safetensors", True),
        ("sdxl/dream", True),
        ("dream", True),
        ("other/dream.safetensors", False),
        ("drea", False),
    ],
)
def test_names_are_mapped_with_or_without_folder_and_suffix(old: str, fits: bool) -> None:
    graph = Graph()
    graph.add("x", name="sdxl\\dream.safetensors", text="dreams of dream.safetensors", number=3)
    if fits:
        assert with_names(graph, {old: "new.safetensors"}) == {"1.name": "new.safetensors"}
    else:
        with pytest.raises(RequestError, match="nothing in the graph is called"):
            with_names(graph, {old: "new.safetensors"})


class TestLooking:
    def test_the_nodes_are_listed(self, real_sdkit: Run) -> None:
        done = real_sdkit("graph", "default")
        assert done.code == 0
        rows = [line.split() for line in done.out.splitlines()[2:] if line]
        assert [row[:2] for row in rows][:2] == [["model", "load_model"], ["prompt", "encode_text"]]
        assert "latents=empty[0]" in done.out

    def test_it_is_written_in_every_form(self, real_sdkit: Run, here: Path) -> None:
        for name in ("a.svg", "a.mmd", "a.json", "a.py"):
            done = real_sdkit("graph", "default", "--set", "sample.seed=5", "-o", name)
            assert (done.code, done.out) == (0, f"{name}\n")
        assert (here / "a.svg").read_text().startswith("<svg")
        assert Graph.from_json((here / "a.json").read_text()).nodes["sample"].inputs["seed"] == 5
        script = (here / "a.py").read_text()
        assert real_sdkit("graph", "a.json", "--python").out.splitlines()[1:] == script.splitlines()[1:]
        assert ast.parse(script).body
        taken = real_sdkit("graph", "default", "-o", "a.svg")
        assert taken.code == 3
        assert "exists already; choose another name, or overwrite it with --overwrite" in taken.err
        assert real_sdkit("graph", "default", "-o", "a.svg", "--overwrite").code == 0
        assert "written as .svg, .mmd, .json or .py, not as '.png'" in real_sdkit("graph", "default", "-o", "a.png").err

    def test_faults_are_checked_for(self, real_sdkit: Run) -> None:
        done = real_sdkit("graph", "default", "--check", "--set", "sample.steps=0")
        assert done.code == 2
        assert "steps is 0, must be at least 1" in done.err


class TestNodes:
    def test_they_are_listed_by_category(self, real_sdkit: Run) -> None:
        done = real_sdkit("nodes")
        assert done.code == 0
        assert "sampling:\nname" in done.out
        only = real_sdkit("nodes", "--category", "masks").out
        assert "grow_mask" in only
        assert "load_model" not in only
        assert "did you mean" in real_sdkit("nodes", "--category", "mask").err.lower()

    def test_one_is_shown_with_its_inputs(self, real_sdkit: Run) -> None:
        done = real_sdkit("nodes", "sample")
        assert done.code == 0
        (line,) = [line for line in done.out.splitlines() if line.startswith("steps ")]
        assert line.split() == ["steps", "int", "None", "≥", "1,", "≤", "1000"]
        assert "euler_ancestral" in done.out
        missing = real_sdkit("nodes", "smaple")
        assert missing.code == 2
        assert "'sample'" in missing.err

    def test_json_and_stubs(self, real_sdkit: Run, here: Path) -> None:
        (facts,) = json.loads(real_sdkit("nodes", "grow_mask", "--json").out)
        assert facts["inputs"][1]["name"] == "by"
        assert (facts["inputs"][1]["least"], facts["outputs"][0]["type"]) == (-1024, "Mask")
        assert real_sdkit("nodes", "--stubs", "my_nodes.pyi").out == "my_nodes.pyi\n"
        tree = ast.parse((here / "my_nodes.pyi").read_text())
        methods = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert {"load_model", "sample", "save_image"} <= methods

    def test_a_broken_plugins_nodes_are_said_and_left_out(self, real_sdkit: Run, here: Path) -> None:
        (here / "odd_nodes.py").write_text(
            "import sdkit\n@sdkit.hookimpl\ndef register_nodes(register):\n    register('odd', 'no_such_module:odd')\n"
        )
        done = real_sdkit("nodes", "--plugin", "odd_nodes.py")
        assert done.code == 0
        assert "warning: odd: plugin 'odd_nodes': cannot import 'no_such_module:odd'" in done.err
        assert "grow_mask" in done.out
