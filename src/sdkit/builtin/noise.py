"""Noise sources: what numbers a seed stands for, here and in other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit.hookspecs import hookimpl
from sdkit.sampling.noise.options import A1111Options, ComfyOptions, NvOptions

if TYPE_CHECKING:
    from sdkit.hookspecs import RegisterNoiseSource


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
