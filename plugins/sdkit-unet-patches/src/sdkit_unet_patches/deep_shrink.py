"""Deep shrink: smaller feature maps behind one block, in the first part of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit.editing import resize
from sdkit.sampling import parameterisation
from sdkit.types import BlockPatch, BlockSite, ModelSpec

if TYPE_CHECKING:
    import torch

    from sdkit_unet_patches.techniques import DeepShrink


def deep_shrink(options: DeepShrink, spec: ModelSpec) -> BlockPatch:
    """Smaller behind one input block, and as large as what skips over before the output blocks that need it."""
    rules = parameterisation(spec)
    first, last = (rules.percent_to_sigma(percent) for percent in (options.start_percent, options.end_percent))

    def shrink(x: torch.Tensor, site: BlockSite) -> torch.Tensor:
        if site.block != options.block_number or not last <= site.call.sigma <= first:
            return x
        height, width = (round(side * (1.0 / options.downscale_factor)) for side in x.shape[-2:])
        return resize(x, width, height, options.downscale_method)

    def enlarge(x: torch.Tensor, skip: torch.Tensor, site: BlockSite) -> tuple[torch.Tensor, torch.Tensor]:
        if x.shape[-2:] == skip.shape[-2:]:
            return x, skip
        return resize(x, skip.shape[-1], skip.shape[-2], options.upscale_method), skip

    if options.downscale_after_skip:
        return BlockPatch(down=shrink, output=enlarge)
    return BlockPatch(input=shrink, output=enlarge)
