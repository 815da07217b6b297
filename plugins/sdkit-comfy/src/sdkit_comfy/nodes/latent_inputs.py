"""Latents to start from."""

from __future__ import annotations

from sdkit import node
from sdkit.editing import empty_latents
from sdkit_comfy.sockets import LATENT, MASK, Count, Side


@node(name="EmptyLatentImage", category="latent")
def empty_latent_image(*, width: Side = 512, height: Side = 512, batch_size: Count = 1) -> LATENT:
    """Blank latents of a batch of pictures of this size."""
    return {"samples": empty_latents(width, height, batch_size)}


@node(name="SetLatentNoiseMask", category="latent/inpaint")
def set_latent_noise_mask(*, samples: LATENT, mask: MASK) -> LATENT:
    """Latents that change only where a mask is."""
    return {**samples, "noise_mask": mask.reshape((-1, 1, *mask.shape[-2:]))}
