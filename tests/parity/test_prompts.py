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
FAMILIES = ("sd15", "sdxl")
PROMPTS = {
    family: cast("dict[str, Any]", json.loads((DATA / f"prompts_{family}.json").read_text())) for family in FAMILIES
}

EVERY = 4
"""The reference kept every fourth channel."""

TOLERANCE = 2e-5
"""Absolute, of numbers up to 20: float32 in another order; wrong semantics show at 1e-2."""

CASES = [
    pytest.param(f"ref_{family}", family, name, None, id=f"{family}-{name}")
    for family in FAMILIES
    for name in PROMPTS[family]
]
SKIPS = [
    pytest.param(f"ref_{family}", family, name, skip, id=f"{family}-{name}-skip{skip}")
    for family, names, skips in (
        ("sd15", ("empty", "plain", "default"), (1, 2, 3, 12)),
        ("sdxl", ("empty", "plain"), (1, 2, 3)),
    )
    for name in names
    for skip in skips
]


def far(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    assert ours.shape == theirs.shape
    return float((ours - theirs).abs().max())


@pytest.mark.parametrize(("pipe", "family", "name", "skip"), [*CASES, *SKIPS], indirect=["pipe"])
def test_conditioning(pipe: Pipeline, figures: Path, family: str, name: str, skip: int | None) -> None:
    recorded = load_file(figures / f"prompts_{family}.safetensors")
    text = PROMPTS[family][name]["text"]
    (embedding,) = pipe.encode(text, prompt_syntax="comfy", clip_skip=skip).positive
    key = name if skip is None else f"{name}.skip-{skip}"
    found = far(embedding.context[..., ::EVERY], recorded[f"{key}.cond"])
    print(f"conditioning {found:.2e}")
    assert found < TOLERANCE
    assert embedding.pooled is not None
    assert far(embedding.pooled, recorded[f"{key}.pooled"]) < TOLERANCE


@pytest.mark.parametrize("pipe", ["ref_sd15"], indirect=True)
def test_an_inversion_that_is_not_there_is_told(pipe: Pipeline) -> None:
    generation = pipe("a embedding:doesnotexist cat", prompt_syntax="comfy", steps=1, width=64, height=64, seed=0)
    assert any("'doesnotexist'" in warning and "left out" in warning for warning in generation.warnings)
