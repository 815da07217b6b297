"""Models mixed, while nothing is written: what comes of it is computed when it is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from sdkit import node
from sdkit.graph import Input, NodeType, Output
from sdkit_comfy.missing import not_available
from sdkit_comfy.sockets import CLIP, MODEL, VAE, Share
from sdkit_comfy.values.merging import Amounts, Mixed
from sdkit_comfy.values.networks import Clip, Model

CATEGORY = "advanced/model_merging"

Multiplier = Annotated[float, Field(ge=-10, le=10)]


def _models(model1: Model, model2: Model, own: float, other: float) -> Model:
    return model1.with_changes(Mixed(model2.pipe, model2.changes, lambda _: (own, other), "unet"))


def _clips(clip1: Clip, clip2: Clip, own: float, other: float) -> Clip:
    return clip1.with_changes(Mixed(clip2.pipe, clip2.changes, lambda _: (own, other), "text"))


@node(name="ModelMergeSimple", category=CATEGORY)
def model_merge_simple(*, model1: MODEL, model2: MODEL, ratio: Share = 1.0) -> MODEL:
    """A weighted mean; 1 is the first model alone."""
    return _models(model1, model2, ratio, 1.0 - ratio)


@node(name="ModelMergeSubtract", category=CATEGORY)
def model_merge_subtract(*, model1: MODEL, model2: MODEL, multiplier: Multiplier = 1.0) -> MODEL:
    """(first − second)·multiplier."""
    return _models(model1, model2, multiplier, -multiplier)


@node(name="ModelMergeAdd", category=CATEGORY)
def model_merge_add(*, model1: MODEL, model2: MODEL) -> MODEL:
    """Their sum."""
    return _models(model1, model2, 1.0, 1.0)


@node(name="CLIPMergeSimple", category=CATEGORY)
def clip_merge_simple(*, clip1: CLIP, clip2: CLIP, ratio: Share = 1.0) -> CLIP:
    """A weighted mean; 1 is the first one alone."""
    return _clips(clip1, clip2, ratio, 1.0 - ratio)


@node(name="CLIPMergeSubtract", category=CATEGORY)
def clip_merge_subtract(*, clip1: CLIP, clip2: CLIP, multiplier: Multiplier = 1.0) -> CLIP:
    """(first − second)·multiplier."""
    return _clips(clip1, clip2, multiplier, -multiplier)


@node(name="CLIPMergeAdd", category=CATEGORY)
def clip_merge_add(*, clip1: CLIP, clip2: CLIP) -> CLIP:
    """Their sum."""
    return _clips(clip1, clip2, 1.0, 1.0)


# ── by blocks ────────────────────────────────────────────────────────────────────────────────────────────────────────


def merge_blocks(*, model1: Model, model2: Model, **ratios: float) -> Model:
    """A weighted mean with a ratio for each beginning of weights' names, the longest that fits; what none fits has the
    first ratio."""
    first = next(iter(ratios.values()))

    def amounts(name: str) -> Amounts:
        fitting = max((start for start in ratios if name.startswith(start)), key=len, default=None)
        ratio = first if fitting is None else ratios[fitting]
        return ratio, 1.0 - ratio

    return model1.with_changes(Mixed(model2.pipe, model2.changes, amounts, "unet"))


def _by_blocks(name: str, blocks: Iterator[str]) -> NodeType:
    """The kind of node with a ratio for each of these beginnings. Its inputs have names that no function's can."""
    return NodeType(
        name=name,
        function=merge_blocks,
        inputs=(
            Input("model1", "MODEL"),
            Input("model2", "MODEL"),
            *(Input(block, "float", required=False, default=1.0, ge=0, le=1) for block in blocks),
        ),
        outputs=(Output("model", "MODEL"),),
        title=name,
        category=CATEGORY if name == "ModelMergeBlocks" else f"{CATEGORY}/model_specific",
        summary="A weighted mean, with a ratio for each block.",
    )


def _blocks(count: int, end: str) -> Iterator[str]:
    yield from ("time_embed.", "label_emb.")
    yield from (f"input_blocks.{i}{end}" for i in range(count))
    yield from (f"middle_block.{i}{end}" for i in range(3))
    yield from (f"output_blocks.{i}{end}" for i in range(count))
    yield "out."


BLOCKS = _by_blocks("ModelMergeBlocks", iter(("input", "middle", "out")))
SD1 = _by_blocks("ModelMergeSD1", _blocks(12, "."))
SDXL = _by_blocks("ModelMergeSDXL", _blocks(9, ""))


# ── saving ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@node(name="CheckpointSave", category=CATEGORY)
def checkpoint_save(*, model: MODEL, clip: CLIP, vae: VAE, filename_prefix: str = "checkpoints/ComfyUI") -> None:
    """Write a checkpoint."""
    raise not_available("writing models from graphs (CheckpointSave); `sdkit merge` does")


@node(name="ModelSave", category=CATEGORY)
def model_save(*, model: MODEL, filename_prefix: str = "diffusion_models/ComfyUI") -> None:
    """Write a noise predictor."""
    raise not_available("writing models from graphs (ModelSave); `sdkit merge` does")


@node(name="CLIPSave", category=CATEGORY)
def clip_save(*, clip: CLIP, filename_prefix: str = "clip/ComfyUI") -> None:
    """Write text encoders."""
    raise not_available("writing models from graphs (CLIPSave); `sdkit merge` does")


@node(name="VAESave", category=CATEGORY)
def vae_save(*, vae: VAE, filename_prefix: str = "vae/ComfyUI_vae") -> None:
    """Write a VAE."""
    raise not_available("writing models from graphs (VAESave); `sdkit merge` does")
