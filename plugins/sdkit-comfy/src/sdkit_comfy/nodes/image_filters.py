"""Filters over pictures."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from sdkit import node
from sdkit.editing import (
    BlendMode,
    Dither,
    Morph,
    blend_images,
    blur_images,
    canny,
    invert_images,
    morph_images,
    quantise_images,
    sharpen_images,
)
from sdkit_comfy.ranges import Fraction, Radius, Sigma
from sdkit_comfy.sockets import IMAGE, Seed

Threshold = Annotated[float, Field(ge=0.01, le=0.99)]


@node(name="ImageInvert", category="image")
def image_invert(*, image: IMAGE) -> IMAGE:
    """The negatives of pictures."""
    return invert_images(image)


@node(name="ImageBlend", category="image/postprocessing")
def image_blend(
    *, image1: IMAGE, image2: IMAGE, blend_factor: Fraction = 0.5, blend_mode: BlendMode = "normal"
) -> IMAGE:
    """Pictures laid over others."""
    return blend_images(image1, image2, blend_factor, blend_mode)


@node(name="ImageBlur", category="image/postprocessing")
def image_blur(*, image: IMAGE, blur_radius: Radius = 1, sigma: Sigma = 1.0) -> IMAGE:
    """Pictures blurred by a Gaussian; `sigma` is in units of the radius."""
    return blur_images(image, blur_radius, sigma)


@node(name="ImageSharpen", category="image/postprocessing")
def image_sharpen(
    *,
    image: IMAGE,
    sharpen_radius: Radius = 1,
    sigma: Sigma = 1.0,
    alpha: Annotated[float, Field(ge=0, le=5)] = 1.0,
) -> IMAGE:
    """Pictures with their fine details strengthened."""
    return sharpen_images(image, sharpen_radius, sigma, alpha)


@node(name="ImageQuantize", category="image/postprocessing")
def image_quantize(
    *, image: IMAGE, colors: Annotated[int, Field(ge=1, le=256)] = 256, dither: Dither = "none"
) -> IMAGE:
    """Pictures in fewer colours."""
    return quantise_images(image, colors, dither)


@node(name="Canny", category="image/preprocessors")
def canny_edges(*, image: IMAGE, low_threshold: Threshold = 0.4, high_threshold: Threshold = 0.8) -> IMAGE:
    """The edges of pictures, white on black."""
    return canny(image, low_threshold, high_threshold)


@node(name="Morphology", category="image/postprocessing")
def morphology(
    *, image: IMAGE, operation: Morph = "erode", kernel_size: Annotated[int, Field(ge=3, le=999)] = 3
) -> IMAGE:
    """The darkest or brightest pixels around each, and what follows from the two."""
    return morph_images(image, operation, kernel_size)


@node(name="ImageAddNoise", category="image")
def image_add_noise(*, image: IMAGE, seed: Seed = 0, strength: Fraction = 0.5) -> IMAGE:
    """Pictures with Gaussian noise on them."""
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))
    return (image + strength * noise.to(image)).clamp(0, 1)
