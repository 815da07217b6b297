"""Merged models: every weight equals the formula, and what does not fit is refused before anything is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from sdkit.errors import ModelError, RequestError, UnknownNameError
from sdkit.models import LatentDiffusion, Recipe, detect_family, merge, merging, open_checkpoint, sd1, sdxl
from sdkit.models.merge_blocks import block_of, blocks_of, parse_blocks, unet_blocks
from sdkit.models.merging import Method
from sdkit.testing.models import random_checkpoint
from sdkit.types import Patch


def load(path: Path) -> LatentDiffusion:
    file = open_checkpoint(path)
    family, detection = detect_family(file, [sd1, sdxl])
    model = family.load(file, detection, device=torch.device("cpu"), dtype="auto")
    assert isinstance(model, LatentDiffusion)
    return model


def weights(path: Path) -> Mapping[str, Tensor]:
    return {name: file.tensor(key) for name, (file, key) in load(path).sources.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("merging")


@pytest.fixture(scope="module")
def paths(folder: Path) -> tuple[Path, Path, Path]:
    a, b, c = (random_checkpoint(folder / f"{name}.safetensors", seed=seed) for seed, name in enumerate("abc"))
    return a, b, c


@pytest.fixture
def models(paths: tuple[Path, ...]) -> list[LatentDiffusion]:
    return [load(path) for path in paths]


@pytest.mark.parametrize("method", ["weighted_sum", "add_difference"])
def test_every_weight_is_what_the_formula_says(
    paths: tuple[Path, ...], models: list[LatentDiffusion], tmp_path: Path, method: Method
) -> None:
    a, b, c = models
    third = c if method == "add_difference" else None
    path = merge(tmp_path / "m.safetensors", a, b, third, recipe=Recipe(method, 0.3, text=0.8, vae="b"))
    found, (old_a, old_b, old_c) = weights(path), [weights(path) for path in paths]
    assert set(found) == set(old_a)
    for name, weight in found.items():
        m = {"unet": 0.3, "vae": 0.0, "text_encoder": 0.8, "image_tower": 0.8}[name.split(".")[0]]
        wide = [old[name].float() for old in (old_a, old_b, old_c)]
        expected = wide[0] * (1 - m) + wide[1] * m if third is None else wide[0] + (wide[1] - wide[2]) * m
        expected = wide[1] if name.startswith("vae.") else expected
        assert weight.dtype == torch.float16
        torch.testing.assert_close(weight, expected.half(), rtol=0, atol=0, msg=name)


def test_the_result_loads_and_says_how_it_was_made(models: list[LatentDiffusion], tmp_path: Path) -> None:
    a, b, _ = models
    path = merge(tmp_path / "mixed.safetensors", a, b, recipe=Recipe(amount=0.25), dtype="float32")
    model = load(path)
    assert model.spec == a.spec
    assert model.decode(torch.zeros(1, 4, 2, 2)).isfinite().all()
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    recipe = {"a": "a", "b": "b", "method": "weighted_sum", "amount": 0.25, "vae": "a"}
    assert json.loads(metadata["sdkit.merge"]) == recipe
    assert metadata["modelspec.title"] == "mixed"
    assert {weight.dtype for weight in weights(path).values()} == {torch.float32}


def test_arithmetic_is_in_float32_and_rounded_once(models: list[LatentDiffusion], tmp_path: Path) -> None:
    a, b, c = models
    path = merge(tmp_path / "m.safetensors", a, b, c, recipe=Recipe("add_difference", 1 / 3), dtype="float32")
    name = "unet.middle_block.0.in_layers.2.weight"
    wide = [file.tensor(key).float() for file, key in (model.sources[name] for model in models)]
    expected = wide[0] + (wide[1] - wide[2]) / 3
    torch.testing.assert_close(weights(path)[name], expected, rtol=1e-6, atol=1e-7)


def test_large_weights_are_merged_some_rows_at_a_time(
    models: list[LatentDiffusion], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, _ = models
    expected = merge(tmp_path / "whole.safetensors", a, b, recipe=Recipe(amount=0.3)).read_bytes()
    sizes: list[int] = []
    whole = merging._merged_part

    def noted(*parts: Any) -> Tensor:
        sizes.append(parts[0].numel())
        return whole(*parts)

    monkeypatch.setattr(merging, "_AT_ONCE", 4096)
    monkeypatch.setattr(merging, "_merged_part", noted)
    found = merge(tmp_path / "parts" / "whole.safetensors", a, b, recipe=Recipe(amount=0.3)).read_bytes()
    assert found == expected
    assert max(sizes) <= 4096
    assert len(sizes) > 800


def test_blocks_have_weights_of_their_own(
    paths: tuple[Path, ...], models: list[LatentDiffusion], tmp_path: Path
) -> None:
    a, b, _ = models
    recipe = Recipe(amount=0.5, blocks="BASE=1 IN01=0, M00=0.25 OUT03=1")
    path = merge(tmp_path / "m.safetensors", a, b, recipe=recipe)
    found, old_a, old_b = weights(path), weights(paths[0]), weights(paths[1])
    amounts = {
        "unet.input_blocks.1.0.in_layers.2.weight": 0.0,
        "unet.input_blocks.2.0.op.weight": 0.5,
        "unet.middle_block.1.proj_in.weight": 0.25,
        "unet.output_blocks.3.0.in_layers.2.weight": 1.0,
        "unet.time_embed.0.weight": 0.5,
        "unet.out.2.weight": 1.0,
        "text_encoder.text_model.final_layer_norm.weight": 1.0,
        "vae.decoder.conv_in.weight": 0.0,
    }
    for name, m in amounts.items():
        expected = (old_a[name].float() * (1 - m) + old_b[name].float() * m).half()
        assert torch.equal(found[name], expected), name


def test_an_inpainting_model_learns_from_ordinary_ones(paths: tuple[Path, ...], tmp_path: Path) -> None:
    inpainting = random_checkpoint(tmp_path / "inpaint.safetensors", kind="sd1_inpaint", seed=9)
    a, (b, c) = load(inpainting), [load(path) for path in paths[1:]]
    path = merge(tmp_path / "m.safetensors", a, b, c, recipe=Recipe("add_difference", 1.0))
    name = "unet.input_blocks.0.0.weight"
    found, old = weights(path)[name], weights(inpainting)[name]
    difference = weights(paths[1])[name].float() - weights(paths[2])[name].float()
    assert found.shape[1] == 9
    assert torch.equal(found[:, 4:], old[:, 4:])
    assert torch.equal(found[:, :4], (old[:, :4].float() + difference).half())
    with pytest.raises(ModelError, match=r"different shapes \(first: unet\.input_blocks\.0\.0\.weight"):
        merge(tmp_path / "n.safetensors", b, a)


def test_patches_are_baked_into_the_merged_weights(models: list[LatentDiffusion], tmp_path: Path) -> None:
    a, b, _ = models
    name = "unet.out.2.weight"
    double = Patch(key="double", targets=frozenset({name}), apply=lambda _, weight: weight * 2)
    path = merge(tmp_path / "m.safetensors", a, b, recipe=Recipe(amount=1.0), patches=[double])
    file, key = b.sources[name]
    assert torch.equal(weights(path)[name], (file.tensor(key).float() * 2).half())
    alone = merge(tmp_path / "alone.safetensors", a, patches=[double])
    file, key = a.sources[name]
    assert torch.equal(weights(alone)[name], (file.tensor(key).float() * 2).half())


def test_models_that_do_not_fit_are_refused_before_anything_is_written(
    models: list[LatentDiffusion], tmp_path: Path
) -> None:
    a = models[0]
    xl = load(random_checkpoint(tmp_path / "xl.safetensors", kind="sdxl"))
    deeper = load(random_checkpoint(tmp_path / "deep.safetensors", unet_layers=2))
    wider = load(random_checkpoint(tmp_path / "wide.safetensors", vae_widths=(64, 64, 64, 64)))
    files = set(tmp_path.iterdir())
    for other, fault in (
        (xl, "'a' is Stable Diffusion 1 and 'xl' is Stable Diffusion XL: models of different families"),
        (deeper, r"'a' and 'deep' are built differently: \d+ weights are in one of them only"),
        (wider, r"weights of 'a' and 'wide' have different shapes \(first: vae\..*, \[\d+.*\] and \[\d+"),
    ):
        with pytest.raises(ModelError, match=fault):
            merge(tmp_path / "m.safetensors", a, other)
    assert set(tmp_path.iterdir()) == files


def test_recipes_that_cannot_be_are_refused(models: list[LatentDiffusion], tmp_path: Path) -> None:
    a, b, c = models
    path = tmp_path / "m.safetensors"
    for others, recipe, fault in (
        ((b,), Recipe("add_difference"), "add_difference takes the models a and b and c, not a, b"),
        ((b, c), Recipe("weighted_sum"), "weighted_sum takes the models a and b, not a, b, c"),
        ((b,), Recipe(vae="c"), "the VAE cannot be model c's"),
        ((b,), Recipe("average"), "weighted_sum or add_difference, not 'average'"),  # pyright: ignore[reportArgumentType]
        ((b,), Recipe(vae="d"), "a, b, c, merge, not 'd'"),  # pyright: ignore[reportArgumentType]
        ((b,), Recipe(amount=float("nan")), "a finite number, usually 0 to 1, not nan"),
        ((b,), Recipe(blocks="IN00=inf"), "a finite number, usually 0 to 1, not inf"),
        ((b,), Recipe(blocks=[1.0, 2.0]), "has 9 weights for blocks .*, or 10 with BASE in front; 2 are given"),
    ):
        with pytest.raises(RequestError, match=fault):
            merge(path, a, *others, recipe=recipe)
    assert not path.exists()


def test_lists_of_blocks_are_read_as_people_write_them() -> None:
    blocks = (*(f"IN{number:02d}" for number in range(12)), "M00", *(f"OUT{number:02d}" for number in range(12)))
    numbers = [number / 100 for number in range(25)]
    text = ",".join(map(str, numbers))
    found = parse_blocks(text, blocks, 0.5)
    assert found.base is None
    assert list(found.weights.values()) == numbers
    found = parse_blocks(f"0.7,\n{text}", blocks, 0.5)
    assert found.base == 0.7
    assert list(found.weights.values()) == numbers
    found = parse_blocks("in4=0.1, MID=0.2;OUT11=1", blocks, 0.5)
    assert (found.weights["IN04"], found.weights["M00"], found.weights["OUT11"], found.weights["IN00"]) == (
        *(0.1, 0.2, 1.0, 0.5),
    )
    assert found.base is None
    with pytest.raises(UnknownNameError, match="block of this model named 'IN12'"):
        parse_blocks("IN12=1", blocks, 0.5)
    with pytest.raises(RequestError, match="the weight of a block is a number, not 'IN01=much'"):
        parse_blocks("IN01=much", blocks, 0.5)
    assert blocks_of([1.0] * 26, blocks).base == 1.0


def test_the_blocks_of_each_family_and_where_the_rest_counts() -> None:
    names = [f"input_blocks.{number}.0.x" for number in range(9)]
    names += ["middle_block.0.x", *(f"output_blocks.{number}.0.x" for number in range(9)), "out.2.weight"]
    blocks = unet_blocks(names)
    assert len(blocks) == 19
    assert (blocks[0], blocks[8], blocks[9], blocks[-1]) == ("IN00", "IN08", "M00", "OUT08")
    assert block_of("time_embed.0.weight", blocks) == block_of("label_emb.0.0.weight", blocks) == "IN00"
    assert block_of("out.2.weight", blocks) == "OUT08"
