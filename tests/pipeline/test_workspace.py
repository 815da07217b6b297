"""Workspaces: graphs read, checked and run with the plugins' nodes, the model folders and what was computed before."""

from __future__ import annotations

import gc
import json
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import pytest
import torch

import sdkit
from sdkit import Workspace
from sdkit.errors import GraphError, NodeError, UnknownNameError
from sdkit.graph import LRU, Choices, Graph, GraphFinished, GraphResult, NodeStarted, Ref
from sdkit.hookspecs import RegisterNode
from sdkit.settings import Settings

WHERE = {"sdkit_graph": 1, "nodes": {"1": {"type": "integer", "inputs": {"value": 3}}}}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(models=tmp_path / "models", cache=tmp_path / "cache", plugins=())


@pytest.fixture
def workspace(settings: Settings, tmp_path: Path) -> Workspace:
    return Workspace(settings=settings, inputs=tmp_path / "in", outputs=tmp_path / "out")


def sum_graph() -> Graph:
    graph = Graph()
    first = graph.add("calculate", a=1.0, b=2.0)
    graph.add("calculate", a=first[0], operation="*", b=10.0)
    return graph


class TestLoading:
    def test_graphs_come_from_files_bytes_data_and_graphs(self, workspace: Workspace, tmp_path: Path) -> None:
        path = tmp_path / "graph.json"
        path.write_text(json.dumps(WHERE))
        graphs = [workspace.load(source) for source in (path, str(path), path.read_bytes(), WHERE)]
        assert all(graph.nodes["1"].inputs == {"value": 3} for graph in graphs)
        assert workspace.load(graphs[0]) is graphs[0]
        assert graphs[0].handle("1").out == Ref("1", 0)

    def test_handles_of_a_loaded_graph_know_their_outputs(self, workspace: Workspace) -> None:
        assert workspace.default().handle("prompt")["negative"] == ("prompt", 1)

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ("no_such.json", "there is no file 'no_such.json'"),
            (".", "cannot read the graph '.': Is a directory"),
            ("{" * 5000, "cannot read the graph '{+': File name too long"),
            ("a\0b", "cannot read the graph 'a.*b': "),
            (b'{"sdkit_graph": 1,}', "this is no JSON: line 1, column 19"),
            (b'{"nodes": }', "no graph that sdkit can read: this is no JSON: line 1, column 11"),
            (b'{"nodes": {}}', r"no graph that sdkit can read\. It reads its own JSON files"),
            (b"[1, 2]", r"no graph that sdkit can read\."),
            (b"", r"this is no graph that sdkit can read\."),
            (b"\xff\xfe\x00", r"no graph that sdkit can read\."),
            ({"sdkit_graph": 1, "nodes": {"1": {"type": "x", "inputs": {"a": float("nan")}}}}, "data as JSON has it"),
            ({"sdkit_graph": 1, "nodes": {"1": {1, 2}}}, "data as JSON has it"),
            ({"sdkit_graph": 2, "nodes": {}}, "the graph is of format 2"),
        ],
        ids=str,
    )
    def test_what_is_no_graph_is_said(self, workspace: Workspace, source: str | bytes, message: str) -> None:
        with pytest.raises(GraphError, match=message):
            workspace.load(source)

    def test_a_model_by_mistake_is_not_read(self, workspace: Workspace, tmp_path: Path) -> None:
        with (tmp_path / "model.safetensors").open("wb") as file:
            file.truncate(65 * 2**20)
        with pytest.raises(GraphError, match=r"has 65 MB; graphs are read up to 64 MB. Is it a model\?"):
            workspace.load(tmp_path / "model.safetensors")

    def test_a_note_that_names_the_format_is_not_the_format(self, workspace: Workspace) -> None:
        with pytest.raises(GraphError, match="no graph that sdkit can read"):
            workspace.load({"note": 'see "sdkit_graph"', "nodes": []})


