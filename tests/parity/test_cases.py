"""Whole workflows that the reference ran with its full-size weights: conditioning, first evaluation, final latents."""

from __future__ import annotations

import json
import os
from itertools import permutations
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file

from sdkit import Pipeline
from sdkit.types import DiffusionModel
from tests.parity._workflow import Sampling, Watched, Workflow

KINDS = ("samplers", "txt2img", "img2img", "cond", "ti", "vae", "advanced", "batch", "lora", "sdxl")

FIRST, CONDITIONING, FINAL, PIXELS = 1e-5, 2e-5, 1e-4, 1e-4
"""What float32 may differ by: of the first evaluation and the final latents relative (L2), of the others absolute.
Wrong semantics show at 1e-2."""

_figures = Path(os.environ.get("SDKIT_PARITY_FIGURES") or "no folder")


def nodes_of(path: Path) -> dict[str, Any]:
    """A case's workflow, by node."""
    return cast("dict[str, Any]", json.loads(path.read_text()))["prompt"]


def checkpoint_of(path: Path) -> str:
    """The checkpoint that a case loads, without ending."""
    loaders = [node for node in nodes_of(path).values() if node["class_type"] == "CheckpointLoaderSimple"]
    return loaders[0]["inputs"]["ckpt_name"].rpartition(".")[0]


CASES = [
    pytest.param(checkpoint_of(path), path.stem, id=path.stem)
    for path in sorted((_figures / "cases").glob("*.json"))
    if path.name.split(".")[0] in KINDS
] or [pytest.param("", "", marks=pytest.mark.skip(reason="no figures"))]


def relative(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """L2 of the difference over that of the reference."""
    assert ours.shape == theirs.shape
    return float((ours - theirs).norm() / theirs.norm())


@pytest.fixture(scope="module")
def watched(pipe: Pipeline) -> Pipeline:
    return Pipeline(cast("DiffusionModel", Watched(pipe.model)))


@pytest.mark.parametrize(("pipe", "name"), CASES, indirect=["pipe"])
def test_case(watched: Pipeline, figures: Path, name: str) -> None:
    nodes = nodes_of(figures / "cases" / f"{name}.json")
    recorded = load_file(figures / "cases" / f"{name}.safetensors")
    model = cast("Watched", watched.model)
    workflow = Workflow(nodes, watched, model, figures / "inputs")
    workflow.run()
    scale = float(model.architecture.kind.latent_scale)  # the reference's latents are recorded without it
    for number, sampling in enumerate(workflow.samplings):
        compare_sampling(sampling, {k.removeprefix(f"s{number}."): v for k, v in recorded.items()}, scale)
    for key, theirs in recorded.items():
        if key.startswith("out."):
            _, node, what = key.split(".")
            compare_output(workflow.outputs(node)[0], theirs, what, scale)


def compare_sampling(sampling: Sampling, recorded: dict[str, torch.Tensor], scale: float) -> None:
    for branch, embeddings in (("positive", sampling.positive), ("negative", sampling.negative)):
        for index, embedding in enumerate(embeddings):
            named = {"cross_attn": embedding.context, "pooled": embedding.pooled}
            for what, ours in named.items():
                theirs = recorded.get(f"{branch}{index}.{what}")
                if ours is not None and theirs is not None:
                    far = float((ours - theirs).abs().max())
                    print(f"{branch}{index}.{what} {far:.2e}")
                    assert far < CONDITIONING, f"{branch}{index}.{what}"
    compare_first(sampling, recorded)
    final = relative(sampling.latents, recorded["latent_out"] * scale)
    print(f"latents {final:.2e}")
    assert final < FINAL


def compare_first(sampling: Sampling, recorded: dict[str, torch.Tensor]) -> None:
    """The first evaluation; rows of one call may stand in another order."""
    contexts, sigma = recorded["apply0.context"], float(recorded["apply0.sigma"][0])
    first = sampling.first
    assert first.contexts.shape == contexts.shape
    row = min(
        permutations(range(len(contexts))), key=lambda order: float((first.contexts[list(order)] - contexts).norm())
    )
    x = first.x[list(row)] * (sigma**2 + 1) ** 0.5
    denoised = relative(x - sigma * first.output[list(row)], recorded["apply0.denoised"])
    print(f"first evaluation {denoised:.2e}")
    assert relative(x, recorded["apply0.x"]) < FIRST
    assert denoised < FIRST


def compare_output(ours: torch.Tensor, theirs: torch.Tensor, what: str, scale: float) -> None:
    if what == "image":
        assert float((ours.permute(0, 2, 3, 1) - theirs).abs().max()) < PIXELS
    else:
        assert relative(ours, theirs * scale) < FINAL
