"""sdkit's own nodes: a graph of them is bit for bit what the same calls in Python are."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from PIL import Image as pillow
from safetensors.torch import save_file

import sdkit
from sdkit import Image, Workspace
from sdkit.builtin.nodes import NODES
from sdkit.builtin.nodes.sockets import EncodedPrompt
from sdkit.errors import GraphError, NodeError
from sdkit.graph import Graph, GraphResult, NodeHandle, NodeProgress, NodeType, Output, Ref
from sdkit.hookspecs import RegisterSampler
from sdkit.images import read_record, read_texts
from sdkit.settings import Settings
from sdkit.testing import ToyModel
from sdkit.types import Latents

PROMPT = "a red circle on a blue background"
SMALL = {"sample.steps": 2, "empty.width": 64, "empty.height": 64}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("workspace")
    settings = Settings(models=folder / "models", cache=folder / "cache", plugins=())
    return Workspace(settings=settings, inputs=folder / "in", outputs=folder / "out")


@pytest.fixture(scope="module")
def tiny() -> sdkit.Pipeline:
    return sdkit.Pipeline.load()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    settings = Settings(models=tmp_path / "models", cache=tmp_path / "cache", plugins=())
    return Workspace(settings=settings, inputs=tmp_path, outputs=tmp_path / "out")


def toy() -> sdkit.Pipeline:
    return sdkit.Pipeline(ToyModel(), settings=Settings(plugins=()))


def noisy(seed: int = 0, side: int = 32) -> Image:
    return Image(torch.rand(3, side, side, generator=torch.Generator().manual_seed(seed)), prompt="noise")


def pictures(result: GraphResult, node: str) -> list[Image]:
    (images,) = result.values[node]
    assert isinstance(images, list)
    return images


def built(workspace: Workspace, build: Callable[[Graph], object], *outputs: str) -> GraphResult:
    graph = Graph(workspace.types)
    build(graph)
    return workspace.run(graph, outputs=outputs or None)


class TestTheDefaultGraph:
    def test_it_is_bit_for_bit_what_the_pipeline_paints(self, workspace: Workspace, tiny: sdkit.Pipeline) -> None:
        result = workspace.run(workspace.default(), outputs=["decode", "save"])
        (painted,) = pictures(result, "decode")
        expected = sdkit.Pipeline(tiny.model, settings=workspace.settings)(PROMPT, seed=7).images[0]
        assert torch.equal(painted.pixels, expected.pixels)
        assert painted.text == expected.text, "the record is that of the call"
        assert (painted.seed, painted.prompt) == (7, PROMPT)

    def test_a_graph_built_in_python_is_the_same(self, shared: Workspace) -> None:
        def build(graph: Graph) -> None:
            model = graph.add("load_model", id="model")
            prompt = graph.add("encode_text", id="prompt", pipeline=model, prompt=PROMPT, negative_prompt="")
            empty = graph.add("empty_latents", id="empty", pipeline=model, count=1)
            sampled = graph.add(
                "sample",
                id="sample",
                pipeline=model,
                positive=prompt.positive,
                negative=prompt.negative,
                latents=empty,
                seed=7,
            )
            images = graph.add("decode", id="decode", pipeline=model, latents=sampled)
            graph.add("save_image", id="save", image=images, prefix="sdkit")

        graph = Graph(shared.types)
        build(graph)
        graph.nodes["model"].inputs["name"] = "tiny"
        assert graph == shared.default()

    def test_what_runs_again_is_what_changed(self, workspace: Workspace) -> None:
        graph = workspace.default().changed(SMALL, workspace.types)
        assert set(workspace.run(graph).executed) == set(graph.nodes)
        assert workspace.run(graph).executed == ()
        assert workspace.run(graph, {"sample.seed": 8}).executed == ("sample", "decode", "save")
        assert set(workspace.run(graph, {"prompt.prompt": "a green star"}).executed) >= {"prompt", "sample", "save"}

    def test_several_pictures_are_those_of_the_pipeline_one_file_each(
        self, workspace: Workspace, tiny: sdkit.Pipeline
    ) -> None:
        result = workspace.run(workspace.default(), SMALL | {"empty.count": 2}, outputs=["decode", "save"])
        expected = tiny(PROMPT, seed=7, count=2, steps=2, width=64, height=64).images
        for painted, wanted in zip(pictures(result, "decode"), expected, strict=True):
            assert torch.equal(painted.pixels, wanted.pixels)
        names = [Path(str(path)).name for path in result.ui["save"]["images"]]
        assert names == ["sdkit_00001.png", "sdkit_00002.png"]

    def test_a_saved_picture_gives_the_graph_back(self, workspace: Workspace) -> None:
        graph = workspace.default().changed(SMALL | {"sample.seed": 11}, workspace.types)
        (path,) = workspace.run(graph).ui["save"]["images"]
        assert workspace.load(str(path)) == graph
        assert read_record(str(path)).request["seed"] == 11
        without = workspace.run(graph, {"save.metadata": False}).ui["save"]["images"]
        assert read_texts(str(without[0])) == {}
        with pytest.raises(GraphError, match="no graph that sdkit can read"):
            workspace.load(str(without[0]))
        for kind in ("jpeg", "webp"):
            (path,) = workspace.run(graph, {"save.format": kind}).ui["save"]["images"]
            assert workspace.load(str(path)).nodes["sample"].inputs["seed"] == 11

    def test_steps_are_told_with_previews(self, workspace: Workspace) -> None:
        events = [event for event in workspace.stream(workspace.default(), SMALL) if isinstance(event, NodeProgress)]
        assert [(event.node, event.done, event.total) for event in events] == [("sample", n, 2) for n in (1, 2)]
        assert callable(events[-1].preview)
        assert [(image.width, image.seed) for image in cast("tuple[Image, ...]", events[-1].preview())] == [(64, 7)]

    def test_cancelling_stops_within_a_step(self, workspace: Workspace) -> None:
        token = sdkit.CancelToken()
        seen: list[float] = []

        def watch(event: object) -> None:
            if isinstance(event, NodeProgress):
                seen.append(event.done)
                token.cancel()

        with pytest.raises(sdkit.SdkitError, match="cancelled"):
            workspace.run(workspace.default(), on_event=watch, cancel=token)
        assert seen == [1]


class TestSampling:
    def run(self, build: Callable[[Graph, NodeHandle], object], shared: Workspace) -> Latents:
        graph = Graph(shared.types)
        build(graph, graph.add(given(toy())))
        last = list(graph.nodes)[-1]
        latents = shared.run(graph, outputs=[last]).value(Ref(last, 0))
        assert isinstance(latents, Latents)
        return latents

    def sampled(self, graph: Graph, pipe: NodeHandle, **inputs: Any) -> NodeHandle:
        prompt = graph.add("encode_text", pipeline=pipe, prompt="a red circle", negative_prompt="blue")
        fields: dict[str, Any] = {"seed": 3, **inputs}
        latents = fields.pop("latents", None) or graph.add("empty_latents", pipeline=pipe, width=32, height=48)
        return graph.add("sample", pipeline=pipe, positive=prompt[0], negative=prompt[1], latents=latents, **fields)

    def test_fields_are_those_of_a_request(self, shared: Workspace) -> None:
        fields = {
            "steps": 4,
            "guidance_scale": 3.0,
            "sampler": "euler_ancestral",
            "schedule": "normal",
            "noise": "comfy",
        }
        made = self.run(lambda graph, pipe: self.sampled(graph, pipe, **fields), shared)
        expected = toy()("a red circle", negative_prompt="blue", width=32, height=48, seed=3, **fields)
        assert torch.equal(made.tensor, expected.latents.tensor)

    def test_a_picture_is_changed_where_a_mask_is(self, shared: Workspace, tmp_path: Path) -> None:
        mask = torch.zeros(1, 32, 32)
        mask[:, :, 16:] = 1

        def build(graph: Graph, pipe: NodeHandle) -> None:
            start = graph.add("encode_image", pipeline=pipe, image=graph.add(given(noisy(), "picture")))
            drawn = graph.add(given(mask, "drawn"))
            self.sampled(graph, pipe, latents=start, denoise=0.6, mask=drawn, steps=5)

        made = self.run(build, shared)
        fields = {"init_image": noisy(), "mask": Image(mask.expand(3, -1, -1).clone()), "denoise": 0.6, "steps": 5}
        expected = toy()("a red circle", negative_prompt="blue", seed=3, **fields)
        assert torch.allclose(made.tensor, expected.latents.tensor, atol=1e-2), "the picture went through 8 bits there"
        start = toy().encode_image(noisy()).tensor
        assert torch.allclose(made.tensor[..., :2], start[..., :2], atol=1e-5)
        assert not torch.allclose(made.tensor[..., 2:], start[..., 2:], atol=1e-2)

    def test_parts_of_a_schedule_make_the_whole(self, shared: Workspace) -> None:
        def build(graph: Graph, pipe: NodeHandle) -> None:
            half = self.sampled(graph, pipe, steps=6, end_step=3, leftover_noise=True)
            self.sampled(graph, pipe, latents=half, steps=6, start_step=3, add_noise=False)

        whole = self.run(lambda graph, pipe: self.sampled(graph, pipe, steps=6, sampler="euler"), shared)
        parts = self.run(
            lambda graph, pipe: self.sampled(
                graph,
                pipe,
                latents=self.sampled(graph, pipe, steps=6, end_step=3, leftover_noise=True, sampler="euler"),
                steps=6,
                start_step=3,
                add_noise=False,
                sampler="euler",
            ),
            shared,
        )
        assert torch.allclose(parts.tensor, whole.tensor, atol=1e-5)
        assert isinstance(self.run(build, shared), Latents)

    def test_refining_is_scaling_and_sampling(self, shared: Workspace) -> None:
        def build(graph: Graph, pipe: NodeHandle) -> None:
            prompt = graph.add("encode_text", pipeline=pipe, prompt="red")
            first = graph.add("empty_latents", pipeline=pipe, width=32, height=32)
            graph.add(
                "refine",
                pipeline=pipe,
                positive=prompt[0],
                negative=prompt[1],
                latents=first,
                scale=2.0,
                seed=5,
                steps=2,
            )

        def by_hand(graph: Graph, pipe: NodeHandle) -> None:
            prompt = graph.add("encode_text", pipeline=pipe, prompt="red")
            first = graph.add("empty_latents", pipeline=pipe, width=32, height=32)
            larger = graph.add("scale_latents", latents=first, scale=2.0, method="bislerp")
            graph.add(
                "sample",
                pipeline=pipe,
                positive=prompt[0],
                negative=prompt[1],
                latents=larger,
                seed=5,
                steps=2,
                denoise=0.5,
            )

        assert torch.equal(self.run(build, shared).tensor, self.run(by_hand, shared).tensor)

    def test_scaled_latents_are_decoded_with_the_record_of_their_size(self, shared: Workspace) -> None:
        def build(graph: Graph, pipe: NodeHandle) -> None:
            graph.add("scale_latents", latents=self.sampled(graph, pipe, steps=2), scale=2.0)

        latents = self.run(build, shared)
        (image,) = toy().decode(latents)
        assert (image.width, image.height) == (64, 96)
        assert read_record(image).request["height"] == 96

    def test_sizes_that_a_model_cannot_have_are_said(self, shared: Workspace) -> None:
        with pytest.raises(NodeError, match="sides are multiples of 8; these are 36x32"):
            self.run(lambda graph, pipe: graph.add("empty_latents", pipeline=pipe, width=36, height=32), shared)


def given(value: object, name: str = "given") -> NodeType:
    """A node type that gives a value made in Python; each call is another one."""
    kinds = {sdkit.Pipeline: "Pipeline", Image: "Image", torch.Tensor: "Mask"}
    return NodeType(name, lambda: value, outputs=(Output("it", kinds[type(value)]),))


class TestPrompts:
    def test_they_are_joined_as_the_library_joins_them(self, shared: Workspace) -> None:
        from sdkit import sampling
        from sdkit.types import Area

        pipe = toy()
        graph = Graph(shared.types)
        model = graph.add(given(pipe))
        one, two = (graph.add("encode_text", pipeline=model, prompt=text)[0] for text in ("red", "blue"))
        graph.add("combine_prompts", id="combine", first=one, second=two)
        graph.add("average_prompts", id="average", first=one, second=two, share=0.25)
        graph.add("concat_prompts", id="concat", first=one, second=two)
        graph.add("prompt_strength", id="strength", prompt=one, strength=2.0)
        graph.add("prompt_area", id="area", prompt=one, left=0.5, width=0.5, strength=2.0)
        graph.add("prompt_mask", id="mask", prompt=one, mask=graph.add(given(torch.ones(1, 4, 4), "ones")), bounds=True)
        graph.add("prompt_range", id="range", pipeline=model, prompt=one, start=0.2, end=0.7)
        red, blue = pipe.encode("red").positive, pipe.encode("blue").positive
        expected = {
            "combine": sampling.combine(red, blue),
            "average": sampling.average(red, blue, 0.25),
            "concat": sampling.concat(red, blue),
            "strength": sampling.with_strength(red, 2.0),
            "area": sampling.with_area(red, Area(0.0, 0.5, 1.0, 0.5), 2.0),
            "mask": sampling.with_mask(red, torch.ones(1, 4, 4), bounds=True),
            "range": sampling.with_range(red, pipe.model.spec, 0.2, 0.7),
        }
        result = shared.run(graph, outputs=list(expected))
        for name, wanted in expected.items():
            made = result.value(name)
            assert isinstance(made, EncodedPrompt)
            assert made.texts == ("red",)
            assert len(made.embeddings) == len(wanted)
            for own, other in zip(made.embeddings, wanted, strict=True):
                assert torch.equal(own.context, other.context), name
                assert (own.strength, own.area, own.sigmas) == (other.strength, other.area, other.sigmas), name


class TestLoras:
    def test_a_lora_is_that_of_a_request_and_in_the_record(self, workspace: Workspace, tiny: sdkit.Pipeline) -> None:
        folder = workspace.settings.models / "loras"
        folder.mkdir(parents=True)
        source = Path(sdkit.__file__).parents[2] / "examples" / "loras"
        name = sorted(path.name for path in source.glob("*.safetensors"))[0]
        (folder / name).write_bytes((source / name).read_bytes())
        graph = workspace.default().changed(SMALL, workspace.types)
        graph.add("apply_lora", id="lora", pipeline=Ref("model", 0), name=name, strength=0.7)
        for node in ("prompt", "sample"):
            graph.nodes[node].inputs["pipeline"] = Ref("lora", 0)
        (painted,) = pictures(workspace.run(graph, outputs=["decode"]), "decode")
        fields = {"steps": 2, "width": 64, "height": 64, "loras": [(str(folder / name), 0.7)]}
        expected = tiny(PROMPT, seed=7, **fields).images[0]
        assert torch.equal(painted.pixels, expected.pixels)
        record = read_record(painted)
        assert '"strength": 0.7' in json.dumps(record.request["loras"])
        assert record.plugins == {}, "the request says all of it"
        assert "missing.safetensors" in workspace.check(graph.changed({"lora.name": "missing.safetensors"}))[0].message


class TestFiles:
    def test_a_picture_and_its_transparency(self, workspace: Workspace, tmp_path: Path) -> None:
        picture = pillow.new("RGBA", (4, 2), (255, 0, 0, 255))
        picture.putpixel((3, 1), (0, 0, 255, 0))
        picture.save(tmp_path / "half.png")
        graph = Graph()
        graph.add("load_image", name="half.png")
        image, mask = workspace.run(graph).values["1"]
        assert isinstance(image, Image)
        assert isinstance(mask, torch.Tensor)
        assert image.pixels[:, 0, 0].tolist() == [1, 0, 0]
        assert mask.shape == (1, 2, 4)
        assert mask.nonzero().tolist() == [[0, 1, 3]]
        assert workspace.run(graph).executed == ()
        pillow.new("RGB", (4, 2), (0, 255, 0)).save(tmp_path / "half.png")
        assert workspace.run(graph).executed == ("1",), "the file changed"

    @pytest.mark.parametrize("name", ["../out.png", "/etc/hostname", "no.png"])
    def test_pictures_outside_of_the_folders_are_faults(self, workspace: Workspace, name: str) -> None:
        graph = Graph()
        graph.add("load_image", name=name)
        (fault,) = workspace.check(graph)
        assert fault.input == "name"
        assert "which is not among the inputs" in fault.message

    def test_a_prefix_that_leads_out_is_a_fault(self, workspace: Workspace) -> None:
        (fault,) = workspace.check(workspace.default().changed({"save.prefix": "../../x"}))
        assert "'../../x' leads out of there" in fault.message

    def test_values_that_no_file_can_hold_do_not_keep_a_picture_from_being_saved(self, workspace: Workspace) -> None:
        result = built(workspace, lambda graph: graph.add("save_image", image=graph.add(given(noisy()))))
        assert len(result.ui["2"]["images"]) == 1
        graph = Graph()
        odd = graph.add("switch", condition=True, on_true=noisy())
        graph.add("save_image", image=odd)
        graph.add("preview_image", image=odd)
        ui = workspace.run(graph).ui
        assert Path(str(ui["2"]["images"][0])).is_file()
        assert isinstance(ui["3"]["images"][0], Image)


class TestEdits:
    def test_they_are_the_editing_functions(self, shared: Workspace) -> None:
        from sdkit import editing

        a, b = noisy(1), noisy(2)
        graph = Graph(shared.types)
        one, two = graph.add(given(a, "a")), graph.add(given(b, "b"))
        graph.add("scale_image", id="scale", image=one, width=16)
        graph.add("crop_image", id="crop", image=one, x=4, y=8, width=10, height=12)
        graph.add("blend_images", id="blend", below=one, above=two, factor=0.3, mode="screen")
        graph.add("composite_images", id="composite", below=one, above=two, x=4)
        graph.add("blur_image", id="blur", image=one, radius=2)
        graph.add("sharpen_image", id="sharpen", image=one, radius=2)
        batch, other = (image.pixels.movedim(0, -1)[None] for image in (a, b))
        expected = {
            "scale": editing.scale_images(batch, 16, 0, "lanczos"),
            "crop": editing.crop_images(batch, 4, 8, 10, 12),
            "blend": editing.blend_images(batch, other, 0.3, "screen"),
            "composite": editing.composite_images(batch, other, 4, 0),
            "blur": editing.blur_images(batch, 2, 1.0),
            "sharpen": editing.sharpen_images(batch, 2, 1.0, 0.1),
        }
        result = shared.run(graph, outputs=list(expected))
        for name, wanted in expected.items():
            made = result.value(name)
            assert isinstance(made, Image)
            assert torch.equal(made.pixels, wanted[0].movedim(-1, 0)), name
            assert made.prompt == "noise"

    def test_masks(self, shared: Workspace) -> None:
        from sdkit import editing

        white = Image(torch.zeros(3, 8, 8))
        white.pixels[:, 2:6, 2:6] = 1
        graph = Graph(shared.types)
        mask = graph.add("image_to_mask", id="mask", image=graph.add(given(white, "white")))
        graph.add("image_to_mask", id="red", image=graph.add(given(noisy(3), "colours")), channel="red")
        graph.add("mask_to_image", id="back", mask=mask)
        graph.add("invert_mask", id="inverted", mask=mask)
        graph.add("grow_mask", id="grown", mask=mask, by=1)
        graph.add("feather_mask", id="feathered", mask=mask, left=4)
        graph.add("combine_masks", id="combined", below=mask, above=graph.handle("inverted"), operation="add")
        names = ["mask", "red", "back", "inverted", "grown", "feathered", "combined"]
        result = shared.run(graph, outputs=names)
        square = white.pixels[:1]
        expected = {
            "mask": square,
            "red": noisy(3).pixels[:1],
            "inverted": 1 - square,
            "grown": editing.grow_masks(square, 1),
            "feathered": editing.feather_masks(square, left=4),
            "combined": torch.ones(1, 8, 8),
        }
        for name, wanted in expected.items():
            assert torch.equal(result.value(name), wanted), name  # pyright: ignore[reportArgumentType]
        back = result.value("back")
        assert isinstance(back, Image)
        assert torch.equal(back.pixels, white.pixels)


class TestPlainValues:
    def test_numbers_and_texts(self, shared: Workspace) -> None:
        def build(graph: Graph) -> None:
            number = graph.add("number", id="number", value=2.5)
            graph.add("calculate", id="times", a=number, operation="*", b=3.0)
            graph.add("join_text", id="text", first="red", second=graph.add("text", id="blue", value="blue"))
            graph.add("join_text", id="alone", first="red", second="")
            graph.add("boolean", id="yes", value=True)

        result = built(shared, build, "times", "text", "alone", "yes")
        assert result.values == {"times": (7.5, 8), "text": ("red, blue",), "alone": ("red",), "yes": (True,)}

    def test_a_switch_computes_one_side_only(self, shared: Workspace) -> None:
        def build(graph: Graph) -> None:
            one, zero = graph.add("number", id="one", value=1.0), graph.add("number", id="zero")
            broken = graph.add("calculate", id="broken", a=one, operation="/", b=zero)
            graph.add("switch", id="switch", condition=True, on_true=one, on_false=broken[0])

        result = built(shared, build, "switch")
        assert result.value("switch") == 1.0
        assert "broken" not in result.executed

    def test_what_is_behind_seeds_runs_once_for_each(self, shared: Workspace) -> None:
        def build(graph: Graph) -> None:
            seeds = graph.add("seeds", id="seeds", first=2**64 - 1, count=3)
            graph.add("calculate", id="next", a=seeds, b=1.0)

        result = built(shared, build, "seeds", "next")
        assert result.value("seeds") == [2**64 - 1, 0, 1]
        assert result.values["next"][1] == [2**64, 1, 2]

    def test_similarity_tells_pictures_apart(self, shared: Workspace, tiny: sdkit.Pipeline) -> None:
        red = tiny("a red circle", seed=1, steps=6).images[0]

        def build(graph: Graph) -> None:
            model, image = graph.add(given(tiny, "model")), graph.add(given(red, "image"))
            graph.add("similarity", id="right", pipeline=model, image=image, text="a red circle")
            graph.add("similarity", id="wrong", pipeline=model, image=image, text="a green star")

        result = built(shared, build, "right", "wrong")
        assert result.value("right") > result.value("wrong")  # pyright: ignore[reportOperatorIssue]
        assert result.value("right") == pytest.approx(float(tiny.similarity("a red circle", red)))


@pytest.mark.parametrize("name", NODES)
def test_every_node_is_described(name: str, shared: Workspace) -> None:
    kind = shared.types[name]
    assert kind.summary
    assert kind.category in ("models", "prompts", "latents", "sampling", "pictures", "edits", "masks", "values")
    assert name == kind.name == name.lower()
    home, _, function = NODES[name].partition(":")
    assert function == name
    assert "sdkit.builtin.nodes." in home
    assert not inspect.iscoroutinefunction(kind.function)


def test_the_names_of_plugins_appear_among_the_choices(tmp_path: Path) -> None:
    class Mine:
        @sdkit.hookimpl
        def register_samplers(self, register: RegisterSampler) -> None:
            register("mine", "sdkit.sampling:euler")

    graph = {"sdkit_graph": 1, "nodes": json.loads(Workspace().default().to_json())["nodes"]}
    graph["nodes"]["sample"]["inputs"]["sampler"] = "mine"
    assert Workspace(plugins=[Mine]).check(graph) == ()
    (fault,) = Workspace().check(graph)
    assert fault.message.startswith("sampler is 'mine', which is not among the samplers")


def test_a_file_of_another_model_is_loaded(workspace: Workspace) -> None:
    folder = workspace.settings.models / "loras"
    folder.mkdir(parents=True)
    save_file({"a": torch.zeros(1)}, folder / "not_a_model.safetensors")
    (fault,) = workspace.check(workspace.default().changed({"model.name": "not_a_model"}))
    assert fault.message.startswith("name is 'not_a_model', which is not among the checkpoints")
