"""Guidance: how the predictions of the branches become one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit.types import Prediction

if TYPE_CHECKING:
    import torch

    from sdkit.types import Evaluate, Guide, Run


def cfg(run: Run, evaluate: Evaluate) -> Guide:
    """Classifier-free guidance: uncond + scale·(cond − uncond) (Ho & Salimans, arXiv:2207.12598, eq. 6, scale = w + 1).

    At scale 1 the negative branch would cancel out, so it is not evaluated and `uncond` is None, unless the sampler
    needs it.
    """
    scale = run.request.guidance_scale
    assert scale is not None, "the pipeline resolves requests"

    def unguided(x: torch.Tensor, sigma: float) -> Prediction:
        cond = evaluate(x, sigma, ("positive",))["positive"]
        return Prediction(denoised=cond, cond=cond)

    def guided(x: torch.Tensor, sigma: float) -> Prediction:
        predicted = evaluate(x, sigma, ("negative", "positive"))
        cond, uncond = predicted["positive"], predicted["negative"]
        return Prediction(denoised=uncond + (cond - uncond) * scale, cond=cond, uncond=uncond)

    return unguided if scale == 1 and not run.uncond else guided
