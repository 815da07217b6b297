"""Thresholds on denoised latents: Imagen's dynamic thresholding, and the range of another guidance scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from sdkit_guidance.options import DynthreshOptions, GuidanceOptions
from sdkit_guidance.precision import TINY, wide
from sdkit_guidance.scales import changing, interval

if TYPE_CHECKING:
    from sdkit.types import Prediction, Run


def adjustment(run: Run) -> Callable[[Prediction, float], Prediction]:
    """The run's adjustments: the mimicked scale within the interval, then the threshold."""
    guidance, dynthresh = run.option(GuidanceOptions), run.option(DynthreshOptions)
    above, up_to = interval(guidance, run)
    mimicked = dynthresh.mimic_scale
    scale_at = changing(mimicked or 0.0, dynthresh.mimic_scale_min, dynthresh.mimic_mode, dynthresh.sched_val, run)

    def adjust(prediction: Prediction, sigma: float) -> Prediction:
        denoised = prediction.denoised
        if mimicked is not None and prediction.uncond is not None and above < sigma <= up_to:
            reference = prediction.uncond + (prediction.cond - prediction.uncond) * scale_at(sigma)
            denoised = mimic(denoised, reference, dynthresh)
        if guidance.threshold is not None:
            denoised = threshold(denoised, guidance.threshold, guidance.threshold_limit)
        return replace(prediction, denoised=denoised)

    return adjust


def threshold(denoised: torch.Tensor, percentile: float, limit: float) -> torch.Tensor:
    """Imagen's dynamic thresholding (Saharia et al., arXiv:2205.11487, section 2.3), image by image.

    Values are clipped to ±s, s being the percentile of the magnitudes, and scaled so that s becomes `limit`; where s is
    below `limit`, to ±limit, and not scaled. Imagen's limit is 1, the end of the range of pixels.
    """
    values = wide(denoised)
    bound = torch.quantile(values.abs().flatten(1), percentile, dim=1).clamp_min(limit).view(-1, 1, 1, 1)
    return (values.clamp(-bound, bound) * (limit / bound)).to(denoised.dtype)


def mimic(denoised: torch.Tensor, reference: torch.Tensor, options: DynthreshOptions) -> torch.Tensor:
    """`denoised` with the range of values that `reference` has, as sd-dynamic-thresholding does it.

    Statistics are of one image each; there they are of the batch, where channels are not separate.
    """
    values, wanted = wide(denoised), wide(reference)
    means = values.mean((2, 3), keepdim=True)
    centred, wanted = values - means, wanted - wanted.mean((2, 3), keepdim=True)
    std = options.variability_measure == "std"
    has = _reach(centred, None if std else options.threshold_percentile, options.separate_feature_channels)
    wants = _reach(wanted, None if std else 1.0, options.separate_feature_channels)
    if options.scaling_startpoint == "zero":
        result = values * (wants / has.clamp_min(TINY))
    elif std:
        result = centred * (wants / has.clamp_min(TINY)) + means
    else:
        largest = torch.maximum(has, wants).clamp_min(TINY)
        result = centred.clamp(-largest, largest) * (wants / largest) + means
    if options.interpolate_phi != 1:
        result = torch.lerp(values, result, options.interpolate_phi)
    return result.to(denoised.dtype)


def _reach(centred: torch.Tensor, percentile: float | None, separate: bool) -> torch.Tensor:
    """How far values go from their mean, `[B, C or 1, 1, 1]`: the percentile of the magnitudes, or for None the
    standard deviation."""
    flat = centred.flatten(2) if separate else centred.flatten(1)[:, None]
    reach = flat.std(2) if percentile is None else torch.quantile(flat.abs(), percentile, dim=2)
    return reach[..., None, None]
