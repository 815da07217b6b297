"""Nodes for latents: what they compute, and what stays with the latents."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save_file

import sdkit_comfy.plugin
from sdkit.editing import interpolate_latents
from sdkit.errors import GraphError
from sdkit.graph import Graph, node_type
from sdkit.pipeline import Workspace
from sdkit_comfy.nodes import latent_batches, latent_maths, latents
from sdkit_comfy.values.latents import Latent


def latent(*shape: int, seed: int = 0, **more: object) -> Latent:
    return {"samples": torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), **more}


def test_latents_change_their_size_and_keep_what_else_they_carry() -> None:
    mask = torch.ones(1, 1, 64, 96)
    given = latent(2, 4, 8, 12, noise_mask=mask, batch_index=[5, 6], type="mine")
    before = dict(given)
    sizes = {
        latents.latent_upscale: ({"width": 192, "height": 0}, (16, 24)),
        latents.latent_upscale_by: ({"scale_by": 1.5}, (12, 18)),
        latents.latent_crop: ({"width": 64, "height": 64, "x": 64, "y": 0}, (8, 8)),
        latents.latent_rotate: ({"rotation": "90 degrees"}, (12, 8)),
        latents.latent_flip: ({"flip_method": "y-axis: horizontally"}, (8, 12)),
    }
    for function, (inputs, size) in sizes.items():
        made = function(samples=given, **inputs)
        assert made["samples"].shape == (2, 4, *size), function.__name__
        assert made["noise_mask"] is mask
        assert (made["batch_index"], made["type"]) == ([5, 6], "mine")
    assert given == before
    flipped = latents.latent_flip(samples=given, flip_method="y-axis: horizontally")
    assert torch.equal(flipped["samples"], given["samples"].flip(3))
    turned = latents.latent_rotate(samples=given, rotation="90 degrees")
    assert torch.equal(turned["samples"][0, 0, 0], given["samples"][0, 0, :, 0].flip(0)), "clockwise"
    assert torch.equal(
        latents.latent_crop(samples=given, width=64, height=64, x=64)["samples"], given["samples"][..., 4:]
    )


def test_latents_are_put_onto_others_at_places_in_pixels() -> None:
    onto, from_ = latent(1, 4, 8, 8), latent(1, 4, 4, 4, seed=1)
    hard = latents.latent_composite(samples_to=onto, samples_from=from_, x=16, y=32)["samples"]
    assert torch.equal(hard[..., 4:8, 2:6], from_["samples"])
    assert torch.equal(hard[..., :4, :], onto["samples"][..., :4, :])
    soft = latents.latent_composite(samples_to=onto, samples_from=from_, x=16, y=32, feather=16)["samples"]
    assert torch.allclose(soft[..., 6, 2], (from_["samples"][..., 2, 0] + onto["samples"][..., 6, 2]) / 2)
    mask = torch.full((1, 32, 32), 0.25)
    mixed = latents.latent_composite_masked(destination=onto, source=from_, x=8, y=8, mask=mask)["samples"]
    wanted = 0.25 * from_["samples"] + 0.75 * onto["samples"][..., 1:5, 1:5]
    assert torch.allclose(mixed[..., 1:5, 1:5], wanted)


def test_batches_keep_the_noise_of_their_pictures() -> None:
    given = latent(3, 4, 2, 2)
    picked = latent_batches.latent_from_batch(samples=given, batch_index=1, length=5)
    assert picked["batch_index"] == [1, 2]
    assert torch.equal(picked["samples"], given["samples"][1:])
    repeated = latent_batches.repeat_latent_batch(samples=picked, amount=2)
    assert repeated["batch_index"] == [1, 2, 3, 4]
    assert "batch_index" not in latent_batches.repeat_latent_batch(samples=given, amount=2)
    joined = latent_batches.latent_batch(samples1=picked, samples2=given)
    assert joined["batch_index"] == [1, 2, 0, 1, 2]
    assert latent_batches.latent_batch_seed_behavior(samples=picked)["batch_index"] == [1, 1]
    assert "batch_index" not in latent_batches.latent_batch_seed_behavior(samples=picked, seed_behavior="random")
    parts = latent_batches.rebatch(latents=[given, given], batch_size=[4])
    assert [part["batch_index"] for part in parts] == [[0, 1, 2, 3], [4, 5]]


def test_arithmetic_takes_the_second_latents_in_the_size_of_the_first() -> None:
    first, second = latent(2, 4, 4, 4), latent(1, 4, 4, 4, seed=1)
    a, b = first["samples"], second["samples"]
    assert torch.equal(latent_maths.latent_add(samples1=first, samples2=second)["samples"], a + b)
    assert torch.equal(latent_maths.latent_subtract(samples1=first, samples2=second)["samples"], a - b)
    assert torch.equal(latent_maths.latent_multiply(samples=first, multiplier=-0.5)["samples"], a * -0.5)
    between = latent_maths.latent_interpolate(samples1=first, samples2=second, ratio=0.3)["samples"]
    assert torch.equal(between, interpolate_latents(a, b, 0.3))
    blended = latent_maths.latent_blend(samples1=first, samples2=second, blend_factor=0.25)["samples"]
    assert torch.allclose(blended, 0.25 * a + 0.75 * b)
    assert latent_maths.latent_add(samples1=first, samples2=latent(1, 4, 2, 2))["samples"].shape == (2, 4, 4, 4)


def test_saved_latents_are_read_again_and_old_ones_are_unscaled(tmp_path: Path) -> None:
    workspace = Workspace(plugins=[sdkit_comfy.plugin], inputs=tmp_path / "out" / "latents", outputs=tmp_path / "out")
    graph = Graph()
    blank = graph.add("EmptyLatentImage", width=64, height=32, batch_size=2)
    graph.add("SaveLatent", samples=graph.add("LatentFromBatch", samples=blank, batch_index=1), id="save")
    (path,) = workspace.run(graph).ui["save"]["latents"]
    assert path == tmp_path / "out" / "latents" / "ComfyUI_00001_.latent"
    assert torch.equal(load(Path(str(path)).read_bytes())["latent_tensor"], torch.zeros(1, 4, 4, 8))
    assert workspace.load(str(path)).nodes["save"].type == "SaveLatent", "the file carries its workflow"

    save_file({"latent_tensor": torch.ones(1, 4, 2, 2)}, tmp_path / "out" / "latents" / "old.latent")
    loading = Graph()
    loaded = loading.add("LoadLatent", latent="old.latent")
    value = workspace.run(loading, outputs=[loaded.id]).value(loaded.out)
    assert isinstance(value, dict)
    assert torch.allclose(value["samples"], torch.full((1, 4, 2, 2), 1 / 0.18215))
    loading.nodes[loaded.id].inputs["latent"] = "ComfyUI_00002_.latent"
    with pytest.raises(GraphError, match=r"LoadLatent.*ComfyUI_00002_\.latent"):
        workspace.run(loading, outputs=[loaded.id])


def test_order_of_inputs_is_that_of_the_fields_in_the_editor() -> None:
    crop = node_type(latents.latent_crop)
    assert [each.name for each in crop.inputs] == ["samples", "width", "height", "x", "y"]


def test_latents_are_joined_along_a_side_and_cut_again() -> None:
    first, second = latent(2, 4, 4, 6), latent(1, 4, 4, 3, seed=1)
    wide = latent_maths.latent_concat(samples1=first, samples2=second, dim="-x")
    assert wide["samples"].shape == (2, 4, 4, 9)
    assert torch.equal(wide["samples"][1, :, :, :3], second["samples"][0])
    cut = latent_maths.latent_cut(samples=wide, dim="x", index=-6, amount=100)
    assert torch.equal(cut["samples"], first["samples"])
