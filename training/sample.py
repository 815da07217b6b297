"""A quick sampler for looking at a U-Net in training; the SDK's own samplers are what users get."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from PIL import Image
from torch import Tensor
from transformers.models.clip.modeling_clip import CLIPModel

from training.export import LATENT_SCALE
from training.tokens import Tokens
from training.unet import alphas
from training.vae import decode


class Painter:
    """Draws captions with the three networks; one noise generator per picture, from its own seed."""

    def __init__(self, clip: CLIPModel, vae: AutoencoderKL, unet: UNet2DConditionModel) -> None:
        self.clip, self.vae, self.unet = clip, vae, unet
        self.tokens, self.power = Tokens(), alphas()

    @torch.no_grad()
    def __call__(
        self, texts: Sequence[str], seeds: Sequence[int], guidance: float = 4.0, steps: int = 20, negative: str = ""
    ) -> Tensor:
        """Pictures ``[B, 3, 128, 128]`` in 0..1, by DPM-Solver++(2M) on Karras et al. 2022's noise levels (eq. 5)."""
        ids = self.tokens([*texts, negative])
        states = self.clip.text_model(input_ids=ids).last_hidden_state
        context = torch.cat([states[:-1], states[-1:].expand(len(texts), -1, -1)])
        levels = (1 / self.power - 1).sqrt()
        ends = levels[[-1, 0]] ** (1 / 7)
        sigmas = [*torch.linspace(float(ends[0]), float(ends[1]), steps).pow(7).tolist(), 0.0]
        noise = [torch.randn(4, 16, 16, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        x = torch.stack(noise) * (sigmas[0] ** 2 + 1) ** 0.5
        before: Tensor | None = None
        for i, (sigma, after) in enumerate(pairwise(sigmas)):
            time = (levels - sigma).abs().argmin()
            twice = torch.cat([x, x]) / (sigma**2 + 1) ** 0.5
            told, free = self.unet(twice, time, context).sample.chunk(2)
            clean = x - sigma * (free + guidance * (told - free))
            if after == 0:
                return self.decode(clean)
            ratio = after / sigma
            blend = clean
            if before is not None:
                span = torch.tensor(sigmas[i - 1 : i + 2]).log().diff().abs()
                blend = clean + (clean - before) * (span[1] / (2 * span[0]))
            x, before = ratio * x + (1 - ratio) * blend, clean
        return self.decode(x)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Latents as the U-Net sees them to pictures in 0..1."""
        parts = [decode(self.vae, part / LATENT_SCALE) for part in latents.split(32)]
        return (torch.cat(parts) / 2 + 0.5).clamp(0, 1)


def contact_sheet(pictures: Tensor, columns: int, path: Path) -> None:
    """Save pictures ``[B, 3, S, S]`` as one PNG, row by row."""
    rows = [torch.cat(list(row), -1) for row in pictures.split(columns) if len(row) == columns]
    sheet = (torch.cat(rows, -2).permute(1, 2, 0) * 255).round().byte()
    Image.fromarray(sheet.numpy()).save(path)
