"""ComfyUI's conditionings as embeddings."""

from __future__ import annotations

import pytest
import torch

from sdkit.testing import ToyModel
from sdkit.types import Area, SizeConditioning
from sdkit_comfy.missing import NotAvailableError
from sdkit_comfy.nodes import conditioning as nodes
from sdkit_comfy.values.conditioning import to_embeddings, with_values

SPEC = ToyModel().spec
PLAIN = [[torch.ones(1, 77, 12), {"pooled_output": torch.ones(1, 4)}]]


def test_an_area_in_pixels_becomes_shares() -> None:
    told = nodes.set_area(conditioning=PLAIN, width=64, height=128, x=32, y=0, strength=0.5)
    (embedding,) = to_embeddings(told, SPEC, (32, 16))
    assert embedding.area == Area(top=0.0, left=0.25, height=0.5, width=0.5)
    assert embedding.strength == 0.5
    assert PLAIN[0][1].keys() == {"pooled_output"}


def test_a_mask_with_bounds_and_its_strength() -> None:
    told = nodes.set_mask(conditioning=PLAIN, mask=torch.ones(8, 8), strength=0.25, set_cond_area="mask bounds")
    (embedding,) = to_embeddings(told, SPEC, (8, 8))
    assert embedding.area == "mask"
    assert embedding.strength == 0.25
    assert embedding.mask is not None
    assert embedding.mask.shape == (1, 8, 8)


def test_a_range_is_of_the_training_timesteps() -> None:
    told = nodes.set_timestep_range(conditioning=PLAIN, start=0.0, end=1.0)
    (embedding,) = to_embeddings(told, SPEC, (8, 8))
    assert embedding.sigmas is not None
    assert embedding.sigmas[0] > 1e8
    assert embedding.sigmas[1] == 0.0


def test_the_picture_s_size_is_told_where_it_is_said() -> None:
    sizes = {"width": 640, "height": 512, "crop_w": 8, "crop_h": 4, "target_width": 600, "target_height": 500}
    (embedding,) = to_embeddings(with_values(PLAIN, sizes), SPEC, (8, 8))
    assert embedding.size == SizeConditioning(512, 640, top=4, left=8, target_height=500, target_width=600)
    assert to_embeddings(PLAIN, SPEC, (8, 8))[0].size is None


def test_an_average_fills_up_with_zeros() -> None:
    short = [[torch.full((1, 2, 3), 2.0), {}]]
    long = [[torch.ones(1, 4, 3), {}]]
    ((context, _),) = nodes.average(conditioning_to=long, conditioning_from=short, conditioning_to_strength=0.5)
    assert context[0, :, 0].tolist() == [1.5, 1.5, 0.5, 0.5]


def test_rows_are_repeated_to_the_batch() -> None:
    two = [[torch.arange(2.0)[:, None, None].expand(2, 77, 12), {}]]
    (embedding,) = to_embeddings(two, SPEC, (8, 8), count=3)
    assert embedding.context[:, 0, 0].tolist() == [0.0, 1.0, 0.0]


def test_what_is_not_there_yet_is_not_left_out_silently() -> None:
    with pytest.raises(NotAvailableError, match="GLIGEN"):
        to_embeddings(with_values(PLAIN, {"gligen": object()}), SPEC, (8, 8))
