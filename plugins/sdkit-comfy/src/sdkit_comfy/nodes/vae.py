"""Pictures to latents and back."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import torch
from pydantic import Field

from sdkit import node
from sdkit.editing import grey_out, prepare_inpaint
from sdkit_comfy.sockets import CONDITIONING, IMAGE, LATENT, MASK, VAE
from sdkit_comfy.values.conditioning import with_values
from sdkit_comfy.values.networks import centre_cut
from sdkit_comfy.values.tiling import decode_tiled, encode_tiled

TileSize = Annotated[int, Field(ge=64, le=4096)]
Overlap = Annotated[int, Field(ge=0, le=4096)]
Frames = Annotated[int, Field(ge=8, le=4096)]
FrameOverlap = Annotated[int, Field(ge=4, le=4096)]


class Prepared(NamedTuple):
    """Both prompts with what the model is shown besides, and latents to start from."""

    positive: CONDITIONING
    negative: CONDITIONING
    latent: LATENT


@node(name="VAEDecode", category="latent")
def vae_decode(*, samples: LATENT, vae: VAE) -> IMAGE:
    """Latents to pictures."""
    return vae.decode(samples["samples"])


@node(name="VAEEncode", category="latent")
def vae_encode(*, pixels: IMAGE, vae: VAE) -> LATENT:
    """Pictures to latents."""
    return {"samples": vae.encode(pixels)}


@node(name="VAEDecodeTiled", category="_for_testing")
def vae_decode_tiled(
    *,
    samples: LATENT,
    vae: VAE,
    tile_size: TileSize = 512,
    overlap: Overlap = 64,
    temporal_size: Frames = 64,
    temporal_overlap: FrameOverlap = 8,
) -> IMAGE:
    """Latents to pictures, tile by tile. The temporal sizes are for videos."""
    overlap = tile_size // 4 if tile_size < overlap * 4 else overlap
    factor = vae.factor
    return decode_tiled(vae.decode, samples["samples"], factor, tile_size // factor, overlap // factor)


@node(name="VAEEncodeTiled", category="_for_testing")
def vae_encode_tiled(
    *,
    pixels: IMAGE,
    vae: VAE,
    tile_size: TileSize = 512,
    overlap: Overlap = 64,
    temporal_size: Frames = 64,
    temporal_overlap: FrameOverlap = 8,
) -> LATENT:
    """Pictures to latents, tile by tile. The temporal sizes are for videos."""
    cut = centre_cut(pixels, vae.factor)[..., :3]
    return {"samples": encode_tiled(vae.encode, cut, vae.factor, tile_size, overlap)}


@node(name="VAEEncodeForInpaint", category="latent/inpaint")
def vae_encode_for_inpaint(
    *, pixels: IMAGE, vae: VAE, mask: MASK, grow_mask_by: Annotated[int, Field(ge=0, le=64)] = 6
) -> LATENT:
    """Pictures with grey where the mask is, as latents that change there."""
    grey, grown = prepare_inpaint(pixels[..., :3], mask, grow_mask_by, vae.factor)
    return {"samples": vae.encode(grey), "noise_mask": grown.round()}


@node(name="InpaintModelConditioning", category="conditioning/inpaint")
def inpaint_model_conditioning(
    *,
    positive: CONDITIONING,
    negative: CONDITIONING,
    vae: VAE,
    pixels: IMAGE,
    mask: MASK,
    noise_mask: bool = True,
) -> Prepared:
    """What an inpainting model is shown: pictures with grey where the mask is, and the mask."""
    grey, cut = grey_out(pixels[..., :3], mask, vae.factor)
    shown = {"concat_latent_image": vae.encode(grey), "concat_mask": cut}
    latent = {"samples": vae.encode(pixels), **({"noise_mask": cut} if noise_mask else {})}
    return Prepared(with_values(positive, shown), with_values(negative, shown), latent)


@node(name="InstructPixToPixConditioning", category="conditioning/instructpix2pix")
def instruct_pix_to_pix_conditioning(
    *, positive: CONDITIONING, negative: CONDITIONING, vae: VAE, pixels: IMAGE
) -> Prepared:
    """What a model that edits pictures is shown: the picture to edit."""
    encoded = vae.encode(pixels)
    shown = {"concat_latent_image": encoded}
    return Prepared(with_values(positive, shown), with_values(negative, shown), {"samples": torch.zeros_like(encoded)})
