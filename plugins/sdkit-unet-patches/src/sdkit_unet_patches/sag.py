"""Self-attention guidance (Hong et al., arXiv:2210.00939), as ComfyUI's node has it.

The picture that the negative branch predicts is blurred where its pixels are looked at most, and gets its noise back;
guidance then leads away from what the model makes of that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from sdkit.types import Attend, AttentionPatch, AttentionSite

if TYPE_CHECKING:
    from sdkit.types import Guide, PatchableEvaluate, Prediction

THRESHOLD = 1.0
"""A pixel is blurred where more than this is looked at it: 1 is what it would be if all were looked at alike."""
KERNEL = 9
"""Latent pixels along the blur's sides."""
NEGATIVE = "negative"


class Looked:
    """How much each pixel of the middle's feature map was looked at, in the negative branch's last evaluation."""

    def __init__(self) -> None:
        self.map: torch.Tensor | None = None
        self.patch = AttentionPatch(mixing=self._mixing)

    def _mixing(
        self, attend: Attend, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, site: AttentionSite
    ) -> torch.Tensor:
        """Keep `[B, 1, h, w]`, the mean over heads of the sum over queries; attention itself goes on as it would."""
        first = (site.part, site.index, site.kind) == ("middle", 0, "self")
        if first and site.call.whole and query.shape[2] == key.shape[2] == site.size[0] * site.size[1]:
            for rows in site.call.rows(NEGATIVE)[:1]:
                weights = (query[rows].float() @ key[rows].float().mT * query.shape[-1] ** -0.5).softmax(dim=-1)
                self.map = weights.mean(dim=1).sum(dim=1).unflatten(1, site.size)[:, None]
        return attend(query, key, value)


def away_from_blurred(
    scale: float, blur_sigma: float, looked: Looked, evaluate: PatchableEvaluate
) -> Callable[[Guide], Guide]:
    """A guide that adds `scale · (blurred − what the model makes of it)`, after its own guidance.

    Latents of 4 pixels or less along a side are too small to blur, and a model without attention in the middle looks at
    nothing: both are left alone.
    """

    def wrap(guide: Guide) -> Guide:
        def guided(x: torch.Tensor, sigma: float) -> Prediction:
            looked.map = None
            prediction = guide(x, sigma)
            uncond = prediction.uncond
            if uncond is None:  # the guidance did without
                uncond = evaluate(x, sigma, (NEGATIVE,))[NEGATIVE]
            if looked.map is None or min(x.shape[-2:]) <= KERNEL // 2:
                return prediction
            shown = F.interpolate((looked.map > THRESHOLD).to(uncond), size=x.shape[-2:])
            blurred = blur(uncond, blur_sigma) * shown + uncond * (1 - shown)
            better = evaluate(blurred + x - uncond, sigma, (NEGATIVE,))[NEGATIVE]
            return replace(prediction, denoised=prediction.denoised + (blurred - better) * scale)

        return guided

    return wrap


def blur(latents: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian blur of `[B, C, h, w]`, mirrored at the edges; 0 is none. `h` and `w` are at least 5."""
    if sigma == 0:
        return latents
    half = KERNEL // 2
    line = torch.exp(-0.5 * (torch.arange(-half, half + 1, dtype=torch.float32) / sigma) ** 2)
    line = (line / line.sum()).to(latents)
    kernel = (line[:, None] * line[None, :]).expand(latents.shape[1], 1, -1, -1)
    padded = F.pad(latents, (half, half, half, half), mode="reflect")
    return F.conv2d(padded, kernel, groups=latents.shape[1])
