"""What happens inside the noise predictor: the nodes, and what packs put into `transformer_options` by themselves."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F
from pydantic import BaseModel

from sdkit import Pipeline
from sdkit.testing import random_checkpoint
from sdkit_comfy.missing import NotAvailableError
from sdkit_comfy.nodes import network_patches as nodes
from sdkit_comfy.values.networks import Clip, Model
from sdkit_comfy.values.samplers import Guider, NoiseOf, SamplerChoice
from sdkit_comfy.values.sampling import sample

NODES: dict[Callable[..., Model], dict[str, Any]] = {
    nodes.freeu: {},
    nodes.freeu_v2: {},
    nodes.hypertile: {"tile_size": 32},
    nodes.tome_patch_model: {},
    nodes.patch_model_add_downscale: {"block_number": 1},
    nodes.self_attention_guidance: {},
    nodes.perturbed_attention_guidance: {},
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("models") / "model.safetensors"
    random_checkpoint(path, unet_widths=(32, 64, 128), attention_levels=(0, 1, 2))
    return Model(Pipeline.load(path, device="cpu", dtype="float32"))


def sampled(model: Model) -> torch.Tensor:
    clip = Clip(model.pipe)
    guider = Guider(model, clip.encode("a cat"), clip.encode("a dog"), 3.0)
    latent = {"samples": torch.zeros(1, 4, 8, 16)}
    more: dict[str, Any] = {"sampler": SamplerChoice("euler"), "steps": 2, "schedule": "normal"}
    return sample(guider, latent, NoiseOf(3), **more).latent["samples"]


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.__name__)
def test_every_node_changes_a_copy_of_the_model(model: Model, node: Callable[..., Model]) -> None:
    patched = node(model=model, **NODES[node])
    assert model.plugins == ()
    assert float((sampled(patched) - sampled(model)).abs().max()) > 1e-4


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.__name__)
def test_the_defaults_are_those_of_the_technique(model: Model, node: Callable[..., Model]) -> None:
    """But for FreeU's, whose defaults depend on its version."""
    (made,) = cast("tuple[BaseModel]", node(model=model).plugins)
    defaults = {name: each.default for name, each in inspect.signature(node).parameters.items() if name != "model"}
    for name, value in defaults.items():
        assert getattr(made, name) == value
        if name not in ("b1", "b2"):
            assert type(made).model_fields[name].default == value


def same(one: Model, other: Model) -> None:
    ours, theirs = sampled(one), sampled(other)
    assert float((ours - theirs).norm() / theirs.norm()) < 1e-5


def test_a_packs_output_block_patch_can_be_freeu(model: Model) -> None:
    def output(h: torch.Tensor, skip: torch.Tensor, options: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        assert options["block"][0] == "output"
        if h.shape[1] == 128:
            h[:, :64] = h[:, :64] * 1.5
        return h, skip

    own = model.clone()
    own.set_model_output_block_patch(output)
    same(own, nodes.freeu(model=model, b1=1.5, b2=1, s1=1, s2=1))
    same(model, nodes.freeu(model=model, b1=1, b2=1, s1=1, s2=1))


def test_a_packs_replacement_gets_merged_heads_and_says_where(model: Model) -> None:
    told: list[dict[str, Any]] = []

    def replaced(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, options: dict[str, Any]) -> torch.Tensor:
        told.append(options)
        assert q.shape == k.shape == v.shape == (2, 8, 128)
        query, key, value = (each.unflatten(-1, (options["n_heads"], -1)).transpose(1, 2) for each in (q, k, v))
        return cast("torch.Tensor", F.scaled_dot_product_attention(query, key, value)).transpose(1, 2).flatten(2)

    own = model.clone()
    own.set_model_attn1_replace(replaced, "middle", 0)
    own.set_model_attn2_replace(lambda q, k, v, options: torch.full_like(q, 1 / 0), "middle", 0, 7)
    own.model_options["transformer_options"]["mine"] = 5
    same(own, model)
    first = told[0]
    assert (first["block"], first["block_index"], first["mine"]) == (("middle", 0), 0, 5)
    assert first["cond_or_uncond"] == [1, 0]
    assert first["original_shape"] == [2, 4, 8, 16]
    assert first["sigmas"].tolist() == pytest.approx([14.6146] * 2, abs=1e-3)
    assert first["dim_head"] * first["n_heads"] == 128


def test_a_packs_patches_around_attention_can_be_hypertile(model: Model) -> None:
    """Four tiles of the sides as ComfyUI has them, sixteen by eight, of which keys are a quarter each."""
    tiled: list[bool] = []

    def before(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, options: dict[str, Any]) -> tuple[torch.Tensor, ...]:
        tiled.append(q.shape[1] == 128)
        if not tiled[-1]:
            return q, k, v
        tiles = q.reshape(2, 4, 4, 2, 4, -1).transpose(2, 3).reshape(16, 16, -1)
        return tiles, k, v

    def after(out: torch.Tensor, options: dict[str, Any]) -> torch.Tensor:
        return out.reshape(2, 4, 2, 4, 4, -1).transpose(2, 3).reshape(2, 128, -1) if tiled[-1] else out

    own = model.clone()
    own.set_model_attn1_patch(before)
    own.set_model_attn1_output_patch(after)
    state = random.getstate()
    same(own, nodes.hypertile(model=model, tile_size=32))
    assert random.getstate() == state
    assert any(tiled)
    assert not all(tiled)


def test_input_patches_come_before_and_behind_what_is_kept(model: Model) -> None:
    def louder(h: torch.Tensor, options: dict[str, Any]) -> torch.Tensor:
        return h * 1.5 if options["block"] == ("input", 1) else h

    first, second = model.clone(), model.clone()
    first.set_model_input_block_patch(louder)
    second.set_model_input_block_patch_after_skip(louder)
    three = [sampled(each) for each in (model, first, second)]
    assert all(float((three[i] - three[j]).abs().max()) > 1e-4 for i, j in ((0, 1), (0, 2), (1, 2)))
    assert not model.model_options["transformer_options"]


def test_patches_at_other_places_are_refused(model: Model) -> None:
    own = model.clone()
    own.set_model_patch(lambda *given: given, "emb_patch")
    with pytest.raises(NotAvailableError, match="patches of the kind 'emb_patch' is not available"):
        sampled(own)
