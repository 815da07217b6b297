"""What a network was trained to predict, and with which noise: what the shapes of its weights do not show.

In this order:

1. The marker keys `v_pred` and `ztsnr`, empty tensors that trainers put beside the weights.
2. A diffusers folder's scheduler settings, or ModelSpec's metadata field `modelspec.prediction_type`, "epsilon" or "v"
   (https://github.com/Stability-AI/ModelSpec).
3. For Stable Diffusion 2, whose 512 and 768 models have the same shapes, one weight's spread: the standard deviation
   of `output_blocks.11.1.transformer_blocks.0.norm1.bias` is above 0.09 in those that predict v. ComfyUI decides so.
4. Else the noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdkit.models.reading import Unrecognised

if TYPE_CHECKING:
    from sdkit.models.checkpoint import CheckpointFile
    from sdkit.types import PredictionType

V_MARKER = "v_pred"
ZERO_SNR_MARKER = "ztsnr"
SCHEDULER = "scheduler_config.json: prediction_type"
SCHEDULER_ZERO_SNR = "scheduler_config.json: rescale_betas_zero_snr"
_METADATA = (SCHEDULER, "modelspec.prediction_type")

MARKERS = (V_MARKER, ZERO_SNR_MARKER)

_SAID: dict[str, PredictionType] = {"epsilon": "eps", "eps": "eps", "v": "v", "v_prediction": "v", "v-prediction": "v"}
_TELLING = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"
_SPREAD = 0.09
_OTHERS = {
    "edm_mean": "it was trained with EDM's preconditioning (edm_mean, as Playground v2.5)",
    "edm_vpred.sigma_max": "it was trained with continuous v-prediction (edm_vpred, as CosXL)",
}


@dataclass(frozen=True)
class Trained:
    """What the network predicts, whether the last training step was pure noise (arXiv:2305.08891), and the evidence."""

    prediction: PredictionType
    zero_snr: bool
    why: str


def read_prediction(file: CheckpointFile, *, telling_weight: bool) -> Trained:
    """What a checkpoint predicts. `telling_weight`: whether the third rule applies; it reads one small weight.

    Raises Unrecognised for the marks of trainings that sdkit cannot run.
    """
    for key, reason in _OTHERS.items():
        if key in file.infos:
            raise Unrecognised(f"{reason}, which is not supported")
    zero_snr = ZERO_SNR_MARKER in file.infos or file.metadata.get(SCHEDULER_ZERO_SNR) == "true"
    pure = ", and the noise of its last step is pure" if zero_snr else ""
    if V_MARKER in file.infos:
        return Trained("v", zero_snr, f"predicts v: it has the key {V_MARKER}{pure}")
    for field in _METADATA:
        said = _SAID.get(file.metadata.get(field, "").strip().lower())
        if said is not None:
            zero_snr = zero_snr and said == "v"
            return Trained(said, zero_snr, f"predicts {said}: {field} says so{pure if zero_snr else ''}")
    if telling_weight and _TELLING in file.infos:
        spread = float(file.tensor(_TELLING).float().std(correction=0))
        above = spread > _SPREAD
        why = f"the standard deviation of {_TELLING}, {spread:.3f}, is {'' if above else 'not '}above {_SPREAD}"
        return Trained("v" if above else "eps", False, f"predicts {'v' if above else 'eps'}: {why}")
    return Trained("eps", False, f"predicts eps: no {V_MARKER}, and no metadata that say otherwise")
