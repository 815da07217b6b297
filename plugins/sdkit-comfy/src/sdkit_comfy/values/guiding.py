"""Guidance as ComfyUI has it: functions that nodes put on a model, which make one prediction of the branches'.

A model's options may hold `sampler_cfg_function`, which replaces classifier-free guidance, and lists of functions
before and after it, `sampler_pre_cfg_function` and `sampler_post_cfg_function`. Each is called with a dictionary:
`cond` and `uncond` (x minus the predictions), `cond_denoised`, `uncond_denoised`, `denoised`, `cond_scale`, `input`
(x), `sigma`, `timestep`, `model_options`. Predictions are of clean latents, scaled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from sdkit.hookspecs import hookimpl
from sdkit.sampling import make_evaluate, parameterisation
from sdkit.types import Conditioning, Prediction

if TYPE_CHECKING:
    from sdkit.hookspecs import RegisterGuidance
    from sdkit.types import Embedding, Evaluate, Guide, Run

NAME = "comfy"
"""The guidance's name in requests."""

KEYS = ("sampler_cfg_function", "sampler_pre_cfg_function", "sampler_post_cfg_function")

Parts: TypeAlias = Mapping[str, torch.Tensor]
"""Predictions by name: "positive", "negative", "third"."""

Cfg: TypeAlias = Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]
"""`(cond, uncond, scale)` → the guided prediction, by what the model's options hold."""

Combine: TypeAlias = Callable[[Parts, float, Cfg], torch.Tensor]
"""`(predictions, scale, cfg)` → the guided prediction, where there are three branches."""


def is_changed(options: Mapping[str, Any]) -> bool:
    """Whether a model's options change its guidance."""
    return any(options.get(key) for key in KEYS)


class Guided:
    """A plugin for one run: registers the guidance "comfy", which does what the model's options and the guider say."""

    def __init__(
        self,
        options: Mapping[str, Any],
        third: Sequence[Embedding] = (),
        combine: Combine | None = None,
        *,
        boundary: bool = False,
    ) -> None:
        """`third`: the third branch, for `combine`. `boundary`: whether predictions are a consistency model's."""
        self._options, self._third, self._combine, self._boundary = options, tuple(third), combine, boundary

    @hookimpl
    def register_guidance(self, register: RegisterGuidance) -> None:
        """The guidance of this run."""
        register(NAME, self.guidance)

    def guidance(self, run: Run, evaluate: Evaluate) -> Guide:
        """`(run, evaluate)` → `guide(x, sigma)`."""
        scale = run.request.guidance_scale
        assert scale is not None, "the pipeline resolves requests"
        options, combine = self._options, self._combine
        alone = math.isclose(scale, 1.0) and not options.get("disable_cfg1_optimization") and not run.uncond
        rules = parameterisation(run.spec)
        third = make_evaluate(run.model, rules, Conditioning(self._third, ()), run.network)

        def guide(x: torch.Tensor, sigma: float) -> Prediction:
            names = ("positive",) if alone and combine is None else ("negative", "positive")
            found = evaluate(x, sigma, names)
            if combine is not None:
                found["third"] = third(x, sigma, ("positive",))["positive"]
            if self._boundary:
                found = {name: _bounded(x, each, rules.timestep(sigma)) for name, each in found.items()}
            cond, uncond = found["positive"], found.get("negative")
            nothing = torch.zeros_like(x) if uncond is None else uncond

            def cfg(cond: torch.Tensor, uncond: torch.Tensor, scale: float) -> torch.Tensor:
                return _guided(options, x, sigma, cond, uncond, scale)

            made = cfg(cond, nothing, scale) if combine is None else combine(found, scale, cfg)
            return Prediction(denoised=made, cond=cond, uncond=uncond)

        return guide


def _bounded(x: torch.Tensor, denoised: torch.Tensor, timestep: float) -> torch.Tensor:
    """What a latent consistency model means by its output: c_out·denoised + c_skip·x, so that at timestep 0 it is x
    (Luo et al., arXiv:2310.04378, with σ_data = 0.5 and timesteps times 10)."""
    data, time = 0.25, (timestep * 10.0) ** 2
    return denoised * math.sqrt(time / (time + data)) + x * (data / (time + data))


def _guided(
    options: Mapping[str, Any],
    x: torch.Tensor,
    sigma: float,
    cond: torch.Tensor,
    uncond: torch.Tensor,
    scale: float,
) -> torch.Tensor:
    """One prediction of two, by a model's functions."""
    sigmas = torch.full((len(x),), sigma, dtype=x.dtype, device=x.device)
    known: dict[str, Any] = {
        "cond_scale": scale,
        "timestep": sigmas,
        "sigma": sigmas,
        "input": x,
        "model_options": options,
    }
    for change in options.get("sampler_pre_cfg_function", ()):
        cond, uncond = change({**known, "conds_out": [cond, uncond]})[:2]
    known |= {"cond_denoised": cond, "uncond_denoised": uncond}
    replacing = options.get("sampler_cfg_function")
    if replacing is not None:
        made = x - replacing({**known, "cond": x - cond, "uncond": x - uncond})
    else:
        made = uncond + (cond - uncond) * scale
    for change in options.get("sampler_post_cfg_function", ()):
        made = change({**known, "denoised": made})
    return made


# ── what nodes put there ─────────────────────────────────────────────────────────────────────────────────────────────


def rescaled(multiplier: float) -> Callable[[Mapping[str, Any]], torch.Tensor]:
    """CFG rescale on the velocity, whatever the model predicts (Lin et al., arXiv:2305.08891, section 3.4).

    Each v is (x/(σ² + 1) − denoised)·√(σ² + 1)/σ; the guided one is scaled towards the spread of the positive one.
    """

    def function(known: Mapping[str, Any]) -> torch.Tensor:
        x: torch.Tensor = known["input"]
        sigma: torch.Tensor = known["sigma"].view(-1, *[1] * (x.ndim - 1))
        square = sigma * sigma + 1.0
        base, unit = x / square, square.sqrt() / sigma
        cond, uncond = (base - known[f"{branch}_denoised"] for branch in ("cond", "uncond"))
        cond, uncond = cond * unit, uncond * unit
        guided = uncond + known["cond_scale"] * (cond - uncond)
        axes = tuple(range(1, x.ndim))
        spread = cond.std(axes, keepdim=True) / guided.std(axes, keepdim=True)
        final = guided * spread * multiplier + guided * (1.0 - multiplier)
        return x - (base - final / unit)

    return function


def by_perp_neg(negative_scale: float) -> Combine:
    """Perp-Neg: of the negative direction, only what is perpendicular to the positive one (arXiv:2304.04968).

    Directions are from the third branch, that of an empty prompt. Lengths are of the whole batch together.
    """

    def combine(parts: Parts, scale: float, _: Cfg) -> torch.Tensor:
        empty = parts["third"]
        positive, negative = parts["positive"] - empty, parts["negative"] - empty
        along = (negative * positive).sum() / positive.square().sum()
        return empty + scale * (positive - (negative - along * positive) * negative_scale)

    return combine


def dual(second_scale: float, *, nested: bool) -> Combine:
    """Two prompts, "positive" and "third": the first is guided against the second by `scale`, and the second against
    the negative one by `second_scale`. `nested`: what comes of the two prompts is guided against the negative one."""

    def combine(parts: Parts, scale: float, cfg: Cfg) -> torch.Tensor:
        first, second, negative = parts["positive"], parts["third"], parts["negative"]
        if nested:
            return negative + second_scale * (cfg(first, second, scale) - negative)
        return cfg(second, negative, second_scale) + (first - second) * scale

    return combine
