"""The autoencoder between pictures and latents (arXiv:2012.09841, arXiv:2112.10752), under its original names.

The encoder gives the mean and log-variance of a diagonal Gaussian; sdkit uses its mode, the mean.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from sdkit.models.architecture import VaeArchitecture
from sdkit.models.networks.layers import Conv2d, GroupNorm

GROUPS = 32


def _norm(width: int) -> GroupNorm:
    return GroupNorm(GROUPS, width, eps=1e-6)


class ResidualBlock(nn.Module):
    """Two normalised convolutions and a shortcut."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.norm1 = _norm(width_in)
        self.conv1 = Conv2d(width_in, width, 3, padding=1)
        self.norm2 = _norm(width)
        self.conv2 = Conv2d(width, width, 3, padding=1)
        self.nin_shortcut = Conv2d(width_in, width, 1) if width_in != width else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv1(F.silu(self.norm1(x)))
        return self.nin_shortcut(x) + self.conv2(F.silu(self.norm2(inner)))


class PixelAttention(nn.Module):
    """One-headed attention among the pixels; its projections are 1×1 convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = _norm(width)
        self.q = Conv2d(width, width, 1)
        self.k = Conv2d(width, width, 1)
        self.v = Conv2d(width, width, 1)
        self.proj_out = Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        normalised = self.norm(x)
        query, key, value = (each(normalised).flatten(2).transpose(1, 2)[:, None] for each in (self.q, self.k, self.v))
        mixed = F.scaled_dot_product_attention(query, key, value)
        return x + self.proj_out(mixed[:, 0].transpose(1, 2).unflatten(2, x.shape[-2:]))


class Middle(nn.Module):
    """Residual block, attention, residual block, at the coarsest level."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.block_1 = ResidualBlock(width, width)
        self.attn_1 = PixelAttention(width)
        self.block_2 = ResidualBlock(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.block_2(self.attn_1(self.block_1(x)))


class Downsample(nn.Module):
    """Halve height and width; padded on the right and at the bottom only, as these models were trained."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = Conv2d(width, width, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Double height and width by repeating pixels, and smooth."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Level(nn.Module):
    """Residual blocks of one width, and a change of resolution where there is one."""

    def __init__(self, width_in: int, width: int, layers: int, resample: str | None) -> None:
        super().__init__()
        self.block = nn.ModuleList(ResidualBlock(width if index else width_in, width) for index in range(layers))
        if resample == "down":
            self.downsample = Downsample(width)
        elif resample == "up":
            self.upsample = Upsample(width)
        self.resample = resample

    def forward(self, x: Tensor) -> Tensor:
        for block in self.block:
            x = block(x)
        if self.resample == "down":
            return self.downsample(x)
        return self.upsample(x) if self.resample == "up" else x


class Encoder(nn.Module):
    """Picture → mean and log-variance, before `quant_conv`."""

    def __init__(self, a: VaeArchitecture) -> None:
        super().__init__()
        last = len(a.widths) - 1
        self.conv_in = Conv2d(3, a.widths[0], 3, padding=1)
        self.down = nn.ModuleList(
            Level(a.widths[max(0, level - 1)], width, a.layers, "down" if level < last else None)
            for level, width in enumerate(a.widths)
        )
        self.mid = Middle(a.widths[-1])
        self.norm_out = _norm(a.widths[-1])
        self.conv_out = Conv2d(a.widths[-1], 2 * a.latent_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for level in self.down:
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(self.mid(x))))


class Decoder(nn.Module):
    """Latents, after `post_quant_conv` → picture. `up` is numbered like the encoder's levels and walked backwards."""

    def __init__(self, a: VaeArchitecture) -> None:
        super().__init__()
        last = len(a.widths) - 1
        self.conv_in = Conv2d(a.latent_channels, a.widths[-1], 3, padding=1)
        self.mid = Middle(a.widths[-1])
        self.up = nn.ModuleList(
            Level(a.widths[min(last, level + 1)], width, a.layers + 1, "up" if level else None)
            for level, width in enumerate(a.widths)
        )
        self.norm_out = _norm(a.widths[0])
        self.conv_out = Conv2d(a.widths[0], 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid(self.conv_in(x))
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class Vae(nn.Module):
    """The autoencoder; pictures `[B, 3, H, W]` in −1…1, latents `[B, C, H/f, W/f]` unscaled."""

    def __init__(self, architecture: VaeArchitecture) -> None:
        super().__init__()
        channels = architecture.latent_channels
        self.architecture = architecture
        self.encoder = Encoder(architecture)
        self.decoder = Decoder(architecture)
        self.quant_conv = Conv2d(2 * channels, 2 * channels, 1)
        self.post_quant_conv = Conv2d(channels, channels, 1)

    def encode(self, pictures: Tensor) -> Tensor:
        """The mode of the latents' distribution."""
        return self.quant_conv(self.encoder(pictures)).chunk(2, dim=1)[0]

    def decode(self, latents: Tensor) -> Tensor:
        return self.decoder(self.post_quant_conv(latents))
