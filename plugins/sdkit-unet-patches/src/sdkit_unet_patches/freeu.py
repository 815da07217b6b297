"""FreeU's numbers (Si et al., arXiv:2309.11497, section 4), as ComfyUI's nodes have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch

from sdkit.types import BlockPatch, BlockSite

_Transform = Callable[[torch.Tensor], torch.Tensor]

LEVELS = 4, 2
"""Channels of the feature maps that are changed, as multiples of the finest level's."""


def freeu(backbone: tuple[float, float], skips: tuple[float, float], *, by_structure: bool) -> BlockPatch:
    """At both levels, the coarser one first: what comes from below times `backbone`, in one half of its channels; the
    lowest frequencies of what skips over times `skips`. `by_structure`: the factor of version 2."""

    def output(x: torch.Tensor, skip: torch.Tensor, site: BlockSite) -> tuple[torch.Tensor, torch.Tensor]:
        width = x.shape[1]
        for level, b, s in zip(LEVELS, backbone, skips, strict=True):
            if width == level * site.base:
                factor = (b - 1) * structure(x) + 1 if by_structure else b
                changed = torch.cat((x[:, : width // 2] * factor, x[:, width // 2 :]), dim=1)
                return changed, with_low_frequencies_times(skip, s)
        return x, skip

    return BlockPatch(output=output)


def structure(x: torch.Tensor) -> torch.Tensor:
    """`[R, C, h, w]` → `[R, 1, h, w]`: the mean over channels, in each row from 0 at its least to 1 at its largest; all
    0 where it is flat, which ComfyUI's nodes make NaN of."""
    mean = x.mean(dim=1, keepdim=True)
    least, largest = (limit(mean, dim=(2, 3), keepdim=True) for limit in (torch.amin, torch.amax))
    spread = largest - least
    return (mean - least) / torch.where(spread == 0, torch.ones_like(spread), spread)


def with_low_frequencies_times(x: torch.Tensor, factor: float) -> torch.Tensor:
    """The four frequencies of which both coordinates are 0 or −1, multiplied; the rest as it is. Computed in
    float32."""
    transform, back = cast("_Transform", torch.fft.fft2), cast("_Transform", torch.fft.ifft2)
    spectrum = transform(x.float())
    low = torch.zeros(x.shape[-2:], dtype=torch.bool, device=x.device)
    for row in (0, -1):
        for column in (0, -1):
            low[row, column] = True
    spectrum = torch.where(low, spectrum * factor, spectrum)
    return back(spectrum).real.to(x.dtype)
