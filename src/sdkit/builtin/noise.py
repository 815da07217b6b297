"""Noise sources: what numbers a seed stands for, here and in other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from sdkit.hookspecs import hookimpl

if TYPE_CHECKING:
    from sdkit.hookspecs import RegisterNoiseSource

MAX_DELTA = 2**64 - 1

BatchIndex = Annotated[int, Field(ge=0, lt=10_000)]


class CudaOptions(BaseModel):
    """For sources that can draw as a CUDA device does."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    cuda_threads: int | None = Field(default=None, ge=256, le=2**24, multiple_of=256)
    """How many threads the GPU to reproduce keeps resident, multiprocessors times threads of each; matters only where
    more numbers are drawn at once than that."""


class ComfyOptions(CudaOptions):
    """For the source "comfy"."""

    batch_indices: tuple[BatchIndex, ...] | None = Field(default=None, min_length=1, max_length=10_000)
    """Which image of an earlier batch each image was, counted from 0, so that one of them can be made again alone."""
    white_from: Literal["cpu", "cuda"] = "cpu"
    """Where ComfyUI drew the noise of ancestral samplers: on the device that it computed on."""
    white_seed_delta: int = Field(default=0, ge=0, le=1)
    """1 for releases that draw that noise, on a CPU, from the next seed."""
    brownian_from: Literal["cpu", "cuda"] = "cpu"
    """Where it drew the noise of SDE samplers: on the CPU, but for the samplers whose names end in `_gpu`."""


class A1111Options(BaseModel):
    """For the source "a1111"."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    eta_noise_seed_delta: int = Field(default=0, ge=-MAX_DELTA, le=MAX_DELTA)
    """ENSD: what to add to the seeds for the samplers' white noise, so that it is not the start's going on."""


class NvOptions(A1111Options, CudaOptions):
    """For the source "nv"."""


@hookimpl
def register_noise_sources(register: RegisterNoiseSource) -> None:
    """The sources of `sdkit.sampling.noise`."""
    register(
        "per_image",
        "sdkit.sampling.noise.per_image:per_image",
        summary="One CPU generator per image: each picture depends on its own seed alone.",
    )
    register(
        "comfy",
        "sdkit.sampling.noise.comfy:comfy",
        options=ComfyOptions,
        shared=True,
        summary="ComfyUI's: one draw for the whole batch, from the first picture's seed.",
        aliases=("comfyui",),
    )
    register(
        "a1111",
        "sdkit.sampling.noise.webui:a1111",
        options=A1111Options,
        summary="AUTOMATIC1111's, source CPU: one generator per image, Brownian trees for the SDE samplers.",
        aliases=("automatic1111", "webui"),
    )
    register(
        "nv",
        "sdkit.sampling.noise.webui:nv",
        options=NvOptions,
        summary="AUTOMATIC1111's, source NV: what an Nvidia GPU draws for each image's seed, on any device.",
        aliases=("philox",),
    )
