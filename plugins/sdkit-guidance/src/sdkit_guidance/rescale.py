"""CFG rescale: guidance spreads the prediction's values; bring their spread back.

Lin, Liu, Li and Yang, arXiv:2305.08891, section 3.4: of the network's output, guided·(φ·std(cond)/std(guided) + 1 − φ).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from sdkit_guidance.precision import TINY, wide

if TYPE_CHECKING:
    import torch

    from sdkit.types import Prediction, PredictionType


def share_of_x(of: Literal["v", "output"], prediction: PredictionType) -> Callable[[float], float]:
    """How much of x is in the quantity to rescale: each is a multiple of share·x − denoised.

    The velocity has 1/(σ² + 1), for whatever model, as ComfyUI's RescaleCFG has it; so does the output of v models. The
    output of eps and flow models has 1: they put out (x − denoised)/σ.
    """
    if of == "v" or prediction == "v":
        return lambda sigma: 1.0 / (sigma * sigma + 1.0)
    return lambda _: 1.0


def rescaled(prediction: Prediction, base: torch.Tensor, strength: float) -> Prediction:
    """`prediction` with base − denoised scaled towards the standard deviation that base − cond has, image by image.

    `base`: the share of x; `strength`: φ. The factors between these differences and the network's units cancel out.
    """
    if prediction.uncond is None:
        return prediction
    guided = prediction.denoised
    ratio = spread(base - prediction.cond) / spread(base - guided).clamp_min(TINY)
    factor = ratio * strength + (1.0 - strength)
    return replace(prediction, denoised=(guided * factor + base * (1.0 - factor)).to(guided.dtype))


def spread(values: torch.Tensor) -> torch.Tensor:
    """The standard deviation of each image's values, `[B, 1, 1, 1]`, in float32 at least."""
    return wide(values).std((1, 2, 3), keepdim=True)
