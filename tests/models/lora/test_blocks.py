"""Strengths by block, as people write them for SD1's 12 + 1 + 12 and SDXL's 9 + 1 + 9 blocks."""

from __future__ import annotations

import pytest

from sdkit.errors import RequestError, UnknownNameError
from sdkit.models.lora.blocks import block_factors, block_of


def weights(blocks: int, attending_in: tuple[int, ...], attending_out: tuple[int, ...]) -> list[str]:
    names = [f"unet.{side}_blocks.{number}.0.x.weight" for side in ("input", "output") for number in range(blocks)]
    names += [f"unet.input_blocks.{number}.1.transformer_blocks.0.x.weight" for number in attending_in]
    names += [f"unet.output_blocks.{number}.1.transformer_blocks.0.x.weight" for number in attending_out]
    names += ["unet.middle_block.1.transformer_blocks.0.x.weight", "unet.time_embed.0.weight", "unet.out.2.weight"]
    return [*names, "text_encoder.text_model.x.weight"]


SD1 = weights(12, (1, 2, 4, 5, 7, 8), tuple(range(3, 12)))
SDXL = weights(9, (4, 5, 7, 8), tuple(range(6)))


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("unet.input_blocks.4.1.proj_in.weight", "IN04"),
        ("unet.output_blocks.11.1.proj_in.weight", "OUT11"),
        ("unet.middle_block.1.proj_in.weight", "MID"),
        ("unet.time_embed.0.weight", "BASE"),
        ("text_encoder.text_model.encoder.layers.0.mlp.fc1.weight", "BASE"),
    ],
)
def test_blocks_of_weights(name: str, block: str) -> None:
    assert block_of(name) == block


def test_seventeen_values_are_sd1s_blocks_with_attention() -> None:
    factors = block_factors(tuple(range(17)), SD1)
    names = ["BASE", *(f"IN{n:02d}" for n in (1, 2, 4, 5, 7, 8)), "MID", *(f"OUT{n:02d}" for n in range(3, 12))]
    assert {name: factors[name] for name in names} == {name: i for i, name in enumerate(names)}
    assert factors["IN00"] == factors["OUT00"] == 1.0


def test_twelve_values_are_sdxls_blocks_with_attention() -> None:
    factors = block_factors(tuple(range(12)), SDXL)
    names = ["BASE", "IN04", "IN05", "IN07", "IN08", "MID", "OUT00", "OUT01", "OUT02", "OUT03", "OUT04", "OUT05"]
    assert {name: factors[name] for name in names} == {name: i for i, name in enumerate(names)}


@pytest.mark.parametrize(("names", "count"), [(SD1, 26), (SDXL, 20)])
def test_as_many_values_as_blocks_are_all_of_them(names: list[str], count: int) -> None:
    factors = block_factors(tuple(range(count)), names)
    assert list(factors.values()) == list(range(count))
    assert list(factors)[:2] == ["BASE", "IN00"]
    assert list(factors)[-1] == f"OUT{(count - 2) // 2 - 1:02d}"


def test_other_numbers_of_values_are_refused() -> None:
    with pytest.raises(RequestError, match=r"17 values, but this model has 12 \(BASE and .* IN04.* or 20 \(BASE"):
        block_factors((1.0,) * 17, SDXL)


def test_blocks_by_name() -> None:
    factors = block_factors({"in4": 0.5, "M00": 0.0, "OUT03": 2.0, "base": 0.25}, SD1)
    assert (factors["IN04"], factors["MID"], factors["OUT03"], factors["BASE"]) == (0.5, 0.0, 2.0, 0.25)
    assert factors["IN05"] == 1.0
    with pytest.raises(UnknownNameError, match=r"no block of this model named 'OUT3O'. Did you mean 'OUT03'"):
        block_factors({"OUT3O": 1.0}, SD1)
