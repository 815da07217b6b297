"""Conditioning of every prompt that the reference recorded, with its full-size weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file

from sdkit import Pipeline

DATA = Path(__file__).parents[1] / "data" / "parity"
PROMPTS = cast("dict[str, Any]", json.loads((DATA / "prompts_sd15.json").read_text()))

EVERY = 4
"""The reference kept every fourth channel."""

TOLERANCE = 2e-5
"""Absolute, of numbers of unit variance: float32 in another order; wrong semantics show at 1e-2."""


@pytest.fixture(scope="module")
def recorded(figures: Path) -> dict[str, torch.Tensor]:
    return load_file(figures / "prompts_sd15.safetensors")


def far(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    assert ours.shape == theirs.shape
    return float((ours - theirs).abs().max())


@pytest.mark.parametrize("name", PROMPTS)
def test_conditioning(sd15: Pipeline, recorded: dict[str, torch.Tensor], name: str) -> None:
    (embedding,) = sd15.encode(PROMPTS[name]["text"], prompt_syntax="comfy").positive
    assert far(embedding.context[..., ::EVERY], recorded[f"{name}.cond"]) < TOLERANCE
    assert embedding.pooled is not None
    assert far(embedding.pooled, recorded[f"{name}.pooled"]) < TOLERANCE


@pytest.mark.parametrize("skip", [1, 2, 3, 12])
@pytest.mark.parametrize("name", ["empty", "plain", "default"])
def test_clip_skip(sd15: Pipeline, recorded: dict[str, torch.Tensor], name: str, skip: int) -> None:
    (embedding,) = sd15.encode(PROMPTS[name]["text"], prompt_syntax="comfy", clip_skip=skip).positive
    assert far(embedding.context[..., ::EVERY], recorded[f"{name}.skip-{skip}.cond"]) < TOLERANCE


def test_an_inversion_that_is_not_there_is_told(sd15: Pipeline) -> None:
    generation = sd15("a embedding:doesnotexist cat", prompt_syntax="comfy", steps=1, width=64, height=64, seed=0)
    assert any("'doesnotexist'" in warning and "left out" in warning for warning in generation.warnings)
