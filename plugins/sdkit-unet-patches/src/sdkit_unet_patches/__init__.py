"""Inside the U-Net: FreeU, HyperTile, token merging, deep shrink, self-attention and perturbed-attention guidance.

Each is a plugin of its own, for one pipeline: `pipe.using(FreeU(b1=1.3))`. Installed, this package does the same for
requests: a technique is on where the request gives one of its options, such as `freeu.b1`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from sdkit import hookimpl
from sdkit_unet_patches.techniques import (
    DeepShrink,
    FreeU,
    HyperTile,
    PerturbedAttentionGuidance,
    SelfAttentionGuidance,
    Technique,
    TokenMerging,
)

if TYPE_CHECKING:
    from sdkit.hookspecs import RegisterOptions
    from sdkit.types import AttentionPatch, BlockPatch, Guide, PatchableEvaluate, Run

__all__ = [
    "DeepShrink",
    "FreeU",
    "HyperTile",
    "PerturbedAttentionGuidance",
    "SelfAttentionGuidance",
    "TokenMerging",
]

__version__ = "0.1.0"

NAMESPACES: dict[str, type[Technique]] = {
    "deep_shrink": DeepShrink,
    "freeu": FreeU,
    "hypertile": HyperTile,
    "tome": TokenMerging,
    "sag": SelfAttentionGuidance,
    "pag": PerturbedAttentionGuidance,
}
"""In the order in which they are applied where a request asks for several."""


@hookimpl
def register_options(register: RegisterOptions) -> None:
    """`deep_shrink.…`, `freeu.…`, `hypertile.…`, `tome.…`, `sag.…`, `pag.…`."""
    for namespace, technique in NAMESPACES.items():
        register(namespace, technique)


@hookimpl
def attention_patches(run: Run) -> tuple[AttentionPatch, ...]:
    """HyperTile, token merging, and what SAG looks at."""
    kinds = HyperTile, TokenMerging, SelfAttentionGuidance
    return tuple(each.attention_patches(run) for each in _asked(run) if isinstance(each, kinds))


@hookimpl
def block_patches(run: Run) -> tuple[BlockPatch, ...]:
    """Deep shrink, then FreeU."""
    return tuple(each.block_patches(run) for each in _asked(run) if isinstance(each, (DeepShrink, FreeU)))


@hookimpl
def wrap_guidance(run: Run, evaluate: PatchableEvaluate) -> Callable[[Guide], Guide] | None:
    """SAG, then PAG."""
    kinds = SelfAttentionGuidance, PerturbedAttentionGuidance
    around = [each.wrap_guidance(run, evaluate) for each in _asked(run) if isinstance(each, kinds)]
    if not around:
        return None

    def wrap(guide: Guide) -> Guide:
        for each in around:
            guide = each(guide)
        return guide

    return wrap


def _asked(run: Run) -> Iterator[Technique]:
    """The techniques that the request gives options of."""
    options = (run.option(technique) for technique in NAMESPACES.values())
    return (each for each in options if each.model_fields_set)
