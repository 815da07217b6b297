"""Latents in other sizes, cut, turned, and put onto others."""

from __future__ import annotations

from sdkit import node
from sdkit.editing import (
    Crop,
    LatentMethod,
    composite_latents,
    composite_latents_feathered,
    crop_latents,
    flip_latents,
    rotate_latents,
    scale_latents,
    scale_latents_by,
)
from sdkit_comfy.ranges import DEGREES, Flip, LatentSide, Place, Rotation, ScaleFactor
from sdkit_comfy.sockets import LATENT, MASK
from sdkit_comfy.values.latents import samples_of, with_samples


@node(name="LatentUpscale", category="latent")
def latent_upscale(
    *,
    samples: LATENT,
    upscale_method: LatentMethod = "nearest-exact",
    width: Place = 512,
    height: Place = 512,
    crop: Crop = "disabled",
) -> LATENT:
    """Latents for pictures of another size; a side of 0 follows from the other one."""
    return with_samples(samples, scale_latents(samples_of(samples), width, height, upscale_method, crop))


@node(name="LatentUpscaleBy", category="latent")
def latent_upscale_by(
    *, samples: LATENT, upscale_method: LatentMethod = "nearest-exact", scale_by: ScaleFactor = 1.5
) -> LATENT:
    """Latents with both sides times a factor."""
    return with_samples(samples, scale_latents_by(samples_of(samples), scale_by, upscale_method))


@node(name="LatentComposite", category="latent")
def latent_composite(
    *, samples_to: LATENT, samples_from: LATENT, x: Place = 0, y: Place = 0, feather: Place = 0
) -> LATENT:
    """Latents on others, fading in at their edges; places are in pixels."""
    onto, from_ = samples_of(samples_to), samples_of(samples_from)
    return with_samples(samples_to, composite_latents_feathered(onto, from_, x, y, feather))


@node(name="LatentCompositeMasked", category="latent")
def latent_composite_masked(
    *,
    destination: LATENT,
    source: LATENT,
    x: Place = 0,
    y: Place = 0,
    resize_source: bool = False,
    mask: MASK | None = None,
) -> LATENT:
    """Latents on others, where a mask lets them through; places are in pixels."""
    onto, from_ = samples_of(destination), samples_of(source)
    return with_samples(destination, composite_latents(onto, from_, x, y, mask, resize_source=resize_source))


@node(name="LatentCrop", category="latent/transform")
def latent_crop(
    *, samples: LATENT, width: LatentSide = 512, height: LatentSide = 512, x: Place = 0, y: Place = 0
) -> LATENT:
    """A rectangle of latents, in pixels."""
    return with_samples(samples, crop_latents(samples_of(samples), x, y, width, height))


@node(name="LatentFlip", category="latent/transform")
def latent_flip(*, samples: LATENT, flip_method: Flip = "x-axis: vertically") -> LATENT:
    """Latents upside down, or with left and right exchanged."""
    direction = "vertically" if flip_method.startswith("x") else "horizontally"
    return with_samples(samples, flip_latents(samples_of(samples), direction))


@node(name="LatentRotate", category="latent/transform")
def latent_rotate(*, samples: LATENT, rotation: Rotation = "none") -> LATENT:
    """Latents turned clockwise."""
    return with_samples(samples, rotate_latents(samples_of(samples), DEGREES[rotation]))
