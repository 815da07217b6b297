"""The noise predictor: a U-Net with cross-attention (arXiv:2112.10752, appendix; blocks after arXiv:2105.05233).

Module names are those of the original checkpoints, so that a state dict fits as it is. Everything works on `[B, C, H,
W]`; attention on `[B, H·W, C]`.
"""

from __future__ import annotations

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sdkit.models.architecture import UNetArchitecture
from sdkit.models.networks.layers import Conv2d, GroupNorm, LayerNorm, Linear
from sdkit.models.networks.patches import AttentionPatches, Inside
from sdkit.types import Attend, CallPatches

GROUPS = 32


def timestep_features(timesteps: Tensor, width: int) -> Tensor:
    """Cosines, then sines, of the timesteps at frequencies from 1 to 1/10000: `[B]` → `[B, width]`, float32."""
    half = width // 2
    frequencies = torch.exp(
        torch.arange(half, dtype=torch.float32, device=timesteps.device) * (-math.log(10_000) / half)
    )
    angles = timesteps.float()[:, None] * frequencies[None]
    return torch.cat((angles.cos(), angles.sin()), dim=1)


class ResidualBlock(nn.Module):
    """Two normalised convolutions around the timestep's contribution, and a shortcut."""

    def __init__(self, width_in: int, width: int, time_width: int) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(GroupNorm(GROUPS, width_in), nn.SiLU(), Conv2d(width_in, width, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), Linear(time_width, width))
        self.out_layers = nn.Sequential(  # the identity keeps the place of the dropout that training used
            GroupNorm(GROUPS, width), nn.SiLU(), nn.Identity(), Conv2d(width, width, 3, padding=1)
        )
        self.skip_connection = Conv2d(width_in, width, 1) if width_in != width else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        inner = self.in_layers(x) + self.emb_layers(time)[:, :, None, None]
        return self.skip_connection(x) + self.out_layers(inner)


class Attention(nn.Module):
    """Multi-head attention of `x` to `context`, both `[B, tokens, channels]`."""

    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = Linear(width, width, bias=False)
        self.to_k = Linear(context, width, bias=False)
        self.to_v = Linear(context, width, bias=False)
        self.to_out = nn.Sequential(Linear(width, width))

    def forward(self, x: Tensor, context: Tensor, patches: AttentionPatches | None = None) -> Tensor:
        if patches is not None:
            return patches.layer(partial(self._attended, mix=patches.mixing))(x, context, context)
        return self._attended(x, context, context, mix=F.scaled_dot_product_attention)

    def _attended(self, query: Tensor, key: Tensor, value: Tensor, *, mix: Attend) -> Tensor:
        query, key, value = (
            each.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for each in (self.to_q(query), self.to_k(key), self.to_v(value))
        )
        return self.to_out(mix(query, key, value).transpose(1, 2).flatten(2))


class GatedGelu(nn.Module):
    """A linear layer whose one half gates the other (arXiv:2002.05202)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.proj = Linear(width, 2 * hidden)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    """The transformer's inner network, four times as wide."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(GatedGelu(width, 4 * width), nn.Identity(), Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class TransformerBlock(nn.Module):
    """Attention among the pixels, attention to the text, feed-forward; each normalised first and added."""

    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.attn1 = Attention(width, width, heads)
        self.attn2 = Attention(width, context, heads)
        self.ff = FeedForward(width)
        self.norm1 = LayerNorm(width)
        self.norm2 = LayerNorm(width)
        self.norm3 = LayerNorm(width)

    def forward(self, x: Tensor, context: Tensor, inside: Inside | None = None) -> Tensor:
        own, cross = (None, None) if inside is None else inside.attentions(self.attn1.heads)
        normalised = self.norm1(x)
        x = x + self.attn1(normalised, normalised, own)
        x = x + self.attn2(self.norm2(x), context, cross)
        return x + self.ff(self.norm3(x))


class SpatialTransformer(nn.Module):
    """Transformer blocks over the pixels of a feature map, between two projections, added to it."""

    def __init__(self, width: int, context: int, heads: int, depth: int, linear: bool) -> None:
        super().__init__()
        self.norm = GroupNorm(GROUPS, width, eps=1e-6)
        self.proj_in = Linear(width, width) if linear else Conv2d(width, width, 1)
        self.transformer_blocks = nn.ModuleList(TransformerBlock(width, context, heads) for _ in range(depth))
        self.proj_out = Linear(width, width) if linear else Conv2d(width, width, 1)
        self.linear = linear

    def forward(self, x: Tensor, context: Tensor, inside: Inside | None = None) -> Tensor:
        size = x.shape[-2:]
        tokens = self.norm(x)
        if not self.linear:
            tokens = self.proj_in(tokens)
        tokens = tokens.flatten(2).transpose(1, 2)
        if self.linear:
            tokens = self.proj_in(tokens)
        for index, block in enumerate(self.transformer_blocks):
            tokens = block(tokens, context, None if inside is None else inside.within(index, size))
        if self.linear:
            tokens = self.proj_out(tokens)
        tokens = tokens.transpose(1, 2).unflatten(2, size)
        return x + (tokens if self.linear else self.proj_out(tokens))


