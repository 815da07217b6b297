"""The hooks that replace a stage: what they answer is what the next stage gets, and None leaves it to the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

import sdkit
from sdkit.builtin.commands import running_graphs
from sdkit.errors import GraphError, RequestError
from sdkit.graph import Graph, NodeType
from sdkit.images import Image
from sdkit.testing import make_pipeline
from sdkit.types import Embedding, Latents, Prompt, Run, Segment, Step, StepDone
from tests.pipeline._pictures import PROMPT, paint


@pytest.mark.hook("parse_prompt")
def test_parse_prompt_replaces_the_syntax_and_not_the_text() -> None:
    class Blue:
        @sdkit.hookimpl
        def parse_prompt(self, text: str) -> Prompt | None:
            return Prompt(text, (Segment(text.replace("red", "blue")),)) if "red" in text else None

    pipe = make_pipeline(plugins=[Blue])
    result = pipe("a red circle", seed=7)
    assert torch.equal(result.images[0].pixels, paint(make_pipeline(), "a blue circle")[0])
    assert result.images[0].prompt == "a red circle"
    assert torch.equal(paint(pipe, "a green circle"), paint(make_pipeline(), "a green circle"))


@pytest.mark.hook("encode")
def test_encode_replaces_the_text_encoder() -> None:
    class Deaf:
        @sdkit.hookimpl
        def encode(self, prompt: Prompt) -> Embedding | None:
            return Embedding(torch.zeros(1, 77, 12)) if "red" in prompt.text else None

    pipe = make_pipeline(plugins=[Deaf])
    assert torch.equal(paint(pipe), paint(make_pipeline(), ""))
    assert torch.equal(paint(pipe, "a blue star"), paint(make_pipeline(), "a blue star"))


@pytest.mark.hook("encode_image")
def test_encode_image_replaces_the_vae_encoder(tmp_path: Path) -> None:
    class Grey:
        @sdkit.hookimpl
        def encode_image(self, image: Image, run: Run) -> torch.Tensor:
            assert (image.width, image.height) == run.request.size
            return torch.full((1, *run.shape[1:]), 0.25)

    picture = Image(torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0)))
    kept = make_pipeline(plugins=[Grey])("red", init_image=picture, denoise=0.0).latents.tensor
    assert torch.equal(kept, torch.full((1, 4, 4, 4), 0.25))
    assert make_pipeline()("red", init_image=picture, denoise=0.0).latents.tensor.std() > 0.05


@pytest.mark.hook("decode")
def test_decode_replaces_the_vae_decoder() -> None:
    class Flat:
        @sdkit.hookimpl
        def decode(self, latents: Latents, run: Run) -> torch.Tensor:
            return latents.tensor.mean((1, 2, 3)).sigmoid()[:, None, None, None].expand(-1, 3, 16, 24)

    result = make_pipeline(plugins=[Flat])(PROMPT, seed=7, count=2)
    plain = make_pipeline()(PROMPT, seed=7, count=2)
    assert torch.equal(result.latents.tensor, plain.latents.tensor)
    grey = plain.latents.tensor.mean((1, 2, 3)).sigmoid()
    assert [image.pixels.unique().tolist() for image in result.images] == [[level] for level in grey.tolist()]
    assert (result.images[0].width, result.images[0].height) == (24, 16), "a decoder may enlarge, or not"


@pytest.mark.hook("make_noise")
def test_make_noise_replaces_the_start_and_nothing_else() -> None:
    class Silent:
        @sdkit.hookimpl
        def make_noise(self, run: Run) -> torch.Tensor:
            return torch.zeros(run.shape)

    pipe = make_pipeline(plugins=[Silent])
    assert torch.equal(paint(pipe, seed=1), paint(pipe, seed=2)), "the seeds' noise is gone from the start"
    assert not torch.equal(paint(pipe), paint(make_pipeline()))
    ancestral = [paint(pipe, seed=seed, sampler="euler_ancestral") for seed in (1, 2)]
    assert not torch.equal(*ancestral), "the noise on the way is the seeds' still"


@pytest.mark.hook("preview")
def test_preview_is_asked_only_when_somebody_looks_and_changes_nothing() -> None:
    asked: list[int] = []

    class Dark:
        @sdkit.hookimpl
        def preview(self, step: Step, run: Run) -> tuple[Image, ...]:
            asked.append(step.index)
            return tuple(Image(torch.zeros(3, 8, 8)) for _ in run.seeds)

    pipe = make_pipeline(plugins=[Dark])
    steps = [event for event in pipe.stream(PROMPT, seed=7, count=2) if isinstance(event, StepDone)]
    assert asked == []
    (first, second) = steps[2].preview()
    assert asked == [2]
    assert first.pixels.shape == second.pixels.shape == (3, 8, 8)
    assert torch.equal(paint(pipe), paint(make_pipeline()))


@pytest.mark.hook("read_graph")
def test_read_graph_reads_what_is_its_own_and_leaves_the_rest(tmp_path: Path) -> None:
    class Lines:
        @sdkit.hookimpl
        def read_graph(self, data: bytes, name: str, types: Mapping[str, NodeType]) -> Graph | None:
            if not data.startswith(b"nodes:"):
                return None
            assert "integer" in types
            assert name == "graph.txt"
            graph = Graph()
            for line in data.decode().splitlines()[1:]:
                graph.add("integer", value=int(line))
            return graph

    workspace = sdkit.Workspace(plugins=[Lines])
    (tmp_path / "graph.txt").write_text("nodes:\n3\n4\n")
    assert workspace.run(tmp_path / "graph.txt").values == {"1": (3,), "2": (4,)}
    own = workspace.default()
    own.save(tmp_path / "own.json")
    assert workspace.load(tmp_path / "own.json") == own
    with pytest.raises(GraphError, match=r"'graph\.txt' is no graph that sdkit can read"):
        sdkit.Workspace().load(tmp_path / "graph.txt")


@pytest.mark.hook("shrink_graph")
def test_shrink_graph_makes_what_run_tiny_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Halves:
        @sdkit.hookimpl
        def shrink_graph(
            self, graph: Graph, types: Mapping[str, NodeType], folder: Path, has_picture: Callable[[str], bool]
        ) -> Graph | None:
            assert folder.is_dir()
            assert "integer" in types
            assert not has_picture("nowhere.png")
            smaller = graph.copy()
            for node in smaller.nodes.values():
                node.inputs["value"] = 3
            return smaller

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SDKIT_PLUGINS", "none")  # sdkit-comfy has one, where it is installed
    graph = Graph()
    for name in ("a", "b"):
        graph.add("integer", value=1000, id=name)
    graph.save("graph.json")
    monkeypatch.setattr(running_graphs, "find_plugins", lambda _: [Halves])
    running_graphs.run("graph.json", tiny=True, settings=["b.value=4"])
    shown = capsys.readouterr()
    assert "a: 3" in shown.out
    assert "b: 4" in shown.out, "--set counts, also with --tiny"
    assert "a.value: 1000 → 3" in shown.err
    monkeypatch.setattr(running_graphs, "find_plugins", lambda _: [])
    with pytest.raises(RequestError, match="--tiny needs a plugin"):
        running_graphs.run("graph.json", tiny=True)


@pytest.mark.hook("find_node")
def test_find_node_says_where_an_unknown_node_comes_from() -> None:
    class Shop:
        @sdkit.hookimpl
        def find_node(self, name: str) -> str | None:
            return "it comes with the package sdkit-glitter" if name == "glitter" else None

    graph = Graph()
    graph.add("glitter")
    graph.add("intger")
    messages = [fault.message for fault in sdkit.Workspace(plugins=[Shop]).check(graph)]
    assert messages[0] == "there is no node type 'glitter'; it comes with the package sdkit-glitter"
    assert messages[1].startswith("there is no node type 'intger'; did you mean 'integer'")
