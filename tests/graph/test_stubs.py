"""Graphs are written with completion: `Nodes` at run time, and the same as a stub that a type checker understands."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sdkit
from sdkit.errors import GraphError
from sdkit.graph import ANY, Choices, Graph, Input, Nodes, NodeType, Output, Ref, stub_text
from tests.graph._kinds import TYPES, anything, samplers


def test_methods_add_nodes() -> None:
    graph = Graph()
    nodes = Nodes(graph, TYPES)
    loaded = nodes.load(name="embedded")
    nodes.sample("mine", "My title", model=loaded.model, latents=nodes.empty(width=8), seed=7)
    odd = nodes.odd_one(a_b=3, class_="x", id="y")
    nodes.join(anything=odd.out_3)
    assert graph.nodes["mine"].inputs == {"model": Ref("1", 0), "latents": Ref("2", 0), "seed": 7}
    assert graph.nodes["mine"].title == "My title"
    assert graph.nodes["3"].inputs == {"a b": 3, "class": "x", "id": "y"}
    assert graph.nodes["4"].inputs == {"anything": Ref("3", 1)}
    assert dir(nodes) == ["empty", "join", "load", "odd_one", "sample", "save"]


def test_wrong_names_are_refused_with_the_nearest() -> None:
    nodes = Nodes(Graph(), TYPES)
    with pytest.raises(AttributeError, match="there is no node type 'sampel'; did you mean 'sample'"):
        _ = nodes.sampel
    with pytest.raises(TypeError, match="sample has no input 'stpes'; did you mean 'steps'"):
        nodes.sample(stpes=3)
    with pytest.raises(GraphError, match="has 2 outputs: model, clip"):
        nodes.save(latents=nodes.load())


USE = """
from my_nodes import Nodes

from sdkit.graph import Graph

nodes = Nodes(Graph(), {})
loaded = nodes.load(name="x")
latents = nodes.empty(width=8)
sampled = nodes.sample("3", model=loaded.model, latents=latents, sampler="heun", mode="exact", denoise=1)
nodes.save("4", "title", latents=sampled.latents)
odd = nodes.odd_one(a_b=3, class_="x", id="y")
nodes.save(latents=odd.out_3)
nodes.sample(model=loaded.model, latents=latents, steps=odd.index, denoise=odd.index)
nodes.join(anything=[1, 2], other=odd)
nodes.pick(any_choice="somewhere/else", number=2, anything=object())
"""

WRONG = {
    "nodes.sampel()": "sampel",
    "nodes.empty(hight=3)": "hight",
    "nodes.sample(latents=latents)": '"model"',
    'nodes.empty(width="8")': "int",
    "nodes.empty(width=None)": "int",
    "nodes.sample(model=loaded.clip, latents=latents)": "Model",
    "nodes.sample(model=loaded, latents=latents)": "Model",
    'nodes.sample(model=loaded.model, latents=latents, mode="exat")': "exat",
    'nodes.sample(model=loaded.model, latents=latents, sampler="eular")': "eular",
    "nodes.save(latents=sampled.model)": "Latents",
    "nodes.sample(model=loaded.model, latents=latents, steps=odd.out_2)": "INT",
}


@pytest.fixture
def kinds() -> dict[str, NodeType]:
    picking = (
        Input("any choice", "str", choices=Choices("samplers", open=True)),
        Input("number", "int", choices=(1, 2)),
        Input("anything", ANY, doc='Ends in a quote: "'),
        Input("self", "float,Latents", required=False, default=7.0, ge=0, le=1),
    )
    return TYPES | {
        "pick": NodeType("pick", anything, picking, (Output("id", "bool"),), summary='A "quoted" \\ """ summary"'),
        "Any": NodeType("Any", anything, (Input("x", "Any,Graph,int"), Input("y", "Y Y")), (Output("list", "list"),)),
        "fitting": NodeType("fitting", anything, (Input("x", "X"),), fits=lambda output, wanted: True),
    }


@pytest.mark.slow
def test_a_type_checker_understands_the_stub(tmp_path: Path, kinds: dict[str, NodeType]) -> None:
    checker = Path(sys.executable).with_name("basedpyright")
    if not checker.exists() and shutil.which("basedpyright") is None:
        pytest.skip("basedpyright is not installed")
    (tmp_path / "my_nodes.pyi").write_text(stub_text(kinds, samplers), encoding="utf-8")
    (tmp_path / "my_nodes.py").write_text("from sdkit.graph import Nodes as Nodes\n", encoding="utf-8")
    lines = USE.splitlines()
    (tmp_path / "use.py").write_text("\n".join([*lines, *WRONG]), encoding="utf-8")
    source = str(Path(sdkit.__file__).parents[1])
    settings = {"extraPaths": [source], "typeCheckingMode": "strict", "pythonVersion": "3.11"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    command = [str(checker if checker.exists() else "basedpyright"), "--outputjson", "--project", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    said = json.loads(done.stdout)["generalDiagnostics"]
    assert [each for each in said if not each["file"].endswith("use.py")] == [], "the stub itself is without fault"
    by_line: dict[int, str] = {}
    for each in said:
        line = each["range"]["start"]["line"]
        by_line[line] = by_line.get(line, "") + each["message"]
    assert sorted(by_line) == list(range(len(lines), len(lines) + len(WRONG))), "every wrong line, and no other"
    for number, (line, word) in enumerate(WRONG.items(), len(lines)):
        assert word in by_line[number], line


def test_the_stub_says_bounds_defaults_and_choices(kinds: dict[str, NodeType]) -> None:
    text = stub_text(kinds, samplers)
    assert "        width: int | In[int] = 512,\n" in text
    assert "`width`: in pixels; a whole number, at least 8, at most 4096, a multiple of 8" in text
    assert "        sampler: Literal['euler', 'euler_ancestral', 'heun'] | In[str] = 'euler',\n" in text
    assert "        any_choice: Literal['euler', 'euler_ancestral', 'heun'] | str | In[str],\n" in text
    assert "        name: str | In[str] | None = None,\n" in text
    assert "        sampler: str | In[str] = 'euler',\n" in stub_text(kinds), "without choices, they are text"
    assert "        x: In[Any],\n" in text, "what fits by other rules"
    compile(text, "my_nodes.pyi", "exec")


def test_no_nodes_at_all() -> None:
    compile(stub_text({}), "my_nodes.pyi", "exec")
