"""The toy model does what a real one does: guidance, prompts, seeds, parameterisations."""

from __future__ import annotations

import pytest
import torch

from sdkit.errors import ModelError
from sdkit.testing import ToyModel, make_pipeline
from sdkit.types import Prompt, Segment
from tests.pipeline._pictures import paint


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().mean())


@pytest.mark.parametrize("prediction", ["eps", "v", "flow"])
def test_the_prompt_decides_the_picture_and_the_seed_the_rest(prediction) -> None:
    pipe = make_pipeline(model=ToyModel(prediction=prediction))
    red, blue, other_red = paint(pipe, "red"), paint(pipe, "blue"), paint(pipe, "red", seed=8)
    assert 0 < distance(red, other_red) < 0.5 * distance(red, blue)


@pytest.mark.parametrize("prediction", ["eps", "v"])
def test_eps_and_v_are_two_ways_of_saying_the_same(prediction) -> None:
    eps, other = (
        make_pipeline(model=ToyModel(prediction=kind))("red", seed=7).latents.tensor for kind in ("eps", prediction)
    )
    torch.testing.assert_close(eps, other, atol=2e-4, rtol=1e-4)


def test_guidance_moves_away_from_the_negative_prompt() -> None:
    pipe = make_pipeline()
    target = paint(pipe, "red", guidance_scale=1.0)
    away = [distance(paint(pipe, "red", negative_prompt="blue", guidance_scale=scale), target) for scale in (1, 2, 4)]
    assert away[0] == 0
    assert away[0] < away[1] < away[2]


def test_sizes_and_defaults_are_those_it_was_made_with() -> None:
    result = make_pipeline(model=ToyModel(width=48, height=16))("red")
    assert (result.images[0].width, result.images[0].height) == (48, 16)


def test_weights_and_repetition_are_seen_as_attention_sees_them() -> None:
    model = ToyModel()
    heavy = model.encode_text(Prompt("red", (Segment("red", 2.0),)), 1).context
    plain = model.encode_text(Prompt("red", (Segment("red"),)), 1).context
    torch.testing.assert_close(heavy, plain * 2)
    assert len(model.tokenize(Prompt("", (Segment(" ".join(["word"] * 78)),)))) == 2


def test_it_lives_on_the_cpu_only() -> None:
    with pytest.raises(ModelError, match="the toy model lives on the CPU, not on 'cuda'"):
        make_pipeline().to("cuda")
    pipe = make_pipeline()
    assert pipe.to("cpu") is pipe
