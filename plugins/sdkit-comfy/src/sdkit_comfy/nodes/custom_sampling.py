"""Sampling taken apart: noise, guider, sampler and sigmas as nodes of their own."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch

from sdkit import node
from sdkit.graph import NodeContext
from sdkit.sampling import parameterisation
from sdkit_comfy.missing import not_available
from sdkit_comfy.sockets import (
    CONDITIONING,
    GUIDER,
    LATENT,
    MODEL,
    NOISE,
    SAMPLER,
    SIGMAS,
    Cfg,
    Factor,
    SamplerName,
    Seed,
)
from sdkit_comfy.values.guiding import by_perp_neg, dual
from sdkit_comfy.values.samplers import Guider, NoiseOf, SamplerChoice
from sdkit_comfy.values.sampling import sample, start_noise


class Outputs(NamedTuple):
    """The latents as they are at the end, and what the model last took them for without noise."""

    output: LATENT
    denoised_output: LATENT


@node(name="KSamplerSelect", category="sampling/custom_sampling/samplers")
def ksampler_select(*, sampler_name: SamplerName) -> SAMPLER:
    """A sampler by its name."""
    return SamplerChoice(sampler_name)


@node(name="RandomNoise", category="sampling/custom_sampling/noise")
def random_noise(*, noise_seed: Seed = 0) -> NOISE:
    """Noise of a seed."""
    return NoiseOf(noise_seed)


@node(name="DisableNoise", category="sampling/custom_sampling/noise")
def disable_noise() -> NOISE:
    """No noise."""
    return NoiseOf(0, silent=True)


@node(name="BasicGuider", category="sampling/custom_sampling/guiders")
def basic_guider(*, model: MODEL, conditioning: CONDITIONING) -> GUIDER:
    """The prompt alone, without guidance."""
    return Guider(model, conditioning, conditioning, 1.0)


@node(name="CFGGuider", category="sampling/custom_sampling/guiders")
def cfg_guider(*, model: MODEL, positive: CONDITIONING, negative: CONDITIONING, cfg: Cfg = 8.0) -> GUIDER:
    """Classifier-free guidance."""
    return Guider(model, positive, negative, cfg)


@node(name="DualCFGGuider", category="sampling/custom_sampling/guiders")
def dual_cfg_guider(
    *,
    model: MODEL,
    cond1: CONDITIONING,
    cond2: CONDITIONING,
    negative: CONDITIONING,
    cfg_conds: Cfg = 8.0,
    cfg_cond2_negative: Cfg = 8.0,
    style: Literal["regular", "nested"] = "regular",
) -> GUIDER:
    """Two prompts: the first is guided against the second, and the second against the negative one."""
    combine = dual(cfg_cond2_negative, nested=style == "nested")
    return Guider(model, cond1, negative, cfg_conds, cond2, combine)


@node(name="PerpNegGuider", category="_for_testing")
def perp_neg_guider(
    *,
    model: MODEL,
    positive: CONDITIONING,
    negative: CONDITIONING,
    empty_conditioning: CONDITIONING,
    cfg: Cfg = 8.0,
    neg_scale: Factor = 1.0,
) -> GUIDER:
    """Guidance away from what of the negative prompt is perpendicular to the prompt."""
    return Guider(model, positive, negative, cfg, empty_conditioning, by_perp_neg(neg_scale))


@node(name="SamplerCustom", category="sampling/custom_sampling")
def sampler_custom(
    *,
    context: NodeContext,
    model: MODEL,
    add_noise: bool = True,
    noise_seed: Seed = 0,
    cfg: Cfg = 8.0,
    positive: CONDITIONING,
    negative: CONDITIONING,
    sampler: SAMPLER,
    sigmas: SIGMAS,
    latent_image: LATENT,
) -> Outputs:
    """Sample with a sampler and sigmas of one's own."""
    noise = NoiseOf(noise_seed, silent=not add_noise)
    return _sampled(context, Guider(model, positive, negative, cfg), noise, sampler, sigmas, latent_image)


@node(name="SamplerCustomAdvanced", category="sampling/custom_sampling")
def sampler_custom_advanced(
    *, context: NodeContext, noise: NOISE, guider: GUIDER, sampler: SAMPLER, sigmas: SIGMAS, latent_image: LATENT
) -> Outputs:
    """Sample with noise, guider, sampler and sigmas of one's own."""
    return _sampled(context, guider, noise, sampler, sigmas, latent_image)


def _sampled(
    context: NodeContext, guider: Guider, noise: NoiseOf, sampler: SamplerChoice, sigmas: torch.Tensor, latent: LATENT
) -> Outputs:
    levels = tuple(float(sigma) for sigma in sigmas)
    if len(levels) < 2:
        return Outputs(latent, latent)
    if levels[0] < levels[-1]:
        raise not_available("sampling from little noise to much (flipped sigmas)")
    done = sample(guider, latent, noise, sampler=sampler, context=context, sigmas=levels)
    return Outputs(done.latent, done.denoised)


@node(name="AddNoise", category="_for_testing/custom_sampling/noise")
def add_noise(*, model: MODEL, noise: NOISE, sigmas: SIGMAS, latent_image: LATENT) -> LATENT:
    """Latents with the noise that is between the first and the last sigma; of the only one, where there is one."""
    if len(sigmas) == 0:
        return latent_image
    sigma = float(sigmas[0] - sigmas[-1]) if len(sigmas) > 1 else float(sigmas[0])
    scaled = latent_image["samples"] * model.scale
    noisy = parameterisation(model.spec).add_noise(scaled, start_noise(noise, latent_image), abs(sigma))
    return {**latent_image, "samples": torch.nan_to_num(noisy / model.scale, posinf=0.0, neginf=0.0)}
