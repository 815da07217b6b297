"""Each format's change of a weight, against its formula written out once more; and files in the real key layouts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from sdkit.errors import LoraKeyError
from sdkit.models.lora import LoraFormat, LoraLayer
from sdkit.testing import make_pipeline
from sdkit_lycoris.glora import glora
from sdkit_lycoris.ia3 import ia3
from sdkit_lycoris.loha import loha
from sdkit_lycoris.lokr import lokr
from sdkit_lycoris.oft import oft
from sdkit_lycoris.peft_oft import peft_oft

X = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def layer(lora_format: LoraFormat, tensors: dict[str, Tensor]) -> LoraLayer:
    """The only layer of a file, with all its keys used."""
    keyed = {f"{X}.{name}": tensor for name, tensor in tensors.items()}
    assert lora_format.matches(keyed, {})
    assert not lora_format.matches(["lora_unet_x.lora_up.weight", "lora_unet_x.diff"], {})
    (found,) = lora_format.convert(keyed | {"lora_te_x.lora_up.weight": torch.zeros(1)}, {})
    assert set(found.keys) == set(keyed)
    assert found.module == X
    return found


def changed(lora_format: LoraFormat, tensors: dict[str, Tensor], weight: Tensor, strength: float = 1.0) -> Tensor:
    found = layer(lora_format, tensors).change
    assert found is not None
    assert found.fits(tuple(weight.shape))
    assert not found.fits(tuple(side + 2 for side in weight.shape))
    assert not found.fits((weight.shape[0],))
    return found.apply(weight.clone(), strength)


def same(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


# ── LoHa ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def loha_tensors(rank: int, outputs: int, inputs: int) -> dict[str, Tensor]:
    return {
        "hada_w1_a": randn(outputs, rank, seed=1),
        "hada_w1_b": randn(rank, inputs, seed=2),
        "hada_w2_a": randn(outputs, rank, seed=3),
        "hada_w2_b": randn(rank, inputs, seed=4),
        "alpha": torch.tensor(1.5),
    }


@pytest.mark.parametrize("kernel", [(), (3, 3)])
def test_loha(kernel: tuple[int, ...]) -> None:
    weight = randn(8, 6, *kernel)
    tensors = loha_tensors(3, 8, weight[0].numel())
    delta = torch.einsum("or,ri->oi", tensors["hada_w1_a"], tensors["hada_w1_b"]) * torch.einsum(
        "or,ri->oi", tensors["hada_w2_a"], tensors["hada_w2_b"]
    )
    same(changed(loha, tensors, weight, 0.7), weight + 0.7 * 1.5 / 3 * delta.reshape(weight.shape))
    del tensors["alpha"]
    same(changed(loha, tensors, weight), weight + delta.reshape(weight.shape))


def test_loha_of_a_convolution_in_tucker_form() -> None:
    weight, rank = randn(8, 6, 3, 3), 3
    tensors = {
        "hada_w1_a": randn(rank, 8, seed=1),
        "hada_w1_b": randn(rank, 6, seed=2),
        "hada_t1": randn(rank, rank, 3, 3, seed=3),
        "hada_w2_a": randn(rank, 8, seed=4),
        "hada_w2_b": randn(rank, 6, seed=5),
        "hada_t2": randn(rank, rank, 3, 3, seed=6),
        "alpha": torch.tensor(3.0),
    }
    halves: list[Tensor] = []
    for number in "12":
        core, a, b = tensors[f"hada_t{number}"], tensors[f"hada_w{number}_a"], tensors[f"hada_w{number}_b"]
        half = torch.zeros_like(weight)
        for i in range(rank):
            for j in range(rank):
                half += core[i, j] * a[i].view(-1, 1, 1, 1) * b[j].view(1, -1, 1, 1)
        halves.append(half)
    same(changed(loha, tensors, weight), weight + halves[0] * halves[1])


def test_loha_with_a_learnt_magnitude() -> None:
    weight, tensors = randn(8, 6), loha_tensors(3, 8, 6)
    tensors["dora_scale"] = randn(8, 1, seed=9).abs()
    delta = (tensors["hada_w1_a"] @ tensors["hada_w1_b"]) * (tensors["hada_w2_a"] @ tensors["hada_w2_b"]) * 0.5
    moved = weight + delta
    same(changed(loha, tensors, weight), tensors["dora_scale"] * moved / moved.norm(dim=1, keepdim=True))


# ── LoKr ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kernel", "form", "scale"),
    [
        ((), "whole", 1.0),
        ((), "second", 0.5),
        ((), "both", 0.5),
        ((3, 3), "whole", 1.0),
        ((3, 3), "second", 0.5),
        ((3, 3), "flat", 0.5),
        ((3, 3), "tucker", 0.5),
    ],
)
def test_lokr(kernel: tuple[int, ...], form: str, scale: float) -> None:
    weight, rank = randn(2 * 4, 3 * 5, *kernel), 2
    first, second = randn(2, 3, seed=1), randn(4, 5, *kernel, seed=2)
    tensors = {"lokr_w1": first, "alpha": torch.tensor(1.0)}
    if form == "whole":
        tensors["lokr_w2"] = second
    elif form == "tucker":
        core, a, b = randn(rank, rank, *kernel, seed=3), randn(rank, 4, seed=4), randn(rank, 5, seed=5)
        second = torch.einsum("rskl,ro,si->oikl", core, a, b)
        tensors |= {"lokr_t2": core, "lokr_w2_a": a, "lokr_w2_b": b}
    else:
        a, b = randn(4, rank, seed=3), randn(rank, 5, *kernel, seed=4)
        second = torch.tensordot(a, b, dims=1)
        tensors |= {"lokr_w2_a": a, "lokr_w2_b": b.flatten(1) if form == "flat" else b}
    if form == "both":
        a, b = randn(2, rank, seed=6), randn(rank, 3, seed=7)
        first = a @ b
        del tensors["lokr_w1"]
        tensors |= {"lokr_w1_a": a, "lokr_w1_b": b}
    expected = torch.empty_like(weight)
    for row in range(2):
        for column in range(3):
            expected[row * 4 : row * 4 + 4, column * 5 : column * 5 + 5] = first[row, column] * second
    same(changed(lokr, tensors, weight, 0.7), weight + 0.7 * scale * expected)


# ── (IA)³ ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_ia3_multiplies_inputs_or_outputs() -> None:
    weight = randn(8, 6)
    inputs, outputs = randn(6, seed=1), randn(8, seed=2)
    by_input = {"weight": inputs, "on_input": torch.tensor(1)}
    by_output = {"weight": outputs, "on_input": torch.tensor(0)}
    same(changed(ia3, by_input, weight, 0.5), weight @ torch.diag(1 + 0.5 * inputs))
    same(changed(ia3, by_output, weight, 0.5), torch.diag(1 + 0.5 * outputs) @ weight)
    kernel = randn(8, 6, 3, 3)
    by_output["weight"] = outputs.view(1, 8, 1, 1)
    same(changed(ia3, by_output, kernel), kernel * (1 + outputs).view(8, 1, 1, 1))


# ── OFT, BOFT ────────────────────────────────────────────────────────────────────────────────────────────────────────


def cayley(block: Tensor) -> Tensor:
    skew, identity = block - block.T, torch.eye(len(block))
    return (identity + skew) @ torch.linalg.inv(identity - skew)


@pytest.mark.parametrize("kernel", [(), (3, 3)])
def test_oft_turns_blocks_of_outputs(kernel: tuple[int, ...]) -> None:
    weight, blocks = randn(8, 6, *kernel), randn(2, 4, 4, seed=1) * 0.3
    turned = torch.block_diag(*(cayley(block) for block in blocks)).T @ weight.flatten(1)
    got = changed(oft, {"oft_blocks": blocks, "alpha": torch.tensor(0.0)}, weight)
    same(got, turned.view(weight.shape))
    same(got.flatten(1).T @ got.flatten(1), weight.flatten(1).T @ weight.flatten(1))  # rotations keep angles
    half = changed(oft, {"oft_blocks": blocks}, weight, 0.5)
    same(half, (weight + turned.view(weight.shape)) / 2)


def test_oft_bounds_the_rotation_and_rescales() -> None:
    weight, blocks, factors = randn(8, 6), randn(2, 4, 4, seed=1), randn(8, 1, seed=2)
    skew = blocks - blocks.mT
    bounded = blocks * (0.01 * 8 / skew.norm())
    tensors = {"oft_blocks": blocks, "alpha": torch.tensor(0.01), "rescale": factors}
    turned = torch.block_diag(*(cayley(block) for block in bounded)).T @ weight
    same(changed(oft, tensors, weight), factors * turned)


def test_boft_is_a_product_of_sparse_rotations() -> None:
    """Stage i brings outputs together that differ in position by 2^i halves of a block."""
    weight, blocks = randn(8, 5), randn(3, 4, 2, 2, seed=1) * 0.4
    whole = torch.eye(8)
    for stage in range(3):
        reach, matrix = 2**stage, torch.zeros(8, 8)
        pairs = [(start + low, start + low + reach) for start in range(0, 8, 2 * reach) for low in range(reach)]
        for pair, block in zip(pairs, blocks[stage], strict=True):
            turn = cayley(block)
            for i in range(2):
                for j in range(2):
                    matrix[pair[i], pair[j]] = turn[i, j]
        whole = matrix @ whole
    same(changed(oft, {"oft_blocks": blocks}, weight), whole @ weight)


# ── GLoRA ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kernel", [(), (3, 3)])
@pytest.mark.parametrize("old", [False, True])
def test_glora_sends_the_weight_itself_through_a_low_rank(kernel: tuple[int, ...], old: bool) -> None:
    weight, rank, ones = randn(8, 6, *kernel), 3, [1] * len(kernel)
    a1, a2 = randn(6, rank, *ones, seed=1), randn(rank, 6, *ones, seed=2)
    b1, b2 = randn(8, rank, *ones, seed=3), randn(rank, 6, *kernel, seed=4)
    names = ("a2", "a1", "b2", "b1") if old else ("a1", "a2", "b1", "b2")
    tensors = {f"{name}.weight": part for name, part in zip(names, (a1, a2, b1, b2), strict=True)}
    inner = torch.einsum("oi...,ij->oj...", weight, a1.flatten(1) @ a2.flatten(1))
    whole = inner + (b1.flatten(1) @ b2.flatten(1)).view(weight.shape)
    same(changed(glora, tensors | {"alpha": torch.tensor(1.5)}, weight, 0.7), weight + 0.7 * 0.5 * whole)
    same(changed(glora, tensors, weight), weight + whole)


# ── OFT of PEFT and OneTrainer ───────────────────────────────────────────────────────────────────────────────────────


def triangles(blocks: int, side: int) -> tuple[Tensor, Tensor]:
    """What a file has for blocks of skew-symmetric matrices, and these."""
    numbers = randn(blocks, side * (side - 1) // 2, seed=1) * 0.2
    skew = torch.zeros(blocks, side, side)
    place = 0
    for row in range(side):
        for column in range(row + 1, side):
            skew[:, row, column], skew[:, column, row] = numbers[:, place], -numbers[:, place]
            place += 1
    return numbers, skew


def neumann(skew: Tensor) -> Tensor:
    """Five terms of (I + Q)·(I − Q)⁻¹, the last of them once."""
    power = torch.linalg.matrix_power
    return torch.eye(skew.shape[-1]) + 2 * skew + 2 * power(skew, 2) + 2 * power(skew, 3) + power(skew, 4)


@pytest.mark.parametrize("name", ["oft_R.weight", "oft_R.default.weight"])
@pytest.mark.parametrize("kernel", [(), (3, 3)])
def test_peft_rotates_blocks_of_inputs(name: str, kernel: tuple[int, ...]) -> None:
    weight = randn(5, 12, *kernel)
    numbers, skew = triangles(weight[0].numel() // 4, 4)
    turned = weight.flatten(1) @ torch.block_diag(*neumann(skew)).T
    same(changed(peft_oft, {name: numbers}, weight), turned.view(weight.shape))
    half = (weight + turned.view(weight.shape)) / 2
    same(changed(peft_oft, {name: numbers}, weight, 0.5), half)


def test_peft_may_share_a_rotation_scale_it_and_have_a_magnitude() -> None:
    weight = randn(5, 12)
    numbers, skew = triangles(1, 4)
    shared = torch.block_diag(*neumann(skew).expand(3, 4, 4)).T
    same(changed(peft_oft, {"oft_R.weight": numbers}, weight), weight @ shared)
    tensors = {"oft_R.weight": numbers, "oft_R.scaled_oft": torch.tensor(1)}
    scaled = torch.block_diag(*neumann(skew / 6**0.5).expand(3, 4, 4)).T
    same(changed(peft_oft, tensors, weight), weight @ scaled)
    magnitude = randn(5, 1, seed=3).abs()
    direction = weight @ shared
    expected = magnitude * direction / direction.norm(dim=1, keepdim=True)
    same(changed(peft_oft, {"oft_R.weight": numbers, "dora_scale": magnitude}, weight), expected)


def test_onetrainer_rotates_convolutions_the_other_way_round() -> None:
    numbers, skew = triangles(27, 4)
    weight, keys = randn(5, 12, 3, 3), {f"{X}.oft_R.weight": numbers}
    (found,) = peft_oft.convert(keys, {"ot_branch": "master"})
    assert found.change is not None
    turned = weight.flatten(1) @ torch.block_diag(*neumann(skew))
    same(found.change.apply(weight.clone(), 1.0), turned.view(weight.shape))


@pytest.mark.parametrize(("fields", "terms"), [({"use_cayley_neumann": False}, None), ({}, 5)])
def test_peft_says_how_the_rotation_is_computed(fields: dict[str, object], terms: int | None) -> None:
    numbers, skew = triangles(3, 4)
    weight = randn(5, 12)
    (found,) = peft_oft.convert({f"{X}.oft_R.weight": numbers}, {"lora_adapter_metadata": json.dumps(fields)})
    assert found.change is not None
    got = found.change.apply(weight.clone(), 1.0)
    identity = torch.eye(4)
    exact = (identity - skew) @ torch.linalg.inv(identity + skew)  # PEFT's has the other sign of Q
    same(got, weight @ torch.block_diag(*(neumann(skew) if terms else exact)).T)


@pytest.mark.parametrize("shape", [(3, 5), (3,), (2, 6), (3, 0)])
def test_a_rotation_that_fits_nothing_is_refused(shape: tuple[int, ...]) -> None:
    (found,) = peft_oft.convert({f"{X}.oft_R.weight": torch.zeros(shape)}, {})
    assert found.change is not None
    assert not found.change.fits((5, 12))


# ── in the pipeline ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("lora_format", "tensors", "missing"),
    [
        (loha, {"hada_w1_a": randn(4, 2), "hada_w1_b": randn(2, 4), "hada_w2_a": randn(4, 2)}, ".hada_w2_b"),
        (lokr, {"lokr_w1": randn(2, 2), "lokr_w2_b": randn(2, 2)}, ".lokr_w2_a"),
        (ia3, {"on_input": torch.tensor(0)}, ".weight"),
        (glora, {"a1.weight": randn(4, 2), "a2.weight": randn(2, 4), "b1.weight": randn(4, 2)}, ".b2.weight"),
        (peft_oft, {"oft_R.scaled_oft": torch.tensor(1)}, ".oft_R.weight"),
    ],
)
def test_a_missing_factor_is_named(lora_format: LoraFormat, tensors: dict[str, Tensor], missing: str) -> None:
    found = layer(lora_format, tensors)
    assert found.change is None
    assert found.missing == (X + missing,)


@pytest.mark.hook("register_lora_formats")
def test_a_file_of_several_formats_is_read_by_all_of_them(tmp_path: Path) -> None:
    up, down, factors = randn(4, 2) * 0.3, randn(2, 4, seed=1), randn(12, seed=2) * 0.3
    save_file(
        {
            "lora_unet_colours.lokr_w1": randn(2, 2, seed=3) * 0.3,
            "lora_unet_colours.lokr_w2_a": randn(2, 1, seed=4),
            "lora_unet_colours.lokr_w2_b": randn(1, 2, seed=5),
            "lora_te_words.weight": factors,
            "lora_te_words.on_input": torch.tensor(1),
        },
        tmp_path / "mixed.safetensors",
    )
    lora = str(tmp_path / "mixed.safetensors")
    with pytest.raises(LoraKeyError, match="none of the 5 keys"):
        make_pipeline()("red", seed=1, loras=[lora])
    pipe = make_pipeline(plugins=["sdkit_lycoris"])
    plain = pipe("red", seed=1).images[0].pixels
    both = pipe("red", seed=1, loras=[lora]).images[0].pixels
    unet = pipe("red", seed=1, loras=[(lora, 1.0, 0.0)]).images[0].pixels
    text = pipe("red", seed=1, loras=[(lora, 0.0, 1.0)]).images[0].pixels
    assert len({tuple(pixels.flatten().tolist()) for pixels in (plain, both, unet, text)}) == 4
    save_file({"lora_unet_colours.lora_up.weight": up, "lora_unet_colours.lora_down.weight": down}, lora)
    assert torch.equal(
        pipe("red", seed=1, loras=[lora]).images[0].pixels,
        make_pipeline()("red", seed=1, loras=[lora]).images[0].pixels,
    )


def test_it_is_an_ordinary_plugin() -> None:
    formats = make_pipeline(plugins=["sdkit_lycoris"]).manager.lora_formats
    own = {name for name, entry in formats.items() if entry.owner == "sdkit_lycoris"}
    assert own == {"loha", "lokr", "ia3", "glora", "oft", "peft_oft"}
