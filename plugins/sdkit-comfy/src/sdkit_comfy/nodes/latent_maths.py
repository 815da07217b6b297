"""Arithmetic on latents, and latents joined along a side."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field

from sdkit import node
from sdkit.editing import add_latents, blend_latents, interpolate_latents, multiply_latents, repeat_to, subtract_latents
from sdkit_comfy.ranges import MOST, Fraction, Offset
from sdkit_comfy.sockets import LATENT
from sdkit_comfy.values.latents import samples_of, with_samples


@node(name="LatentAdd", category="latent/advanced")
def latent_add(*, samples1: LATENT, samples2: LATENT) -> LATENT:
    """The sum."""
    return with_samples(samples1, add_latents(samples_of(samples1), samples_of(samples2)))


@node(name="LatentSubtract", category="latent/advanced")
def latent_subtract(*, samples1: LATENT, samples2: LATENT) -> LATENT:
    """The first without the second."""
    return with_samples(samples1, subtract_latents(samples_of(samples1), samples_of(samples2)))


@node(name="LatentMultiply", category="latent/advanced")
def latent_multiply(*, samples: LATENT, multiplier: Annotated[float, Field(ge=-10, le=10)] = 1.0) -> LATENT:
    """The latents times a factor."""
    return with_samples(samples, multiply_latents(samples_of(samples), multiplier))


@node(name="LatentInterpolate", category="latent/advanced")
def latent_interpolate(*, samples1: LATENT, samples2: LATENT, ratio: Fraction = 1.0) -> LATENT:
    """Between the second (ratio 0) and the first (1), directions and lengths apart."""
    return with_samples(samples1, interpolate_latents(samples_of(samples1), samples_of(samples2), ratio))


@node(name="LatentBlend", category="_for_testing")
def latent_blend(*, samples1: LATENT, samples2: LATENT, blend_factor: Fraction = 0.5) -> LATENT:
    """Between the second (factor 0) and the first (1), on the straight line."""
    return with_samples(samples1, blend_latents(samples_of(samples1), samples_of(samples2), blend_factor))


_SIDES = {"x": -1, "y": -2, "t": -3}


@node(name="LatentConcat", category="latent/advanced")
def latent_concat(*, samples1: LATENT, samples2: LATENT, dim: Literal["x", "-x", "y", "-y", "t", "-t"] = "x") -> LATENT:
    """The second beside the first, or, with "-", before it; t, time, is what latents of films have."""
    first = samples_of(samples1)
    parts = (first, repeat_to(samples_of(samples2), len(first)))
    return with_samples(samples1, torch.cat(parts[::-1] if dim.startswith("-") else parts, dim=_SIDES[dim[-1]]))


@node(name="LatentCut", category="latent/advanced")
def latent_cut(
    *,
    samples: LATENT,
    dim: Literal["x", "y", "t"] = "x",
    index: Offset = 0,
    amount: Annotated[int, Field(ge=1, le=MOST)] = 1,
) -> LATENT:
    """A stripe out of latents, in latent pixels; numbers below 0 count from the end."""
    whole = samples_of(samples)
    length = whole.shape[_SIDES[dim]]
    start = min(index, length - 1) if index >= 0 else max(0, length + index)
    return with_samples(samples, whole.narrow(_SIDES[dim], start, min(amount, length - start)).clone())
