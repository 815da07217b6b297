"""Blend modes, alpha and the operators of Porter and Duff."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from sdkit.editing import BlendMode, PorterDuffMode, blend_images, join_alpha, porter_duff, split_alpha
from sdkit.errors import RequestError


def grey(*values: float) -> torch.Tensor:
    return torch.tensor(values).reshape(1, 1, -1, 1).repeat(1, 1, 1, 3)


def blended(below: float, above: float, mode: BlendMode, factor: float = 1.0) -> float:
    return blend_images(grey(below), grey(above), factor, mode)[0, 0, 0, 0].item()


@pytest.mark.parametrize(
    ("below", "above", "mode", "expected"),
    [
        (0.3, 0.8, "normal", 0.8),
        (0.3, 0.8, "multiply", 0.24),
        (0.3, 0.8, "screen", 1 - 0.7 * 0.2),
        (0.3, 0.8, "overlay", 0.48),
        (0.6, 0.8, "overlay", 1 - 2 * 0.4 * 0.2),
        (0.3, 0.4, "soft_light", 0.3 - 0.2 * 0.3 * 0.7),
        (0.36, 0.8, "soft_light", 0.36 + 0.6 * (0.6 - 0.36)),
        (0.2, 0.8, "soft_light", 0.2 + 0.6 * (((16 * 0.2 - 12) * 0.2 + 4) * 0.2 - 0.2)),
        (0.8, 0.3, "difference", 0.5),
        (0.3, 0.8, "difference", 0.0),
    ],
)
def test_blend_modes(below: float, above: float, mode: BlendMode, expected: float) -> None:
    assert blended(below, above, mode) == pytest.approx(expected, abs=1e-6)


def test_the_factor_mixes_and_the_result_is_clipped() -> None:
    assert blended(0.2, 0.6, "normal", 0.25) == pytest.approx(0.3)
    # Unclipped: 0.5·0.1 + 0.5·(0.1 − 0.9) is below 0.
    assert blended(0.1, 0.9, "difference", 0.5) == 0
    assert blended(0.5, 0.9, "difference", 0.5) == pytest.approx(0.05)  # −0.4 counts before it is clipped


def test_another_size_is_cut_and_resized_and_alpha_stays() -> None:
    below = torch.full((1, 2, 2, 4), 0.5)
    result = blend_images(below, torch.ones(1, 4, 10, 3), 1.0)
    assert result[0, 1, 1].tolist() == [1, 1, 1, 0.5]
    with pytest.raises(RequestError, match="pictures to blend: batches of 2 and 3"):
        blend_images(torch.rand(2, 2, 2, 3), torch.rand(3, 2, 2, 3))
    with pytest.raises(RequestError, match="no blend mode named 'dodge'"):
        blend_images(below, below, mode="dodge")  # pyright: ignore[reportArgumentType] -- the point


def test_alpha_is_one_minus_the_mask() -> None:
    joined = join_alpha(torch.rand(1, 4, 4, 3), torch.tensor([0.25, 1.0]).reshape(2, 1, 1))
    assert joined.shape == (2, 4, 4, 4)
    assert joined[:, 2, 2, 3].tolist() == [0.75, 0]
    colours, masks = split_alpha(joined)
    assert torch.equal(colours, joined[..., :3])
    assert masks[:, 0, 0].tolist() == [0.25, 1]
    assert split_alpha(colours)[1].unique().tolist() == [0]
    assert join_alpha(joined, torch.zeros(1, 4, 4))[..., 3].unique().tolist() == [1]


S, SA, D, DA = 0.8, 0.5, 0.4, 0.75
"""A colour and its alpha, above and below."""
OVER = SA + (1 - SA) * DA
EXPECTED: dict[str, tuple[float, float]] = {  # alpha and premultiplied colour, from the definitions
    "ADD": (1.0, S * SA + D * DA),
    "CLEAR": (0.0, 0.0),
    "DARKEN": (OVER, (1 - DA) * S * SA + (1 - SA) * D * DA + min(S * SA, D * DA)),
    "DST": (DA, D * DA),
    "DST_ATOP": (SA, SA * D * DA + (1 - DA) * S * SA),
    "DST_IN": (SA * DA, D * DA * SA),
    "DST_OUT": ((1 - SA) * DA, (1 - SA) * D * DA),
    "DST_OVER": (OVER, D * DA + (1 - DA) * S * SA),
    "LIGHTEN": (OVER, (1 - DA) * S * SA + (1 - SA) * D * DA + max(S * SA, D * DA)),
    "MULTIPLY": (SA * DA, S * SA * D * DA),
    "OVERLAY": (OVER, 2 * S * SA * D * DA),  # 2·0.3 is below DA
    "SCREEN": (OVER, S * SA + D * DA - S * SA * D * DA),
    "SRC": (SA, S * SA),
    "SRC_ATOP": (DA, DA * S * SA + (1 - SA) * D * DA),
    "SRC_IN": (SA * DA, S * SA * DA),
    "SRC_OUT": ((1 - DA) * SA, (1 - DA) * S * SA),
    "SRC_OVER": (OVER, S * SA + (1 - SA) * D * DA),
    "XOR": ((1 - DA) * SA + (1 - SA) * DA, (1 - DA) * S * SA + (1 - SA) * D * DA),
}


@pytest.mark.parametrize("mode", get_args(PorterDuffMode))
def test_porter_duff(mode: PorterDuffMode) -> None:
    flat = torch.ones(1, 2, 2)
    colours, masks = porter_duff(grey(S), flat[:, :1, :1] * (1 - SA), grey(D), flat[:, :1, :1] * (1 - DA), mode)
    alpha, premultiplied = EXPECTED[mode]
    assert 1 - masks.item() == pytest.approx(alpha, abs=1e-6)
    plain = min(max(premultiplied / alpha, 0), 1) if alpha else 0
    assert colours[0, 0, 0].tolist() == pytest.approx([plain] * 3, abs=1e-6)


def test_porter_duff_overlays_bright_destinations_the_other_way() -> None:
    opaque = torch.zeros(1, 1, 1)
    colours, _ = porter_duff(grey(S), opaque + (1 - SA), grey(0.7), opaque, "OVERLAY")
    assert colours[0, 0, 0, 0].item() == pytest.approx(SA - 2 * (1 - S * SA) * (SA - 0.7), abs=1e-6)


def test_porter_duff_fits_sizes_and_batches() -> None:
    colours, masks = porter_duff(
        torch.ones(3, 8, 4, 3), torch.zeros(2, 5, 5), torch.zeros(4, 2, 2, 3), torch.zeros(4, 3, 3), "SRC_OVER"
    )
    assert colours.shape == (2, 2, 2, 3)
    assert colours.unique().tolist() == [1]
    assert masks.shape == (2, 2, 2)
    assert masks.unique().tolist() == [0]
    with pytest.raises(RequestError, match="not 4 and 3: split_alpha takes alpha off"):
        porter_duff(torch.rand(1, 2, 2, 4), torch.zeros(1, 2, 2), torch.rand(1, 2, 2, 3), torch.zeros(1, 2, 2))
