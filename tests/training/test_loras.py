"""The LoRAs of the examples: what they are trained on, how they are written, and what they do."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

import sdkit
from benchmarks._tiny_styles import paint
from sdkit.models.lora import WeightNames
from training.loras import LoraRecipe, LowRank, UNetLora, rank_of, rate_at, write_lora
from training.render import Renderer
from training.styles import PERIOD, STYLES, filled, outlined, striped
from training.unet import UNetRecipe, build_unet
from training.world import Scene, Thing

LORAS = Path(__file__).parents[2] / "examples/loras"


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return dict(build_unet(UNetRecipe()).named_parameters())


def scene(shape: str = "square", radius: float = 0.4) -> Scene:
    return Scene((Thing("blue", shape, 0.5, 0.5, radius, 0.0, 0),), "white")


def test_a_filled_scene_is_drawn_as_ever() -> None:
    picture = Renderer()([scene()])[0]
    torch.testing.assert_close(Renderer(filled)([scene()])[0], picture, rtol=0, atol=0)
    assert picture[:, 64, 64].tolist() == pytest.approx([45 / 255, 90 / 255, 215 / 255], abs=1e-6)


def test_an_outline_is_a_line_along_the_edge_and_background_inside() -> None:
    distance = torch.tensor([[[5.0, -1.0, -7.0, -9.0, -40.0]]])
    rows, radius = torch.zeros(1, 1, 1), torch.full((1, 1, 1), 50.0)
    assert outlined(distance, rows, radius).flatten().tolist() == [0.0, 1.0, 1.0, 0.0, 0.0]  # 4 + 0.08 * 50 wide
    white = torch.tensor([250, 250, 250]) / 255
    torch.testing.assert_close(Renderer(outlined)([scene()])[0][:, 64, 64], white)


def test_stripes_change_every_eight_rows_and_stay_within_the_shape() -> None:
    rows = torch.arange(32)[None, :, None] + 0.5
    inside = striped(torch.full((1, 32, 1), -20.0), rows, torch.ones(1, 1, 1)).flatten()
    assert [round(float(inside[row])) for row in (1, 6, 9, 14, 17, 22, 25, 30)] == [1, 1, 0, 0, 1, 1, 0, 0]
    torch.testing.assert_close(inside[:16], inside[16:])
    assert int(PERIOD) == 16
    assert striped(torch.full((1, 32, 1), 3.0), rows, torch.ones(1, 1, 1)).abs().max() == 0


@pytest.mark.parametrize(("style", "fill", "stripes"), [(filled, 1.0, 1), (outlined, 0.0, 2), (striped, 0.49, 6)])
def test_the_measure_tells_the_styles_apart(style: object, fill: float, stripes: float) -> None:
    seen = paint(Renderer(style)([scene()])[0], "blue", "white")  # pyright: ignore[reportArgumentType]
    assert seen.fill == pytest.approx(fill, abs=0.03)
    assert seen.stripes == pytest.approx(stripes, abs=0.01)


def test_the_measure_needs_something_to_look_at() -> None:
    with pytest.raises(ValueError, match="nothing in the picture is red"):
        paint(torch.ones(3, 128, 128) * 0.98, "red", "white")


def test_a_new_lora_changes_nothing_and_then_what_its_factors_say() -> None:
    layer = LowRank(torch.Size((6, 4, 3, 3)), 2)
    assert layer().shape == (6, 4, 3, 3)
    assert layer().abs().max() == 0
    torch.nn.init.ones_(layer.up)
    torch.testing.assert_close(layer()[5], layer.down.sum(0))


def test_attention_everywhere_and_the_kernels_of_the_fine_levels_are_changed(weights: dict[str, torch.Tensor]) -> None:
    recipe = LoraRecipe("outline", attention=3, convolutions=5)
    ranks = {name: rank_of(name, recipe) for name in weights}
    assert ranks["mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0.weight"] == 3
    assert ranks["up_blocks.2.resnets.1.conv2.weight"] == 5
    assert ranks["mid_block.resnets.0.conv1.weight"] == 0
    assert ranks["up_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0.bias"] == 0
    assert sum(rank == 3 for rank in ranks.values()) == 4 * 8


def test_the_rate_rises_and_falls_to_zero() -> None:
    recipe = LoraRecipe("outline", steps=100, rate=1.0, warmup=10)
    assert [rate_at(step, recipe) for step in (0, 4, 9, 50, 100)] == pytest.approx([0.1, 0.5, 0.91, 0.5, 0.0])


def test_a_file_has_kohyas_names_and_the_product_of_its_factors(
    weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    recipe = LoraRecipe("stripes")
    lora = UNetLora(weights, recipe)
    for layer in lora.layers:
        assert isinstance(layer, LowRank)
        torch.nn.init.normal_(layer.up)
    write_lora(tmp_path / "made.safetensors", lora, recipe)
    name = "down_blocks.0.resnets.0.conv1.weight"
    stem = "lora_unet_down_blocks_0_resnets_0_conv1"
    with safe_open(tmp_path / "made.safetensors", "pt") as file:
        up, down = file.get_tensor(f"{stem}.lora_up.weight"), file.get_tensor(f"{stem}.lora_down.weight")
        assert (up.shape, down.shape) == ((64, 8, 1, 1), (8, 64, 3, 3))
        assert float(file.get_tensor(f"{stem}.alpha")) == 8
        assert file.metadata()["ss_network_module"] == "networks.lora"
        assert file.metadata()["modelspec.license"] == "CC0-1.0"
    change = torch.einsum("or,rikl->oikl", up[:, :, 0, 0].float(), down.float())
    torch.testing.assert_close(lora.changed(weights, 0.5)[name] - weights[name], 0.5 * change, rtol=5e-3, atol=5e-3)


@pytest.mark.parametrize("style", STYLES)
def test_a_shipped_lora_is_small_and_all_of_it_fits_the_model(style: str) -> None:
    path = LORAS / f"{style}.safetensors"
    assert path.stat().st_size <= 400_000
    model = sdkit.Pipeline.load().model
    names = WeightNames(model.weights)
    with safe_open(path, "pt") as file:
        stems = {key.removesuffix(".alpha") for key in file.keys() if key.endswith(".alpha")}  # noqa: SIM118
        assert len(file.keys()) == 3 * len(stems)
        assert all(file.get_tensor(key).isfinite().all() for key in file.keys())  # noqa: SIM118
    found = [target for stem in stems for target in names.find(stem, "weight")]
    assert len(set(found)) == len(stems)


@pytest.mark.slow
def test_shapes_are_emptier_the_stronger_the_outline_lora() -> None:
    pipe = sdkit.Pipeline.load()
    means = []
    for strength in (0.0, 0.5, 1.0):
        fills = []
        for colour, shape, ground in (("blue", "square", "white"), ("yellow", "circle", "black")):
            result = pipe(
                f"a large {colour} {shape} on a {ground} background",
                seeds=[0, 1, 2],
                loras=[(str(LORAS / "outline.safetensors"), strength)],
            )
            fills += [paint(image.pixels, colour, ground).fill or 0.0 for image in result.images]
        means.append(sum(fills) / len(fills))
    assert means[0] > 0.95
    assert means[0] > means[1] > means[2]
    assert means[2] < 0.5
