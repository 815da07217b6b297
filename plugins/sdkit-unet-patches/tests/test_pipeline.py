"""As an installed plugin: off unless asked for by an option, the same as the objects, recorded; what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import JsonValue

import sdkit_unet_patches
from sdkit import Pipeline, Request
from sdkit.errors import RequestError
from sdkit_unet_patches import (
    DeepShrink,
    FreeU,
    HyperTile,
    PerturbedAttentionGuidance,
    SelfAttentionGuidance,
    TokenMerging,
)

Options = dict[str, dict[str, JsonValue]]

ASKED: dict[str, Any] = {"width": 64, "height": 64, "steps": 2, "sampler": "euler", "guidance_scale": 3.0, "seed": 3}
WAYS: dict[str, tuple[object, Options]] = {
    "freeu": (FreeU(b1=1.5), {"freeu": {"b1": 1.5}}),
    "freeu 1": (FreeU(version=1), {"freeu": {"version": 1}}),
    "hypertile": (HyperTile(tile_size=32), {"hypertile": {"tile_size": 32}}),
    "tome": (TokenMerging(ratio=0.5), {"tome": {"ratio": 0.5}}),
    "deep_shrink": (DeepShrink(block_number=2), {"deep_shrink": {"block_number": 2}}),
    "sag": (SelfAttentionGuidance(scale=0.7), {"sag": {"scale": 0.7}}),
    "pag": (PerturbedAttentionGuidance(scale=2), {"pag": {"scale": 2}}),
}


@pytest.fixture(scope="module")
def installed(pipe: Pipeline) -> Pipeline:
    return pipe.using(sdkit_unet_patches)


def latents(pipe: Pipeline, **fields: Any) -> torch.Tensor:
    return pipe("a cat", **{**ASKED, **fields}).latents.tensor


def test_is_off_unless_an_option_is_given(pipe: Pipeline, installed: Pipeline) -> None:
    assert torch.equal(latents(installed), latents(pipe))


@pytest.mark.parametrize("way", WAYS)
def test_options_are_the_same_as_objects(pipe: Pipeline, installed: Pipeline, way: str) -> None:
    technique, options = WAYS[way]
    by_option = latents(installed, options=options)
    assert torch.equal(by_option, latents(pipe.using(technique)))
    assert float((by_option - latents(pipe)).abs().max()) > 1e-3


def test_all_at_once_and_in_records(pipe: Pipeline, installed: Pipeline, tmp_path: Path) -> None:
    options: Options = {}
    for _, each in WAYS.values():
        options |= each
    image = installed("a cat", options=options, **ASKED).images[0]
    request = Request.from_image(image.save(tmp_path / "it.png"))
    assert request.options == options
    assert torch.equal(installed.run(request).images[0].pixels, image.pixels)
    objects = [DeepShrink(block_number=2), FreeU(version=1), HyperTile(tile_size=32), TokenMerging(ratio=0.5)]
    objects += [SelfAttentionGuidance(scale=0.7), PerturbedAttentionGuidance(scale=2)]
    assert torch.equal(pipe.using(*objects)("a cat", **ASKED).images[0].pixels, image.pixels)


@pytest.mark.parametrize(
    ("namespace", "values", "message"),
    [
        ("freeu", {"b3": 1.5}, "(freeu) has no option 'b3'. It has: b1, b2, s1, s2, version."),
        ("freeu", {"b1": 11}, "option 'b1': Input should be less than or equal to 10, not 11"),
        ("freeu", {"version": 3}, "option 'version': Input should be 1 or 2, not 3"),
        ("hypertile", {"tile_size": 0}, "option 'tile_size': Input should be greater than or equal to 1, not 0"),
        ("tome", {"ratio": 1.5}, "option 'ratio': Input should be less than or equal to 1, not 1.5"),
        ("deep_shrink", {"downscale_method": "lanczos"}, "Input should be 'bicubic', 'nearest-exact'"),
        ("sag", {"blur_sigma": float("nan")}, "option 'blur_sigma': Input should be a finite number"),
        ("pag", {"scale": -1}, "option 'scale': Input should be greater than or equal to 0, not -1"),
    ],
)
def test_options_that_cannot_be(
    installed: Pipeline, namespace: str, values: dict[str, JsonValue], message: str
) -> None:
    with pytest.raises(RequestError) as caught:
        latents(installed, options={namespace: values})
    assert message in str(caught.value)
