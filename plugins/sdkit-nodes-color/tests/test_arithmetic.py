"""What the nodes compute, against numbers that can be checked by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import sdkit
from sdkit.errors import ImageError
from sdkit_nodes_color import colours
from sdkit_nodes_color.curves import Curve
from sdkit_nodes_color.nodes import adjust_color, match_color, split_tone, tone_curve, white_balance
from sdkit_nodes_color.tables import read_cube


def picture(*colours: tuple[float, float, float]) -> sdkit.Image:
    """One pixel after the other, in a row."""
    return sdkit.Image(torch.tensor(colours).T[:, None].contiguous(), prompt="a row")


def noise(seed: int) -> sdkit.Image:
    return sdkit.Image(torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(seed)))


def test_linear_light_and_back():
    values = torch.linspace(0, 1, 101).expand(3, 1, 101)
    assert torch.allclose(colours.to_srgb(colours.to_linear(values)), values, atol=1e-6)
    assert colours.to_linear(torch.tensor([0.5])).item() == pytest.approx(0.21404114, abs=1e-6)


def test_a_stop_doubles_the_light():
    grey = picture((0.5, 0.5, 0.5))
    brighter = adjust_color(grey, exposure=1.0)
    light = colours.to_linear(brighter.pixels)
    assert torch.allclose(light, colours.to_linear(grey.pixels) * 2, atol=1e-5)
    assert brighter.prompt == "a row", "the rest of the picture stays"


def test_contrast_turns_about_grey_and_saturation_about_luma():
    row = picture((0.5, 0.5, 0.5), (0.6, 0.4, 0.4))
    assert torch.allclose(adjust_color(row, contrast=2.0).pixels[:, 0, 1], torch.tensor([0.7, 0.3, 0.3]))
    faded = adjust_color(row, saturation=0.0).pixels[:, 0, 1]
    assert torch.allclose(faded, torch.full((3,), 0.4 + 0.2 * 0.2126))
    assert torch.equal(adjust_color(noise(0)).pixels, noise(0).pixels) or torch.allclose(
        adjust_color(noise(0)).pixels, noise(0).pixels, atol=1e-6
    )


def test_white_balance_keeps_greys_as_bright():
    grey = picture((0.4, 0.4, 0.4))
    warm = colours.to_linear(white_balance(grey, temperature=1.0).pixels)
    assert warm[0] / warm[2] == pytest.approx(2.0, rel=1e-4)
    assert colours.luma(warm).item() == pytest.approx(colours.to_linear(torch.tensor(0.4)).item(), rel=1e-4)
    green = white_balance(grey, tint=-1.0).pixels
    assert green[1] > green[0]
    assert green[1] > green[2]


def test_split_toning_tints_both_ends_and_leaves_black_and_white():
    row = picture((0, 0, 0), (0.2, 0.2, 0.2), (0.8, 0.8, 0.8), (1, 1, 1))
    toned = split_tone(row, shadows="#0000ff", highlights="#ff0000", strength=1.0).pixels
    assert torch.equal(toned[..., [0, 3]], row.pixels[..., [0, 3]])
    assert toned[2, 0, 1] > toned[0, 0, 1], "the dark one is blue"
    assert toned[0, 0, 2] > toned[2, 0, 2], "the bright one is red"


class TestCurves:
    def test_it_goes_through_its_points_and_is_flat_outside(self):
        curve = Curve.parse("0.2:0.1, 0.5:0.7 0.9:0.8")
        values = curve(torch.tensor([0.0, 0.2, 0.5, 0.9, 1.0]))
        assert torch.allclose(values, torch.tensor([0.1, 0.1, 0.7, 0.8, 0.8]), atol=1e-6)

    def test_a_straight_line_changes_nothing_and_a_rising_one_never_falls(self):
        ramp = torch.linspace(0, 1, 1001)
        assert torch.allclose(Curve.parse("0:0 0.3:0.3 1:1")(ramp), ramp, atol=1e-6)
        steep = Curve.parse("0:0 0.49:0.02 0.51:0.98 1:1")(ramp)
        assert bool((steep.diff() >= -1e-6).all())
        assert 0 <= float(steep.min()) <= float(steep.max()) <= 1

    def test_one_channel_alone(self):
        curved = tone_curve(picture((0.5, 0.5, 0.5)), points="0:0 0.5:0.8 1:1", channel="r")
        assert torch.allclose(curved.pixels[:, 0, 0], torch.tensor([0.8, 0.5, 0.5]))

    @pytest.mark.parametrize(
        ("text", "message"),
        [("0:0", "two points at least"), ("0:0 1", "from:to"), ("0:0 2:1", "0…1"), ("0.5:0 0.5:1", "must rise")],
    )
    def test_what_is_no_curve_is_said(self, text: str, message: str):
        with pytest.raises(ValueError, match=message):
            Curve.parse(text)


class TestTables:
    def write(self, path: Path, rows: list[str], size: int = 2) -> Path:
        path.write_text("\n".join(['TITLE "a look"', "# a remark", f"LUT_3D_SIZE {size}", *rows]))
        return path

    def test_corners_are_looked_up_red_first(self, tmp_path: Path):
        corners = [(r, g, b) for b in (0, 1) for g in (0, 1) for r in (0, 1)]
        swapped = [f"{b} {r} {g}" for r, g, b in corners]  # each colour goes one place on
        table = read_cube(self.write(tmp_path / "swap.cube", swapped))
        pixels = noise(1).pixels
        assert torch.allclose(table(pixels), pixels[[2, 0, 1]], atol=1e-5)

    def test_the_domain_is_heeded(self, tmp_path: Path):
        rows = ["DOMAIN_MIN 0 0 0", "DOMAIN_MAX 2 2 2", *(["0 0 0", "1 0 0", "0 1 0", "1 1 0"] * 2)]
        table = read_cube(self.write(tmp_path / "half.cube", rows))
        assert torch.allclose(table(torch.full((3, 1, 1), 0.5)).flatten(), torch.tensor([0.25, 0.25, 0.0]))

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            (["0 0 0"], "a table of size 2 has 8 colours, this file has 1"),
            (["0 0"], "line 4: there must be three numbers, not '0 0'"),
            (["0 0 nan"], "line 4: there must be three numbers"),
            (["LUT_1D_SIZE 4"], "line 4: LUT_1D_SIZE is not known"),
            (["LUT_3D_SIZE 9999"], "line 4: the size of a table is 2 to 256"),
        ],
    )
    def test_damaged_files_are_said(self, tmp_path: Path, rows: list[str], message: str):
        with pytest.raises(ImageError, match=message):
            read_cube(self.write(tmp_path / "bad.cube", rows))


def test_matched_colours_have_the_references_means_and_spreads():
    reference = sdkit.Image(noise(2).pixels * 0.3 + torch.tensor([0.5, 0.2, 0.1])[:, None, None])
    matched = match_color(noise(3), reference).pixels
    assert torch.allclose(matched.mean((1, 2)), reference.pixels.mean((1, 2)), atol=0.02)
    assert torch.allclose(match_color(reference, reference).pixels, reference.pixels, atol=1e-3)
    assert torch.equal(match_color(noise(3), reference, strength=0.0).pixels, noise(3).pixels)
