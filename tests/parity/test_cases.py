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

from tests.parity._workflow import Sampling, WatchedWorkspace, run_workflow

KINDS = (
    *("samplers", "txt2img", "img2img", "cond", "ti", "vae", "advanced", "batch", "lora"),
    *("inpaint", "hires", "patch", "sdxl"),
)

FIRST, LAST = 1e-5, 1e-4
"""Relative, of the first evaluation and of the final latents: float32 in another order; wrong semantics show at
1e-2."""

_figures = Path(os.environ.get("SDKIT_PARITY_FIGURES") or "no folder")
CASES = sorted(
    (path.stem for path in (_figures / "cases").glob("*.json") if path.name.split(".")[0] in KINDS),
    key=lambda name: (name.startswith("sdxl"), "inpaintmodel" in name, name),
)
"""Those of one model one after another: there is one of them in memory at a time."""


def relative(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """L2 of the difference over that of the reference."""
    assert ours.shape == theirs.shape
    return float((ours - theirs).norm() / theirs.norm())


@pytest.fixture(scope="module")
def workspace(weights: Path) -> Iterator[WatchedWorkspace]:
    with pytest.MonkeyPatch.context() as patch:  # as long as it is used: LoRAs are looked for when they are asked for
        patch.setenv("SDKIT_MODELS", str(weights))
        workspace = WatchedWorkspace()
        yield workspace
        for pipe in workspace.loaded.values():
            pipe.unload()


@pytest.mark.parametrize("name", CASES or [pytest.param("", marks=pytest.mark.skip(reason="no figures"))])
def test_case(workspace: WatchedWorkspace, figures: Path, name: str) -> None:
    nodes = cast("dict[str, Any]", json.loads((figures / "cases" / f"{name}.json").read_text()))["prompt"]
    recorded = load_file(figures / "cases" / f"{name}.safetensors")
    outcome = run_workflow(workspace, nodes, figures / "inputs")
    for number, sampling in enumerate(outcome.samplings):
        compare_sampling(sampling, {k.removeprefix(f"s{number}."): v for k, v in recorded.items()})
    for key, theirs in recorded.items():
        if key.startswith("out."):
            _, node, what = key.split(".")
            compare_output(outcome.result.values[node][0], theirs, what)


def compare_sampling(sampling: Sampling, recorded: dict[str, torch.Tensor]) -> None:
    for branch, features in (("positive", sampling.positive), ("negative", sampling.negative)):
        for index, told in enumerate(features):
            for what, ours in told.items():
                theirs = recorded.get(f"{branch}{index}.{what}")
                if theirs is not None:
                    assert float((ours - theirs).abs().max()) < 2e-5, f"{branch}{index}.{what}"
    compare_first(sampling, recorded)
    latents = relative(sampling.latents, recorded["latent_out"])
    print(f"final latents {latents:.2e}")
    assert latents < LAST


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


def compare_output(ours: Any, theirs: torch.Tensor, what: str) -> None:
    """An output's picture, or one of the tensors of its LATENT: `samples`, `noise_mask`."""
    if what == "image":
        assert float((ours - theirs).abs().max()) < 1e-4
    else:
        assert relative(ours[what], theirs) < LAST
