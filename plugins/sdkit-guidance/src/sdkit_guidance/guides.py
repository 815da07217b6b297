"""The guidances: which branches are evaluated, how they become one, and what all of them share.

`cond` and `uncond` of what they return are what the two branches predicted, whatever happened to `denoised`: samplers
such as CFG++ build on them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sdkit import sampling
from sdkit.sampling import make_evaluate, parameterisation
from sdkit.types import Conditioning, Prediction, Prompt
from sdkit_guidance.options import ApgOptions, DynthreshOptions, GuidanceOptions, PerpNegOptions
from sdkit_guidance.projections import Momentum, perpendicular, tamed
from sdkit_guidance.rescale import rescaled, share_of_x
from sdkit_guidance.scales import guidance_scale, interval

if TYPE_CHECKING:
    import torch

    from sdkit.types import Evaluate, Guide, Run

Combine = Callable[["torch.Tensor", float, float], Prediction]
"""`(x, sigma, scale)` → the guided prediction."""


def cfg(run: Run, evaluate: Evaluate) -> Guide:
    """Classifier-free guidance; sdkit's own unless there is an interval, a rescale or a scale that changes."""
    options = run.option(GuidanceOptions)
    plain = options.rescale == 0 and options.interval is None and options.interval_percent is None
    if plain and run.option(DynthreshOptions).cfg_mode == "constant":
        return sampling.cfg(run, evaluate)
    alone = unguided(run, evaluate)

    def combine(x: torch.Tensor, sigma: float, scale: float) -> Prediction:
        return alone(x, sigma) if scale == 1 else _cfg(evaluate, x, sigma, scale)

    return controlled(run, evaluate, combine)


def apg(run: Run, evaluate: Evaluate) -> Guide:
    """Adaptive projected guidance: cond + (scale − 1)·Δ, Δ tamed (Sadat, Hilliges and Weber, arXiv:2410.02416).

    Δ is cond − uncond of the denoised latents; with `eta` 1, no threshold and no momentum, this is cfg to the bit.
    """
    options = run.option(ApgOptions)
    alone, momentum = unguided(run, evaluate), Momentum(options.momentum)

    def combine(x: torch.Tensor, sigma: float, scale: float) -> Prediction:
        if scale == 1:
            return alone(x, sigma)
        plain = _cfg(evaluate, x, sigma, scale)
        assert plain.uncond is not None
        update = plain.cond - plain.uncond
        changed = tamed(momentum(update, sigma), plain.cond, options.eta, options.norm_threshold)
        return Prediction(plain.denoised + (changed - update) * (scale - 1), plain.cond, plain.uncond)

    return controlled(run, evaluate, combine)


def perp_neg(run: Run, evaluate: Evaluate) -> Guide:
    """Perp-Neg: of the way to the negative prompt, only what is perpendicular to the way to the positive one is undone.

    empty + scale·(p − neg_scale·n⊥), where p and n lead from the empty prompt's prediction to the positive and the
    negative one's, and n⊥ = n − ⟨n, p⟩/‖p‖²·p (Armandpour et al., arXiv:2304.04968). Evaluates three branches, the
    empty one in a call of its own.
    """
    options, empty_of = run.option(PerpNegOptions), empty_prompt(run)

    def combine(x: torch.Tensor, sigma: float, scale: float) -> Prediction:
        predicted = evaluate(x, sigma, ("negative", "positive"))
        cond, uncond, empty = predicted["positive"], predicted["negative"], empty_of(x, sigma)
        towards = cond - empty
        away = perpendicular(uncond - empty, towards) * options.neg_scale
        return Prediction(empty + (towards - away) * scale, cond, uncond)

    return controlled(run, evaluate, combine)


def controlled(run: Run, evaluate: Evaluate, combine: Combine) -> Guide:
    """`combine` with what every guidance here has: the interval, the scale at each sigma, the rescale."""
    options = run.option(GuidanceOptions)
    above, up_to = interval(options, run)
    scale_at, alone = guidance_scale(run.option(DynthreshOptions), run), unguided(run, evaluate)
    share = share_of_x(options.rescale_of, run.spec.prediction)

    def guide(x: torch.Tensor, sigma: float) -> Prediction:
        if not above < sigma <= up_to:
            return alone(x, sigma)
        prediction = combine(x, sigma, scale_at(sigma))
        return rescaled(prediction, x * share(sigma), options.rescale) if options.rescale > 0 else prediction

    return guide


def unguided(run: Run, evaluate: Evaluate) -> Guide:
    """The positive branch alone; the negative one runs along only where the sampler needs it."""
    names = ("negative", "positive") if run.uncond else ("positive",)

    def guide(x: torch.Tensor, sigma: float) -> Prediction:
        predicted = evaluate(x, sigma, names)
        return Prediction(predicted["positive"], predicted["positive"], predicted.get("negative"))

    return guide


def empty_prompt(run: Run) -> Callable[[torch.Tensor, float], torch.Tensor]:
    """`(x, sigma)` → the denoised latents that the model predicts for the empty prompt."""
    embedding = run.model.encode_text(Prompt("", ()), run.request.clip_skip or 1)
    conditioning = Conditioning(positive=(embedding,), negative=(embedding,))
    evaluate = make_evaluate(run.model, parameterisation(run.spec), conditioning, run.network)
    return lambda x, sigma: evaluate(x, sigma, ("positive",))["positive"]


def _cfg(evaluate: Evaluate, x: torch.Tensor, sigma: float, scale: float) -> Prediction:
    predicted = evaluate(x, sigma, ("negative", "positive"))
    cond, uncond = predicted["positive"], predicted["negative"]
    return Prediction(uncond + (cond - uncond) * scale, cond, uncond)