class TestRunning:
    def test_only_what_changed_runs_again(self, workspace: Workspace) -> None:
        graph = sum_graph()
        assert workspace.run(graph).values["2"] == (30.0, 30)
        assert workspace.run(graph).executed == ()
        changed = workspace.run(graph, {"2.b": 7})
        assert (changed.executed, changed.values["2"]) == (("2",), (21.0, 21))
        assert graph.nodes["2"].inputs["b"] == 10.0, "the graph stays as it is"

    def test_outputs_events_and_cancelling_are_the_sessions(self, workspace: Workspace) -> None:
        seen: list[object] = []
        result = workspace.run(sum_graph(), outputs=["1"], on_event=seen.append)
        assert (result.executed, result.values) == (("1",), {"1": (3.0, 3)})
        assert [event.node for event in seen if isinstance(event, NodeStarted)] == ["1"]
        assert isinstance(list(workspace.stream(sum_graph(), {"1.a": 4}))[-1], GraphFinished)
        token = sdkit.CancelToken()
        token.cancel()
        with pytest.raises(sdkit.SdkitError, match="cancelled"):
            workspace.run(sum_graph(), {"1.a": 5}, cancel=token)

    def test_all_faults_come_before_anything_runs(self, workspace: Workspace) -> None:
        graph = sum_graph()
        graph.add("calculate", operation="plus", c=1)
        graph.add("calcualte")
        with pytest.raises(GraphError) as caught:
            workspace.run(graph, outputs=[*graph.nodes])
        places = [(fault.node, fault.input) for fault in caught.value.faults]
        assert places == [("3", "operation"), ("3", "c"), ("4", "")]
        assert caught.value.faults == workspace.check(graph)
        with pytest.raises(GraphError, match="has no input 'sede'"):
            workspace.run(graph, {"1.sede": 1})

    def test_a_one_liner_runs_a_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SDKIT_PLUGINS", "none")
        sum_graph().save(tmp_path / "sum.json")
        result = sdkit.run(tmp_path / "sum.json", {"1.a": 8}, outputs=["2"])
        assert isinstance(result, GraphResult)
        assert result.values["2"] == (100.0, 100)

    def test_threads_share_what_is_computed(self, settings: Settings) -> None:
        ran: list[int] = []
        lock, together = threading.Lock(), threading.Barrier(4)

        @sdkit.node
        def slow(value: int) -> int:
            with lock:
                ran.append(value)
            return value

        class Slow:
            @sdkit.hookimpl
            def register_nodes(self, register: RegisterNode) -> None:
                register("slow", slow)

        workspace = Workspace(settings=settings, plugins=[Slow], cache=LRU(100))

        def run(number: int) -> object:
            graph = Graph()
            graph.add("slow", value=number % 2)
            together.wait(10)
            return workspace.run(graph).value("1")

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(run, range(4))) == [0, 1, 0, 1]
        assert sorted(ran) == [0, 1]


class TestChoices:
    def test_registered_names_and_aliases(self, workspace: Workspace) -> None:
        samplers = workspace.choices("samplers")
        assert "euler" in samplers
        assert "no_such" not in samplers
        assert 3 not in samplers
        assert list(samplers) == list(workspace.manager.samplers)
        assert (samplers[0], len(samplers)) == ("euler", len(workspace.manager.samplers))
        for alias in workspace.manager.samplers.aliases:
            assert alias in samplers
        for source in ("schedules", "guidance", "noise_sources", "prompt_syntaxes"):
            assert len(workspace.choices(source)) >= 1

    def test_models_are_looked_up_as_the_library_does(self, workspace: Workspace, settings: Settings) -> None:
        loras = workspace.choices("models.loras")
        assert list(loras) == []
        path = settings.models / "loras" / "style" / "ink.safetensors"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"")
        assert list(loras) == ["style/ink"], "the folders are read at every call"
        for name in ("style/ink", "style\\ink.safetensors", "ink", "ink.safetensors"):
            assert name in loras
        assert "inkk" not in loras
        assert "tiny" in workspace.choices("models.checkpoints")
        assert "tiny" not in loras

    def test_a_missing_model_is_a_fault_with_the_nearest_name(self, workspace: Workspace, settings: Settings) -> None:
        path = settings.models / "loras" / "style" / "ink.safetensors"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"")

        @sdkit.node
        def use(name: Annotated[str, Choices("models.loras")]) -> str:
            return name

        graph = Graph()
        graph.add(use, name="style\\ink.safetensors")
        graph.add(use, name="style/inc")
        (fault,) = workspace.check(graph)
        assert str(fault) == (
            "node 2 (use): name is 'style/inc', which is not among the loras; did you mean 'style/ink'?"
        )

    def test_an_unknown_list_suggests_the_nearest(self, workspace: Workspace) -> None:
        with pytest.raises(UnknownNameError, match=r"'model.loras'.*'models.loras'"):
            workspace.choices("model.loras")


class TestModels:
    def test_a_model_in_use_is_loaded_once(self, workspace: Workspace) -> None:
        first = workspace.pipeline()
        assert workspace.pipeline("tiny") is first
        kept = weakref.ref(first)
        del first
        gc.collect()
        assert kept() is None, "nothing is kept that nobody uses"

    def test_a_file_that_was_replaced_is_loaded_anew(self, workspace: Workspace, settings: Settings) -> None:
        path = settings.models / "loras" / "a.safetensors"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"1")
        before = workspace.stamp("loras", "a")
        path.write_bytes(b"22")
        assert workspace.stamp("loras", "a") != before
        assert workspace.stamp("loras", "nowhere") == "nowhere"

    def test_device_and_dtype_are_the_workspaces(self, settings: Settings) -> None:
        assert Workspace(settings=settings, dtype="bfloat16").pipeline().model.dtype == torch.bfloat16


def test_a_failing_plugins_node_is_blamed_on_it(settings: Settings) -> None:
    class Broken:
        @sdkit.hookimpl
        def register_nodes(self, register: RegisterNode) -> None:
            register("broken", lambda value: value)
            register("fails", fails)

    workspace = Workspace(settings=settings, plugins=[Broken])
    with pytest.raises(GraphError) as caught:
        _ = workspace.types["broken"]
    assert any("Broken" in note for note in caught.value.__notes__)
    graph = Graph()
    graph.add("fails", value=1)
    with pytest.raises(NodeError, match=r"node 1 \(fails.*\) failed: ZeroDivisionError"):
        workspace.run(graph)


def fails(value: int) -> float:
    return value / 0
