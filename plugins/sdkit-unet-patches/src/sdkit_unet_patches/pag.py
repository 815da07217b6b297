"""Perturbed-attention guidance (Ahn et al., arXiv:2403.17377), as ComfyUI's node has it: in the middle block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from sdkit.types import Attend, AttentionPatch, AttentionSite, NetworkPatches

if TYPE_CHECKING:
    import torch

    from sdkit.types import Guide, PatchableEvaluate, Prediction


def away_from_perturbed(scale: float, evaluate: PatchableEvaluate) -> Callable[[Guide], Guide]:
    """A guide that adds `scale · (cond − perturbed)`, after its own guidance."""
    perturbed = evaluate.patched(NetworkPatches(attention=(AttentionPatch(mixing=_itself_alone),)))

    def wrap(guide: Guide) -> Guide:
        def guided(x: torch.Tensor, sigma: float) -> Prediction:
            prediction = guide(x, sigma)
            if scale == 0:
                return prediction
            worse = perturbed(x, sigma, ("positive",))["positive"]
            return replace(prediction, denoised=prediction.denoised + (prediction.cond - worse) * scale)

        return guided

    return wrap


def _itself_alone(
    attend: Attend, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, site: AttentionSite
) -> torch.Tensor:
    """In the middle, every pixel looks at itself alone: the map of attention is the identity."""
    if site.part == "middle" and site.kind == "self":
        return value
    return attend(query, key, value)
