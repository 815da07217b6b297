"""Workflows tried out with stand-ins: everything runs, and what was changed is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import sdkit_comfy.plugin
from sdkit import Pipeline
from sdkit.graph import Graph, Input, NodeType, Ref
from sdkit.pipeline import Workspace
from sdkit_comfy.tiny import Change, tiny_workspace
from sdkit_comfy.tiny.families import by_name, model_inputs
from sdkit_comfy.tiny.sizes import smaller
from sdkit_comfy.tiny.stand_ins import StandIns

Api = dict[str, dict[str, object]]


def node(kind: str, **inputs: object) -> dict[str, object]:
    return {"class_type": kind, "inputs": inputs}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiny")


def img2img(model: str) -> Api:
    return {
        "1": node("CheckpointLoaderSimple", ckpt_name=model),
        "2": node("LoadImage", image="clipspace/photo of mine.png [input]"),
        "3": node("ImageScale", image=["2", 0], upscale_method="area", width=1024, height=768, crop="center"),
        "4": node("VAEEncode", pixels=["3", 0], vae=["1", 2]),
        "5": node("CLIPTextEncode", text="a (cat:1.2), embedding:best things\\style.pt", clip=["1", 1]),
        "6": node(
            "KSampler", model=["1", 0], positive=["5", 0], negative=["5", 0], latent_image=["4", 0], seed=7, steps=30,
            cfg=8, sampler_name="dpmpp_2m", scheduler="karras", denoise=0.6,
        ),
        "7": node("VAEDecode", samples=["6", 0], vae=["1", 2]),
        "8": node("SaveImage", images=["7", 0], filename_prefix="try"),
    }  # fmt: skip


@pytest.mark.parametrize("model", ["dreams_v8.safetensors", "sd_xl_base_1.0.safetensors", "sd_xl_refiner.ckpt"])
def test_every_node_of_a_workflow_runs_with_stand_ins_and_smaller_sizes(model: str, folder: Path) -> None:
    tiny = tiny_workspace(img2img(model), folder, plugins=[sdkit_comfy.plugin])
    changed = {(change.node, change.input): (change.was, change.now) for change in tiny.changes}
    assert set(changed) == {("1", "ckpt_name"), ("2", "image"), ("3", "width"), ("3", "height"), ("6", "steps")}
    assert changed["3", "width"] == (1024, 128)
    assert changed["3", "height"] == (768, 96)
    result = tiny.workspace.run(tiny.graph)
    assert set(result.executed) == set(tiny.graph.nodes)
    (saved,) = result.ui["8"]["images"]
    assert tiny.workspace.load(str(saved)).nodes["6"].inputs["steps"] == 2


def test_stand_ins_are_read_by_the_real_loaders_as_what_they_stand_for(folder: Path) -> None:
    stand_ins = StandIns(folder)
    wanted = {
        "a.safetensors": ("sd1", 4),
        "a-inpainting.safetensors": ("sd1", 9),
        "512-inpainting-ema.ckpt": ("sd2", 9),
        "instruct-pix2pix-00-22000.ckpt": ("sd1", 8),
        "ponyDiffusion.safetensors": ("sdxl", 4),
        "sd_xl_refiner_1.0.safetensors": ("sdxl_refiner", 4),
    }
    for name, (family, channels) in wanted.items():
        path = stand_ins.checkpoint(name, by_name(name) or "sd1")
        assert Pipeline.load(path).model.spec.family == family, name
        assert load_file(path)["model.diffusion_model.input_blocks.0.0.weight"].shape[1] == channels, name


def test_the_same_name_gives_the_same_weights_and_another_name_others(tmp_path: Path) -> None:
    first, second = StandIns(tmp_path / "a"), StandIns(tmp_path / "b")
    same = first.checkpoint("x.safetensors", "sd1"), second.checkpoint("x.safetensors", "sd1")
    assert same[0].name == same[1].name
    assert same[0].read_bytes() == same[1].read_bytes()
    before = same[0].stat().st_mtime_ns
    assert first.checkpoint("x.safetensors", "sd1").stat().st_mtime_ns == before, "written once"
    other = first.checkpoint("y.safetensors", "sd1")
    key = "model.diffusion_model.out.2.weight"
    assert not torch.equal(load_file(other)[key], load_file(same[0])[key])


def families(graph: Api) -> dict[str, str]:
    workspace = Workspace(plugins=[sdkit_comfy.plugin])
    return {each.name: each.family for each in model_inputs(workspace.load(graph), workspace.types)}


def test_families_are_told_by_names_and_by_the_nodes_that_use_the_model() -> None:
    graph: Api = {
        "1": node("CheckpointLoaderSimple", ckpt_name="mine.safetensors"),
        "2": node("CLIPSetLastLayer", clip=["1", 1], stop_at_clip_layer=-2),
        "3": node("CLIPTextEncodeSDXL", clip=["2", 0], text_g="a", text_l="a"),
        "4": node("CheckpointLoaderSimple", ckpt_name="better.safetensors"),
        "5": node("CLIPTextEncodeSDXLRefiner", clip=["4", 1], text="a"),
        "6": node("CheckpointLoaderSimple", ckpt_name="plain_v2.safetensors"),
        "7": node("CLIPTextEncode", clip=["6", 1], text="a"),
        "8": node("CheckpointLoaderSimple", ckpt_name="v2-1_768-ema-pruned.ckpt"),
    }
    assert families(graph) == {
        "mine.safetensors": "sdxl",
        "better.safetensors": "sdxl_refiner",
        "plain_v2.safetensors": "sd1",
        "v2-1_768-ema-pruned.ckpt": "sd2",
    }


def test_numbers_become_smaller_by_one_factor_and_stay_within_bounds() -> None:
    graph = Graph()
    for id_, inputs in {
        "a": {"width": 1152, "height": 768, "batch_size": 8, "x": 576, "feather": 90},
        "b": {"width": 400, "megapixels": 2.0, "steps": 30, "seed": 1234, "cfg": 7.5},
        "c": {"steps": 25, "start_at_step": 0, "end_at_step": 20},
        "d": {"steps": 25, "start_at_step": 20, "end_at_step": 10_000},
        "e": {"width": Ref("a"), "height": float("nan"), "add_noise": True, "steps": 1},
    }.items():
        graph.add("Some", id=id_, **inputs)
    some = NodeType("Some", lambda **_: None, (Input("height", "int", ge=88), Input("feather", "int", ge=16)))
    assert {f"{id_}.{name}": value for id_, name, value in smaller(graph, {"Some": some})} == {
        "a.width": 128, "a.height": 88, "a.batch_size": 2, "a.x": 64, "a.feather": 16,
        "b.width": 64, "b.megapixels": 1 / 64, "b.steps": 2,
        "c.steps": 4, "c.end_at_step": 4,
        "d.steps": 4, "d.start_at_step": 3,
    }  # fmt: skip


def test_pictures_that_are_there_are_used_as_they_are(tmp_path: Path) -> None:
    mine = StandIns(tmp_path / "mine").picture("mine")
    graph: Api = {"1": node("LoadImage", image=mine.name), "2": node("PreviewImage", images=["1", 0])}
    tiny = tiny_workspace(graph, tmp_path / "tiny", plugins=[sdkit_comfy.plugin], inputs=mine.parent)
    assert tiny.changes == ()
    graph["1"] = node("LoadImage", image="https://example.org/x.png?y=1")
    tiny = tiny_workspace(graph, tmp_path / "tiny", plugins=[sdkit_comfy.plugin], inputs=mine.parent)
    (change,) = tiny.changes
    assert isinstance(change, Change)
    assert str(change).startswith("1.image: 'https://example.org/x.png?y=1' → ")
    assert tiny.workspace.run(tiny.graph).ui["2"]["images"]


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "a/../../evil"])
def test_nothing_is_written_outside_of_the_folder(tmp_path: Path, name: str) -> None:
    stand_ins = StandIns(tmp_path / "in" / "here")
    assert stand_ins.embedding(name, "sd1") is None
    for path in (stand_ins.picture(name), stand_ins.checkpoint(name, "sd1")):
        assert path.is_relative_to(tmp_path / "in" / "here")
    assert {path.name for path in tmp_path.iterdir()} == {"in"}
