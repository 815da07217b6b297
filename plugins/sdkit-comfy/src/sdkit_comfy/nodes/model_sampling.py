"""What a model predicts, at which noise levels, and how its predictions are guided."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sdkit import node
from sdkit_comfy.missing import not_available
from sdkit_comfy.sockets import CONDITIONING, MODEL, Factor, Share
from sdkit_comfy.values.guiding import rescaled
from sdkit_comfy.values.masking import differential

LCM_TIMESTEPS = 50
"""Training timesteps that latent consistency models are distilled on."""

SigmaBound = Annotated[float, Field(ge=0, le=1000)]


@node(name="ModelSamplingDiscrete", category="advanced/model")
def model_sampling_discrete(
    *,
    model: MODEL,
    sampling: Literal["eps", "v_prediction", "lcm", "x0", "img_to_img"] = "eps",
    zsnr: bool = False,
) -> MODEL:
    """What the model's output means: noise, velocity, or what a latent consistency model puts out. `zsnr`: the last
    training timestep is noise alone."""
    if sampling in ("x0", "img_to_img"):
        raise not_available(f"models that predict {sampling} (ModelSamplingDiscrete)")
    lcm = sampling == "lcm"
    changed = model.plus(
        prediction="v" if sampling == "v_prediction" else "eps",
        zero_terminal_snr=zsnr,
        distilled_timesteps=LCM_TIMESTEPS if lcm else None,
    )
    changed.boundary = lcm
    return changed


@node(name="ModelSamplingContinuousEDM", category="advanced/model")
def model_sampling_continuous_edm(
    *,
    model: MODEL,
    sampling: Literal["v_prediction", "edm", "edm_playground_v2.5", "eps", "cosmos_rflow"] = "v_prediction",
    sigma_max: SigmaBound = 120.0,
    sigma_min: SigmaBound = 0.002,
) -> MODEL:
    """Continuous noise levels as EDM has them."""
    raise not_available("continuous noise levels (ModelSamplingContinuousEDM)")


@node(name="ModelSamplingContinuousV", category="advanced/model")
def model_sampling_continuous_v(
    *,
    model: MODEL,
    sampling: Literal["v_prediction"] = "v_prediction",
    sigma_max: SigmaBound = 500.0,
    sigma_min: SigmaBound = 0.03,
) -> MODEL:
    """Continuous noise levels for velocity."""
    raise not_available("continuous noise levels (ModelSamplingContinuousV)")


@node(name="ModelSamplingSD3", category="advanced/model")
def model_sampling_sd3(*, model: MODEL, shift: Factor = 3.0) -> MODEL:
    """How far a flow model's steps are shifted towards much noise."""
    return model.plus(flow_shift=shift)


@node(name="RescaleCFG", category="advanced/model")
def rescale_cfg(*, model: MODEL, multiplier: Share = 0.7) -> MODEL:
    """Guidance whose spread is brought back towards that of the prompt's own prediction."""
    changed = model.clone()
    changed.set_model_sampler_cfg_function(rescaled(multiplier))
    return changed


@node(name="PerpNeg", category="_for_testing")
def perp_neg_model(*, model: MODEL, empty_conditioning: CONDITIONING, neg_scale: Factor = 1.0) -> MODEL:
    """Guidance away from what of the negative prompt is perpendicular to the prompt. PerpNegGuider is newer."""
    changed = model.clone()
    changed.perp_neg = (empty_conditioning, neg_scale)
    return changed


@node(name="DifferentialDiffusion", category="_for_testing")
def differential_diffusion(*, model: MODEL, strength: Share = 1.0) -> MODEL:
    """Noise masks say when each place begins to change: the lighter, the earlier."""
    changed = model.clone()
    changed.mask_at = differential(strength)
    return changed
