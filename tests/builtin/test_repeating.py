"""A picture whose prompt a plugin changed is repeated as it is: the plugin's change is not applied twice."""

from __future__ import annotations

from pathlib import Path

import torch

import sdkit
from sdkit.testing import make_pipeline


class Style:
    """Appends a style to every prompt."""

    @sdkit.hookimpl
    def transform_prompt(self, plan):
        return lambda text, seed: f"{text}, in blue" if text else text


def test_a_styled_picture_repeats_bit_for_bit(tmp_path: Path) -> None:
    pipe = make_pipeline(plugins=[Style()])
    first = pipe("a circle", seed=3).images[0]
    request = sdkit.Request.from_image(first.save(tmp_path / "first.png"))
    assert (request.prompt, request.transform_prompts) == ("a circle, in blue", False)
    assert torch.equal(pipe(request).images[0].pixels, first.pixels)
    assert torch.equal(make_pipeline()(request).images[0].pixels, first.pixels)


def test_a_picture_whose_prompt_nobody_changed_leaves_the_next_prompt_to_plugins(tmp_path: Path) -> None:
    path = make_pipeline()("a circle", seed=3).images[0].save(tmp_path / "first.png")
    request = sdkit.Request.from_image(path)
    assert make_pipeline(plugins=[Style()])(request).images[0].prompt == "a circle, in blue"
