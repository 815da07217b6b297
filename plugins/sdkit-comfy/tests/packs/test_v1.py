"""Packs with NODE_CLASS_MAPPINGS, run through a workspace."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sdkit import Workspace
from sdkit.errors import GraphError, NodeError
from sdkit.graph import Choices, Graph

Maker = Callable[..., Workspace]


def test_declarations(workspace: Maker) -> None:
    kind = workspace("maths").types["Calculate"]
    a, operation, b = kind.inputs
    assert (a.type, a.default, a.ge, a.le, a.step, a.required) == ("float", 1.0, -1000.0, 1000.0, 0.5, False)
    assert isinstance(a.default, float)
    assert (operation.choices, operation.default, operation.doc) == (
        ("add", "multiply", "power"), "add", "What is done."
    )  # fmt: skip
    assert b.link_only
    assert not b.required
    assert [(each.name, each.type) for each in kind.outputs] == [("number", "float"), ("whole", "int"), ("text", "str")]
    assert (kind.title, kind.category, kind.summary) == ("Calculate something", "maths", "One operation.")
    assert kind.outputs[0].doc == "The number itself."


def test_maths_over_a_link_of_any_type(workspace: Maker) -> None:
    space = workspace("maths")
    graph = Graph(space.types)
    four = graph.add("Constant", value=4)
    graph.add("Calculate", id="c", a=2.5, operation="multiply", b=graph.add("Pass", value=four))
    assert space.run(graph).values["c"] == (10.0, 10, "10")


def test_an_input_that_is_not_given_is_left_to_the_function(workspace: Maker) -> None:
    space = workspace("maths")
    graph = Graph(space.types)
    graph.add("Calculate", id="c", a=1.0)
    assert space.run(graph).values["c"][0] == 11.0


def test_bounds_choices_and_types_are_checked(workspace: Maker) -> None:
    space = workspace("maths")
    graph = Graph(space.types)
    text = graph.add("Forgot", text="a")
    graph.add("Calculate", a=1e6, operation="multiplied", b=text)
    said = "\n".join(map(str, space.check(graph)))
    assert "at most 1000" in said
    assert "did you mean 'multiply'" in said
    assert "b takes float" in said


def test_commas_that_were_forgotten(workspace: Maker) -> None:
    space = workspace("maths")
    graph = Graph(space.types)
    graph.add("Forgot", id="f", text="ab")
    assert space.run(graph).values["f"] == ("abab",)
    assert space.types["Forgot"].outputs[0].name == "doubled"


def test_a_node_that_is_wrong_leaves_the_others_alone(workspace: Maker) -> None:
    space = workspace("maths")
    assert "Wrong" not in space.types
    graph = Graph()
    graph.add("Wrong")
    (fault,) = space.check(graph)
    assert "the pack 'maths' has it" in str(fault)
    assert "no function 'nothing'" in str(fault)


def test_own_validation(workspace: Maker) -> None:
    space = workspace("maths")
    graph = Graph(space.types)
    graph.add("Between", id="b", low=3, high=2)
    (fault,) = space.check(graph)
    assert "low is 3, which is not below 2" in str(fault)
    # the pack checks both, so that bounds are its own business, as in ComfyUI
    assert space.run(graph.changed({"b.low": 7, "b.high": 9})).values["b"] == (2,)


def test_validation_of_the_types_of_links(workspace: Maker) -> None:
    space = workspace("maths")
    graph = Graph(space.types)
    graph.add("Numeric", id="n", value=graph.add("Constant", value=5))
    assert space.run(graph).values["n"] == ("5",)
    wrong = Graph(space.types)
    wrong.add("Numeric", value=wrong.add("Forgot", text="a"))
    assert "value takes NUMBER" in str(space.check(wrong)[0])


def test_pictures_and_masks(workspace: Maker) -> None:
    space = workspace("images")
    graph = Graph(space.types)
    grey, half = graph.add("Grey", size=4)
    graph.add("Brighten", id="b", image=grey, by=0.25, size=8, mask=half)
    events: list[object] = []
    (out,) = space.run(graph, on_event=events.append).values["b"]
    assert isinstance(out, torch.Tensor)
    assert out.shape == (1, 8, 8, 3)
    assert torch.all(out[:, :4] == 0.75)
    assert torch.all(out[:, 4:] == 0.5)
    assert any("NodeProgress(node='b', done=1, total=1" in repr(each) for each in events), "its bar is the run's"


def test_what_is_not_provided_names_pack_and_attribute(workspace: Maker) -> None:
    space = workspace("images")
    graph = Graph(space.types)
    graph.add("Attend", id="a", image=graph.add("Grey")[0])
    with pytest.raises(
        NodeError, match=r"pack 'images' uses comfy\.ldm\.modules\.attention\.optimized_attention, which sdkit does not"
    ):
        space.run(graph)


def test_writing_into_an_input_is_an_error(workspace: Maker) -> None:
    space = workspace("images")
    graph = Graph(space.types)
    graph.add("Scribble", id="s", image=graph.add("Grey")[0])
    with pytest.raises(NodeError, match="Scribble"):
        space.run(graph)


def test_what_output_nodes_show(workspace: Maker) -> None:
    space = workspace("images")
    graph = Graph(space.types)
    graph.add("Look", id="l", image=graph.add("Grey", size=2)[0])
    assert space.run(graph).ui["l"] == {"text": ["(1, 2, 2, 3)"], "mean": [0.5]}


def test_hidden_inputs_and_inputs_without_end(workspace: Maker) -> None:
    space = workspace("hidden")
    graph = Graph(space.types)
    graph.add("Tell", id="t", text="hi", extra=4)
    assert space.run(graph).values["t"] == ("t Tell hi None [('extra', 4)]",)


def test_what_changes_always_runs_always(workspace: Maker) -> None:
    space = workspace("hidden")
    graph = Graph(space.types)
    graph.add("Clock", id="c")
    first, second = (space.run(graph).values["c"][0] for _ in range(2))
    assert isinstance(first, int)
    assert second == first + 1


def test_a_node_runs_again_when_its_file_has_changed(workspace: Maker, tmp_path: Path) -> None:
    space = workspace("hidden")
    graph = Graph(space.types)
    graph.add("ReadFile", id="r", file="a.txt")
    with pytest.raises(GraphError, match=r"no such file: a\.txt"):
        space.run(graph)
    file = tmp_path / "input" / "a.txt"
    file.write_text("one")
    assert space.run(graph).values["r"] == ("one",)
    assert space.run(graph).executed == ()
    file.write_text("three")
    assert space.run(graph).values["r"] == ("three",)


def test_names_that_lead_out_of_the_inputs(workspace: Maker, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    space = workspace("hidden")
    graph = Graph(space.types)
    graph.add("ReadFile", file="../secret.txt")
    assert "no such file" in str(space.check(graph)[0])


def test_a_node_keeps_its_object(workspace: Maker) -> None:
    space = workspace("hidden")
    graph = Graph(space.types)
    graph.add("Counter", id="a", seed=1)
    graph.add("Counter", id="b", seed=5)
    assert space.run(graph).values == {"a": (1,), "b": (1,)}
    changed = space.run(graph.changed({"a.seed": 2}))
    assert changed.values == {"a": (2,), "b": (1,)}, "an object per node, which lives on"
    other = workspace("hidden")
    assert other.run(graph).values["a"] == (1,), "and per workspace"


def test_lists_of_models_and_samplers_follow_the_workspace(workspace: Maker, tmp_path: Path) -> None:
    space = workspace("hidden")
    lora, sampler = space.types["PickLora"].inputs
    assert lora.choices == Choices("models.loras")
    assert sampler.choices == Choices("samplers")
    folder = tmp_path / "models" / "loras"
    folder.mkdir(parents=True)
    (folder / "x.safetensors").write_bytes(b"")
    graph = Graph(space.types)
    graph.add("PickLora", id="p", lora="x.safetensors", sampler="euler")
    assert space.run(graph).values["p"] == ("x.safetensors euler",)
    assert "did you mean 'x" in str(space.check(graph.changed({"p.lora": "xx"}))[0])


def test_comfyuis_own_nodes_can_be_called_and_inherited(workspace: Maker) -> None:
    space = workspace("images")
    graph = Graph(space.types)
    dark = graph.add("Brighten", image=graph.add("Grey", size=4)[0], by=0.25, size=4)
    graph.add("Invert2", id="i", image=dark)
    (out,) = space.run(graph).values["i"]
    assert isinstance(out, torch.Tensor)
    assert torch.equal(out, torch.full((1, 2, 2, 3), 0.25))
