"""SAG and PAG: their formulas, at the predictions that a run makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import sdkit
from sdkit import Pipeline
from sdkit.types import Attend, AttentionPatch, AttentionSite, Guide, PatchableEvaluate, Prediction, Run, StepDone
from sdkit_unet_patches import PerturbedAttentionGuidance, SelfAttentionGuidance
from sdkit_unet_patches.sag import blur

ASKED: dict[str, Any] = {"width": 64, "height": 128, "steps": 1, "sampler": "euler", "guidance_scale": 3.0, "seed": 3}


class Beside:
    """A plugin that evaluates the branches of the first step once more, with maps of what the middle looks at."""

    def __init__(self) -> None:
        self.weights: list[torch.Tensor] = []
        self.evaluate: PatchableEvaluate | None = None

    @sdkit.hookimpl(tryfirst=True)
    def wrap_guidance(self, run: Run, evaluate: PatchableEvaluate) -> Callable[[Guide], Guide]:
        self.evaluate = evaluate
        return lambda guide: guide

    @sdkit.hookimpl
    def attention_patches(self, run: Run) -> AttentionPatch:
        return AttentionPatch(mixing=self.mixing)

    def mixing(
        self, attend: Attend, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, site: AttentionSite
    ) -> torch.Tensor:
        if (site.part, site.kind) == ("middle", "self"):
            scores = torch.einsum("bhid,bhjd->bhij", query, key) / query.shape[-1] ** 0.5
            self.weights.append(scores.softmax(-1))
        return attend(query, key, value)


def first(pipe: Pipeline, *plugins: object, **fields: Any) -> tuple[torch.Tensor, float, Prediction]:
    """x, sigma and prediction of the first step."""
    steps = [e.step for e in pipe.using(*plugins).stream("a cat", **{**ASKED, **fields}) if isinstance(e, StepDone)]
    return steps[0].x_in, steps[0].sigma, steps[0].prediction


def test_pag_leads_away_from_a_middle_that_does_not_look(pipe: Pipeline) -> None:
    class Blind:
        @sdkit.hookimpl
        def attention_patches(self, run: Run) -> AttentionPatch:
            def mixing(attend: Attend, *given: Any) -> torch.Tensor:
                query, key, value, site = given
                return value if (site.part, site.kind) == ("middle", "self") else attend(query, key, value)

            return AttentionPatch(mixing=mixing)

    _, _, plain = first(pipe)
    _, _, blind = first(pipe, Blind())
    _, _, guided = first(pipe, PerturbedAttentionGuidance(scale=2.0))
    torch.testing.assert_close(guided.denoised, plain.denoised + 2 * (plain.cond - blind.cond), atol=1e-4, rtol=1e-4)
    assert float((plain.cond - blind.cond).abs().max()) > 1e-4
    assert torch.equal(guided.cond, plain.cond)
    _, _, off = first(pipe, PerturbedAttentionGuidance(scale=0.0))
    assert torch.equal(off.denoised, plain.denoised)


@pytest.mark.parametrize("scale", [3.0, 1.0])
def test_sag_leads_away_from_what_is_blurred_where_the_model_looks(pipe: Pipeline, scale: float) -> None:
    beside = Beside()
    _, _, plain = first(pipe, guidance_scale=scale)
    x, sigma, guided = first(pipe, beside, SelfAttentionGuidance(scale=0.5, blur_sigma=2.0), guidance_scale=scale)
    assert beside.evaluate is not None
    uncond = beside.evaluate(x, sigma, ("negative",))["negative"]
    weights = beside.weights[-1]
    assert weights.shape[1:] == (8, 8, 8), "heads, and the pixels of a middle of four by two"
    looked = weights[0].mean(0).sum(0).view(1, 1, 4, 2) > 1
    assert 0 < looked.sum() < 8
    mask = looked.float().repeat_interleave(4, 2).repeat_interleave(4, 3)
    blurred = torch.where(mask > 0, blur(uncond, 2.0), uncond)
    worse = beside.evaluate(blurred + x - uncond, sigma, ("negative",))["negative"]
    torch.testing.assert_close(guided.denoised, plain.denoised + 0.5 * (blurred - worse), atol=1e-3, rtol=1e-3)
    assert float((blurred - worse).abs().max()) > 1e-3


def test_blur_is_gaussian_and_mirrored() -> None:
    x = torch.randn(1, 2, 9, 9, generator=torch.Generator().manual_seed(0))
    padded = F.pad(x, (4, 4, 4, 4), mode="reflect")
    distance = torch.arange(-4, 5) ** 2
    kernel = torch.exp(-(distance[:, None] + distance) / 8)
    expected = torch.zeros_like(x)
    for row in range(9):
        for column in range(9):
            window = padded[:, :, row : row + 9, column : column + 9]
            expected[:, :, row, column] = (window * kernel / kernel.sum()).sum((2, 3))
    torch.testing.assert_close(blur(x, 2.0), expected)
    assert blur(x, 0.0) is x


def test_sag_leaves_alone_what_is_too_small_to_blur(pipe: Pipeline) -> None:
    small = {"width": 32, "height": 64}
    _, _, plain = first(pipe, **small)
    _, _, guided = first(pipe, SelfAttentionGuidance(), **small)
    assert torch.equal(guided.denoised, plain.denoised)
