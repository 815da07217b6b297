"""KSampler and KSamplerAdvanced."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sdkit import node
from sdkit.graph import NodeContext
from sdkit_comfy.sockets import CONDITIONING, LATENT, MODEL, Cfg, SamplerName, ScheduleName, Seed, Share, Steps
from sdkit_comfy.values.samplers import Guider, NoiseOf, SamplerChoice
from sdkit_comfy.values.sampling import sample

Switch = Literal["enable", "disable"]
Step = Annotated[int, Field(ge=0, le=10_000)]


@node(name="KSampler", category="sampling")
def ksampler(
    *,
    context: NodeContext,
    model: MODEL,
    seed: Seed = 0,
    steps: Steps = 20,
    cfg: Cfg = 8.0,
    sampler_name: SamplerName,
    scheduler: ScheduleName,
    positive: CONDITIONING,
    negative: CONDITIONING,
    latent_image: LATENT,
    denoise: Share = 1.0,
) -> LATENT:
    """Sample latents: `denoise` below 1 starts from the latents given, with that much noise."""
    return sample(
        Guider(model, positive, negative, cfg),
        latent_image,
        NoiseOf(seed),
        sampler=SamplerChoice(sampler_name),
        context=context,
        steps=steps,
        schedule=scheduler,
        denoise=denoise,
    ).latent


@node(name="KSamplerAdvanced", category="sampling")
def ksampler_advanced(
    *,
    context: NodeContext,
    model: MODEL,
    add_noise: Switch = "enable",
    noise_seed: Seed = 0,
    steps: Steps = 20,
    cfg: Cfg = 8.0,
    sampler_name: SamplerName,
    scheduler: ScheduleName,
    positive: CONDITIONING,
    negative: CONDITIONING,
    latent_image: LATENT,
    start_at_step: Step = 0,
    end_at_step: Step = 10_000,
    return_with_leftover_noise: Switch = "disable",
) -> LATENT:
    """Sample a part of a schedule, so that several nodes can share it."""
    end = end_at_step if end_at_step < steps else None
    return sample(
        Guider(model, positive, negative, cfg),
        latent_image,
        NoiseOf(noise_seed, silent=add_noise == "disable"),
        sampler=SamplerChoice(sampler_name),
        context=context,
        steps=steps,
        schedule=scheduler,
        start_step=start_at_step,
        end_step=end,
        leftover_noise=return_with_leftover_noise == "enable" and end is not None,
    ).latent
