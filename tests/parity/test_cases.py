"""Whole workflows that the reference ran with its full-size weights: conditioning, first evaluation, final latents."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file

from sdkit import Pipeline
from sdkit.types import DiffusionModel
from tests.parity._workflow import Sampling, Watched, Workflow

KINDS = ("samplers", "txt2img", "img2img", "cond", "ti", "vae", "advanced", "batch", "lora")
SCALE = 0.18215
"""The reference's latents are recorded unscaled."""

_figures = Path(os.environ.get("SDKIT_PARITY_FIGURES") or "no folder")
CASES = sorted(path.stem for path in (_figures / "cases").glob("*.json") if path.name.split(".")[0] in KINDS)


def relative(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """L2 of the difference over that of the reference."""
    assert ours.shape == theirs.shape
    return float((ours - theirs).norm() / theirs.norm())


@pytest.fixture(scope="module")
def watched(sd15: Pipeline, weights: Path) -> Iterator[Pipeline]:
    with pytest.MonkeyPatch.context() as patch:  # as long as it is used: LoRAs are looked for when they are asked for
        patch.setenv("SDKIT_MODELS", str(weights))
        yield Pipeline(cast("DiffusionModel", Watched(sd15.model)))


@pytest.mark.parametrize("name", CASES or [pytest.param("", marks=pytest.mark.skip(reason="no figures"))])
def test_case(watched: Pipeline, figures: Path, name: str) -> None:
    nodes = cast("dict[str, Any]", json.loads((figures / "cases" / f"{name}.json").read_text()))["prompt"]
    recorded = load_file(figures / "cases" / f"{name}.safetensors")
    workflow = Workflow(nodes, watched, cast("Watched", watched.model), figures / "inputs")
    workflow.run()
    for number, sampling in enumerate(workflow.samplings):
        compare_sampling(sampling, {k.removeprefix(f"s{number}."): v for k, v in recorded.items()})
    for key, theirs in recorded.items():
        if key.startswith("out."):
            _, node, what = key.split(".")
            compare_output(workflow.outputs(node)[0], theirs, what)


def compare_sampling(sampling: Sampling, recorded: dict[str, torch.Tensor]) -> None:
    for branch, embeddings in (("positive", sampling.positive), ("negative", sampling.negative)):
        for index, embedding in enumerate(embeddings):
            theirs = recorded[f"{branch}{index}.cross_attn"]
            assert float((embedding.context - theirs).abs().max()) < 2e-5, f"{branch}{index}"
    compare_first(sampling, recorded)
    assert relative(sampling.latents, recorded["latent_out"] * SCALE) < 1e-4


def compare_first(sampling: Sampling, recorded: dict[str, torch.Tensor]) -> None:
    """The first evaluation; rows of one call may stand in another order."""
    contexts, sigma = recorded["apply0.context"], float(recorded["apply0.sigma"][0])
    first = sampling.first
    assert first.contexts.shape == contexts.shape
    row = min(
        permutations(range(len(contexts))), key=lambda order: float((first.contexts[list(order)] - contexts).norm())
    )
    x = first.x[list(row)] * (sigma**2 + 1) ** 0.5
    assert relative(x, recorded["apply0.x"]) < 1e-5
    assert relative(x - sigma * first.output[list(row)], recorded["apply0.denoised"]) < 1e-5


def compare_output(ours: torch.Tensor, theirs: torch.Tensor, what: str) -> None:
    if what == "image":
        assert float((ours.permute(0, 2, 3, 1) - theirs).abs().max()) < 1e-4
    else:
        assert relative(ours, theirs * SCALE) < 1e-4