class Downsample(nn.Module):
    """Halve height and width, rounding up."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.op = Conv2d(width, width, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.op(x)


class Upsample(nn.Module):
    """Enlarge to a given size by repeating pixels, and smooth."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor, size: torch.Size) -> Tensor:
        return self.conv(F.interpolate(x, size=size, mode="nearest"))


class TimeEmbedding(nn.ModuleList):
    """The timestep's features, and those of a guidance scale where the model takes one, as the vector that the residual
    blocks get."""

    def __init__(self, width_in: int, width: int, guidance: int) -> None:
        super().__init__([Linear(width_in, width), nn.SiLU(), Linear(width, width)])
        if guidance:
            self.cond_proj = Linear(guidance, width_in, bias=False)

    def forward(self, features: Tensor, guidance: Tensor | None = None) -> Tensor:
        if guidance is not None:
            features = features + self.cond_proj(guidance)
        return self[2](self[1](self[0](features)))


class Block(nn.ModuleList):
    """The layers under one number of the original layout; each gets what it needs besides `x`."""

    def forward(
        self,
        x: Tensor,
        time: Tensor,
        context: Tensor,
        size: torch.Size | None = None,
        inside: Inside | None = None,
    ) -> Tensor:
        for layer in self:
            if isinstance(layer, ResidualBlock):
                x = layer(x, time)
            elif isinstance(layer, SpatialTransformer):
                x = layer(x, context, inside)
            elif isinstance(layer, Upsample):
                x = layer(x, size)
            else:
                x = layer(x)
        return x


class UNet(nn.Module):
    """Predicts the noise (or what the family was trained for) in latents.

    `forward(x, timesteps, context, summary)`: `[B, C_in, H, W]`, `[B]`, `[B, T, C_context]`, `[B, C_summary]` where the
    architecture has one → `[B, C_out, H, W]`; any height and width. `guidance`: `[B, C_guidance]`, where it has one.
    `patches`: functions for its inside.
    """

    def __init__(self, architecture: UNetArchitecture) -> None:
        super().__init__()
        a = self.architecture = architecture
        base, time_width = a.widths[0], 4 * a.widths[0]
        self.time_embed = TimeEmbedding(base, time_width, a.guidance)
        if a.summary:
            inner = nn.Sequential(Linear(a.summary, time_width), nn.SiLU(), Linear(time_width, time_width))
            self.label_emb = nn.Sequential(inner)

        def attention(level: int, depth: int) -> list[nn.Module]:
            if not depth:
                return []
            return [SpatialTransformer(a.widths[level], a.context, a.heads[level], depth, a.linear_projections)]

        width, skips = base, [base]
        self.input_blocks = nn.ModuleList([Block([Conv2d(a.in_channels, base, 3, padding=1)])])
        for level, level_width in enumerate(a.widths):
            for depth in a.depths[level]:
                residual = ResidualBlock(width, level_width, time_width)
                self.input_blocks.append(Block([residual, *attention(level, depth)]))
                width = level_width
                skips.append(width)
            if level < len(a.widths) - 1:
                self.input_blocks.append(Block([Downsample(width)]))
                skips.append(width)
        if a.middle is not None:
            self.middle_block = Block([ResidualBlock(width, width, time_width)])
            if a.middle:
                self.middle_block.extend(
                    [*attention(len(a.widths) - 1, a.middle), ResidualBlock(width, width, time_width)]
                )
        self.output_blocks = nn.ModuleList()
        for level in reversed(range(len(a.widths))):
            for index, depth in enumerate(a.depths_up[level]):
                residual = ResidualBlock(width + skips.pop(), a.widths[level], time_width)
                width = a.widths[level]
                block = Block([residual, *attention(level, depth)])
                if level and index == a.layers:
                    block.append(Upsample(width))
                self.output_blocks.append(block)
        self.out = nn.Sequential(GroupNorm(GROUPS, base), nn.SiLU(), Conv2d(base, a.out_channels, 3, padding=1))

    def forward(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor,
        summary: Tensor | None = None,
        guidance: Tensor | None = None,
        patches: CallPatches | None = None,
    ) -> Tensor:
        time = self.time_embed(timestep_features(timesteps, self.architecture.widths[0]).to(x.dtype), guidance)
        if summary is not None:
            time = time + self.label_emb(summary)
        skips: list[Tensor] = []
        inside: Inside | None = None
        for number, block in enumerate(self.input_blocks):
            if patches is not None:
                inside = Inside(patches, "input", number, self.architecture.widths[0])
            x = block(x, time, context, None, inside)
            if inside is not None:
                x = inside.after_input(x)
            skips.append(x)
            if inside is not None:
                x = inside.down(x)
        if patches is not None:
            inside = Inside(patches, "middle", 0, self.architecture.widths[0])
        if self.architecture.middle is not None:
            x = self.middle_block(x, time, context, None, inside)
        if inside is not None:
            x = inside.after_middle(x)
        sizes = [skip.shape[-2:] for skip in skips]  # an upsampled map takes the size of the skip that it meets next
        for number, block in enumerate(self.output_blocks):
            skip = skips.pop()
            if patches is not None:
                inside = Inside(patches, "output", number, self.architecture.widths[0])
                x, skip = inside.before_output(x, skip)
            x = torch.cat((x, skip), dim=1)
            sizes.pop()
            x = block(x, time, context, sizes[-1] if sizes else None, inside)
        return self.out(x)
