"""`comfy.latent_formats`: what latents of a family are like."""

from __future__ import annotations

import torch


class LatentFormat:
    """`scale_factor`: what the VAE's latents are multiplied by for the model."""

    scale_factor = 1.0
    latent_channels = 4
    latent_dimensions = 2
    spacial_downscale_ratio = 8

    def process_in(self, latent: torch.Tensor) -> torch.Tensor:
        """From the VAE to the model."""
        return latent * self.scale_factor

    def process_out(self, latent: torch.Tensor) -> torch.Tensor:
        """And back."""
        return latent / self.scale_factor


class SD15(LatentFormat):
    """Stable Diffusion 1 and 2."""

    scale_factor = 0.18215


class SDXL(LatentFormat):
    """Stable Diffusion XL."""

    scale_factor = 0.13025
