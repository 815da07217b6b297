"""The techniques as a user sees them: their options with defaults and bounds, which are plugins, too. Imports no
torch; what they compute is in the modules beside this one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from sdkit import hookimpl

if TYPE_CHECKING:
    from sdkit.types import AttentionPatch, BlockPatch, Guide, PatchableEvaluate, Run

STRICT = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

Factor = Annotated[float, Field(ge=0, le=10)]
Percent = Annotated[float, Field(ge=0, le=1)]
Method = Literal["bicubic", "nearest-exact", "bilinear", "area", "bislerp"]


class FreeU(BaseModel):
    """FreeU: weighs what comes from below against what skips over (Si et al., arXiv:2309.11497).

    Where a feature map has four times the channels of the finest level, b1 and s1 count, where it has twice as many, b2
    and s2. Numbers are those of ComfyUI's nodes FreeU and FreeU_V2.
    """

    model_config = STRICT

    b1: Factor | None = None
    """What one half of the channels from below is multiplied by; 1.3, or 1.1 in version 1."""
    b2: Factor | None = None
    """The same at the finer level; 1.4, or 1.2 in version 1."""
    s1: Factor = 0.9
    """What the lowest frequencies of what skips over are multiplied by."""
    s2: Factor = 0.2
    """The same at the finer level."""
    version: Literal[1, 2] = 2
    """2: b counts as far as a pixel's mean over the channels is above the least one of its picture."""

    @hookimpl
    def block_patches(self, run: Run) -> BlockPatch:
        """At the output blocks."""
        from sdkit_unet_patches.freeu import freeu

        first, second = (1.3, 1.4) if self.version == 2 else (1.1, 1.2)
        backbone = first if self.b1 is None else self.b1, second if self.b2 is None else self.b2
        return freeu(backbone, (self.s1, self.s2), by_structure=self.version == 2)


class HyperTile(BaseModel):
    """HyperTile: attention among the pixels within tiles, which makes large pictures faster.

    How many tiles there are along a side changes from layer to layer, by chance: from seeds of its own, the same in
    every run.
    """

    model_config = STRICT

    tile_size: int = Field(default=256, ge=1, le=2048)
    """Least side of a tile, in pixels of the picture; 32 at least."""
    swap_size: int = Field(default=2, ge=1, le=128)
    """From how many sizes of tiles one is chosen."""
    max_depth: int = Field(default=0, ge=0, le=10)
    """At how many resolutions besides that of the latents, each half of the one before."""
    scale_depth: bool = False
    """Whether tiles are twice as large at each of them."""
    as_comfyui: bool = False
    """Compute what ComfyUI's node computes: keys are in strips where queries are in tiles, where pictures are no
    squares, height and width are exchanged, and of the sizes to choose from the largest is left out."""

    @hookimpl
    def attention_patches(self, run: Run) -> AttentionPatch:
        """Around whole layers."""
        from sdkit_unet_patches.hypertile import hypertile

        return hypertile(self)


class TokenMerging(BaseModel):
    """ToMe: similar pixels ask attention one question together, which makes large pictures faster (Bolya and Hoffman,
    arXiv:2303.17604). At the finest level, and of queries alone, as ComfyUI's TomePatchModel does it."""

    model_config = STRICT

    ratio: float = Field(default=0.3, ge=0, le=1)
    """Which share of the pixels is merged into others; of four, at least one is left."""

    @hookimpl
    def attention_patches(self, run: Run) -> AttentionPatch:
        """Around whole layers."""
        from sdkit_unet_patches.tome import tome

        return tome(self.ratio)


class DeepShrink(BaseModel):
    """Deep shrink: the first steps of large pictures see smaller feature maps, so that nothing appears twice (Kohya's,
    as ComfyUI's PatchModelAddDownscale computes it)."""

    model_config = STRICT

    block_number: int = Field(default=3, ge=1, le=32)
    """Behind which input block feature maps are made smaller."""
    downscale_factor: float = Field(default=2.0, ge=0.1, le=9)
    """How much smaller."""
    start_percent: Percent = 0.0
    """From which share of the way, 0 all noise, 1 none."""
    end_percent: Percent = 0.35
    """Up to which."""
    downscale_after_skip: bool = True
    """Whether what skips over keeps its size."""
    downscale_method: Method = "bicubic"
    """How they are made smaller."""
    upscale_method: Method = "bicubic"
    """How they are made larger again."""

    @hookimpl
    def block_patches(self, run: Run) -> BlockPatch:
        """Behind an input block, and before the output blocks."""
        from sdkit_unet_patches.deep_shrink import deep_shrink

        return deep_shrink(self, run.spec)


class SelfAttentionGuidance(BaseModel):
    """SAG: away from a picture that is blurred where the model looks (Hong et al., arXiv:2210.00939). One evaluation of
    the negative branch more in each step."""

    model_config = STRICT

    scale: float = Field(default=0.5, ge=-2, le=5)
    """How far away."""
    blur_sigma: float = Field(default=2.0, ge=0, le=10)
    """The blur's standard deviation, in latent pixels."""

    @hookimpl
    def attention_patches(self, run: Run) -> AttentionPatch:
        """In the middle: what the model looks at."""
        from sdkit_unet_patches.sag import Looked

        return run.stash.get(Looked).patch

    @hookimpl
    def wrap_guidance(self, run: Run, evaluate: PatchableEvaluate) -> Callable[[Guide], Guide]:
        """After the guidance."""
        from sdkit_unet_patches.sag import Looked, away_from_blurred

        return away_from_blurred(self.scale, self.blur_sigma, run.stash.get(Looked), evaluate)


class PerturbedAttentionGuidance(BaseModel):
    """PAG: away from what the model predicts when its pixels do not look at one another (Ahn et al., arXiv:2403.17377).
    One evaluation of the positive branch more in each step."""

    model_config = STRICT

    scale: float = Field(default=3.0, ge=0, le=100)
    """How far away; 0 is off."""

    @hookimpl
    def wrap_guidance(self, run: Run, evaluate: PatchableEvaluate) -> Callable[[Guide], Guide]:
        """After the guidance."""
        from sdkit_unet_patches.pag import away_from_perturbed

        return away_from_perturbed(self.scale, evaluate)


Technique: TypeAlias = (
    DeepShrink | FreeU | HyperTile | TokenMerging | SelfAttentionGuidance | PerturbedAttentionGuidance
)
