"""Workflows in ComfyUI's API format, run as graphs, with what happened on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from sdkit import Pipeline, hookimpl
from sdkit.graph import Graph, GraphResult, Ref
from sdkit.pipeline.places import Inputs
from sdkit.pipeline.workspace import Workspace
from sdkit.types import CallPatches, Denoiser, DiffusionModel, Embedding, Run

SAMPLERS = ("KSampler", "KSamplerAdvanced", "SamplerCustom")


@dataclass
class Evaluation:
    """A call of the noise predictor: its rows in order."""

    contexts: torch.Tensor
    x: torch.Tensor
    output: torch.Tensor


@dataclass
class Record:
    """The calls of the noise predictor by run, in the order of the runs. A plugin: it learns of each run."""

    runs: list[list[Evaluation]] = field(default_factory=list[list[Evaluation]])

    @hookimpl
    def wrap_denoiser(self, run: Run) -> Callable[[Denoiser], Denoiser] | None:
        self.runs.append([])
        return None


class Watched:
    """A model that tells a record of the calls of its noise predictor, and of those made from it."""

    def __init__(self, model: DiffusionModel, record: Record) -> None:
        self._model = model
        self._record = record

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def patched(self, patches: Any) -> Watched:
        return Watched(self._model.patched(patches), self._record)

    def predict(
        self, x: torch.Tensor, timestep: float, embedding: Embedding, patches: CallPatches | None = None
    ) -> torch.Tensor:
        output = self._model.predict(x, timestep, embedding, patches)
        self._record.runs[-1].append(Evaluation(embedding.context, x, output))
        return output


class WatchedWorkspace(Workspace):
    """A workspace whose models are watched; the last one stays loaded. SDXL alone needs 14 GB."""

    def __init__(self) -> None:
        self.record = Record()
        super().__init__(plugins=["sdkit_comfy.plugin", self.record], device="cpu", dtype="float32")
        self.loaded: dict[str, Pipeline] = {}

    def pipeline(self, source: str | None = None, **parts: Any) -> Pipeline:
        if str(source) not in self.loaded:
            for pipe in self.loaded.values():
                pipe.unload()
            self.loaded.clear()
            model = super().pipeline(source, **parts).model
            self._pipelines.clear()
            watched: Any = Watched(model, self.record)
            self.loaded[str(source)] = Pipeline(watched, plugins=["sdkit_comfy.plugin", self.record])
        return self.loaded[str(source)]


@dataclass
class Sampling:
    """What one sampler node did: both branches' features and pooled vectors, by the names that the reference has for
    them, the first evaluation, the latents after it (unscaled)."""

    positive: list[dict[str, torch.Tensor]]
    negative: list[dict[str, torch.Tensor]]
    first: Evaluation
    latents: torch.Tensor


@dataclass
class Outcome:
    """A workflow that ran: every node's outputs, and the samplings in the order of the runs."""

    result: GraphResult
    samplings: list[Sampling]


def run_workflow(workspace: WatchedWorkspace, nodes: Mapping[str, Any], inputs: Path) -> Outcome:
    """Run a workflow whose pictures are in the folder `inputs`."""
    graph = workspace.load(nodes)
    workspace.inputs = Inputs([inputs])
    workspace.record.runs.clear()
    result = workspace.run(graph, outputs=list(graph.nodes))
    samplers = [node for node in result.executed if graph.nodes[node].type in SAMPLERS]
    runs = workspace.record.runs
    assert len(samplers) == len(runs)
    return Outcome(result, [_sampling(graph, result, node, calls) for node, calls in zip(samplers, runs, strict=True)])


def _sampling(graph: Graph, result: GraphResult, node: str, calls: list[Evaluation]) -> Sampling:
    def features(branch: str) -> list[dict[str, torch.Tensor]]:
        link = graph.nodes[node].inputs[branch]
        assert isinstance(link, Ref)
        conditioning: Any = result.value(link)
        return [
            {"cross_attn": context} | ({"pooled": values["pooled_output"]} if "pooled_output" in values else {})
            for context, values in conditioning
        ]

    latent: Any = result.values[node][0]
    return Sampling(features("positive"), features("negative"), calls[0], latent["samples"])
