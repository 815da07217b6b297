"""Workflows by a model whose networks are formulas, so that tests take milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from sdkit import Pipeline
from sdkit.pipeline.workspace import Workspace
from sdkit.testing import ToyModel
from sdkit.types import DiffusionModel

Nodes = dict[str, Any]


class ToyWorkspace(Workspace):
    """A workspace in which every checkpoint is the toy model."""

    def __init__(self, model: DiffusionModel) -> None:
        super().__init__(plugins=["sdkit_comfy.plugin"])
        self.toy = Pipeline(model, plugins=["sdkit_comfy.plugin"])

    def pipeline(self, source: str | None = None, **parts: Any) -> Pipeline:
        return self.toy


@pytest.fixture
def toys() -> ToyWorkspace:
    return ToyWorkspace(cast("DiffusionModel", ToyModel(width=64, height=64)))


@pytest.fixture
def workflow() -> Callable[..., Nodes]:
    """Nodes 1 to 4 of a workflow: a checkpoint, two prompts and blank latents; and KSampler's inputs, changed."""

    def make(count: int = 1, **changes: Any) -> Nodes:
        sampler = {
            "model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0], "seed": 7,
            "steps": 4, "cfg": 3.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0,
        }  # fmt: skip
        return {
            "1": node("CheckpointLoaderSimple", ckpt_name="tiny"),
            "2": node("CLIPTextEncode", clip=["1", 1], text="a red (circle:1.2)"),
            "3": node("CLIPTextEncode", clip=["1", 1], text="blue"),
            "4": node("EmptyLatentImage", width=64, height=64, batch_size=count),
            "5": node("KSampler", **{**sampler, **changes}),
        }

    return make


def node(kind: str, **inputs: Any) -> Nodes:
    """A node in API format."""
    return {"class_type": kind, "inputs": inputs}
