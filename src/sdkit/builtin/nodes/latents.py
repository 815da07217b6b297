"""Between pictures and latents."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from sdkit.builtin.nodes.sockets import Text
from sdkit.graph import node

if TYPE_CHECKING:
    from sdkit import Pipeline
    from sdkit.images import Image
    from sdkit.types import Latents


@node(category="latents")
def encode_image(pipeline: Pipeline, image: Image) -> Latents:
    """A picture as latents; its sides are cut to what the model can have."""
    return pipeline.encode_image(image)


@node(category="latents", outputs="images")
def decode(pipeline: Pipeline, latents: Latents) -> list[Image]:
    """Latents as finished pictures, which go one by one into the nodes behind."""
    return list(pipeline.decode(latents))


@node(category="latents")
def scale_latents(
    latents: Latents,
    scale: Annotated[float, Field(gt=0, le=16)] = 2.0,
    method: Literal["nearest-exact", "bilinear", "area", "bicubic", "bislerp"] = "bislerp",
) -> Latents:
    """Latents of a larger picture, or of a smaller one: to sample once more from, with `denoise` of about a half."""
    from sdkit.editing import scale_latents_by

    run = latents.run
    scaled = scale_latents_by(latents.tensor, scale, method)
    if run is None:
        return replace(latents, tensor=scaled)
    high, wide = (side * run.spec.latent_factor for side in scaled.shape[-2:])
    request = run.request.replace(width=wide, height=high)
    return replace(latents, tensor=scaled, run=replace(run, request=request, init=None, mask=None, noise=None))


@node(category="pictures", outputs="similarity")
def similarity(pipeline: Pipeline, image: Image, text: Text) -> float:
    """How well a picture fits a text, by CLIP: −1…1. Needs a model with an image tower, such as the one in the box."""
    return float(pipeline.similarity(text, image)[0, 0])
