"""Figures of other implementations, and the closed-form model that some of them were made with."""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file

from sdkit.request import Request
from sdkit.sampling import SeededNoise, scaled_linear_sigmas
from sdkit.testing.denoisers import GuidedDenoiser, MixtureDenoiser
from sdkit.types import (
    CancelToken,
    Defaults,
    DiffusionModel,
    Embedding,
    ModelSpec,
    PredictionType,
    Run,
    ScheduleParams,
)

FOLDER = Path(__file__).parents[1] / "data" / "parity"
SAMPLERS = ("euler", "euler_ancestral", "heun", "dpmpp_2m")
SCHEDULES = ("normal", "karras", "simple", "sgm_uniform")


@functools.cache
def tensors(name: str) -> dict[str, torch.Tensor]:
    return load_file(FOLDER / f"{name}.safetensors")


@functools.cache
def golden() -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads((FOLDER / "samplers.json").read_text()))


def golden_denoiser(kind: str) -> GuidedDenoiser:
    """The guided Gaussian mixtures that `samplers.json` was made with."""
    flow = kind == "flow"
    positive, negative = (
        MixtureDenoiser(tuple(map(tuple, golden()[branch]["mus"])), golden()[branch]["s"], flow=flow)
        for branch in ("cond", "uncond")
    )
    return GuidedDenoiser(positive, negative, golden()["cfg"])


def double(values: list[Any]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def assert_close(came: torch.Tensor, expected: torch.Tensor, relative: float, what: str) -> None:
    """Largest difference over the largest value."""
    assert came.shape == expected.shape, f"{what}: shape {list(came.shape)} instead of {list(expected.shape)}"
    off = float((came - expected).abs().max() / expected.abs().max().clamp(min=1e-30))
    assert off <= relative, f"{what}: off by {off:.2g} of the largest value, allowed is {relative:g}"


def model_sigmas() -> tuple[float, ...]:
    """Stable Diffusion's 1000 sigmas, as a model has them: not rounded, as those of the figures are."""
    return scaled_linear_sigmas()


def params() -> ScheduleParams:
    sigmas = model_sigmas()
    return ScheduleParams(sigmas, sigmas[0], sigmas[-1])


def spec(prediction: PredictionType = "eps", sigmas: tuple[float, ...] = ()) -> ModelSpec:
    defaults = Defaults(128, 128, 20, "euler", "normal", 7.0)
    return ModelSpec("formula", prediction, sigmas or model_sigmas(), defaults)


class FormulaModel:
    """The network of `ksampler_toy`: 0.8·tanh(x) + 0.1·cos(t/300) + 0.2·mean(context). `calls`: batch sizes."""

    name = "formula"
    device = torch.device("cpu")
    dtype = torch.float32

    def __init__(self, prediction: PredictionType = "eps", sigmas: tuple[float, ...] = ()) -> None:
        self.spec = spec(prediction, sigmas)
        self.calls: list[int] = []
        self.seen: list[Embedding] = []

    def predict(self, x: torch.Tensor, timestep: float, embedding: Embedding) -> torch.Tensor:
        self.calls.append(x.shape[0])
        self.seen.append(embedding)
        context = embedding.context.mean((1, 2))[:, None, None, None]
        return 0.8 * torch.tanh(x) + 0.1 * math.cos(timestep / 300) + 0.2 * context


def as_model(model: FormulaModel) -> DiffusionModel:
    """A model that can only predict, which is all that sampling needs."""
    return cast("DiffusionModel", model)


def make_run(
    seeds: tuple[int, ...] = (1, 2), scale: float = 7.0, size: int = 128, model: FormulaModel | None = None, **late: Any
) -> Run:
    """A run as the pipeline would make it; `late`: init, mask, noise."""
    model = model or FormulaModel()
    return Run(
        request=Request(guidance_scale=scale, width=size, height=size, sampler="euler", schedule="normal", steps=6),
        model=as_model(model),
        seeds=seeds,
        prompts=("",) * len(seeds),
        negative_prompts=("",) * len(seeds),
        sigmas=(10.0, 1.0, 0.0),
        cancel=CancelToken(),
        spec=model.spec,
        **late,
    )


def one_draw(seed: int, shape: tuple[int, int, int, int]) -> torch.Tensor:
    """Noise as the reference draws it: the whole batch from one generator."""
    return SeededNoise((seed,), shape).start()[0]
