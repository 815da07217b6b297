"""Sampling: schedules, samplers, noise, guidance, and the parameterisations (eps, v, flow) behind one denoiser.

Names are loaded when first used: importing this package imports no torch, so samplers can be listed quickly.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdkit.sampling.alpha import Alpha, alpha_of, with_alpha
    from sdkit.sampling.evaluate import make_evaluate, stack_embeddings
    from sdkit.sampling.guidance import cfg
    from sdkit.sampling.noise import BrownianNoise, SeededNoise, noise_for
    from sdkit.sampling.parameterisations import Parameterisation, parameterisation
    from sdkit.sampling.samplers.maths import Ancestral, Churn, ancestral_step, churn, ddim_step, to_d
    from sdkit.sampling.samplers.options import AncestralOptions, ChurnOptions
    from sdkit.sampling.schedules import check_sigmas, sigmas_for

__all__ = [
    "Alpha",
    "Ancestral",
    "AncestralOptions",
    "BrownianNoise",
    "Churn",
    "ChurnOptions",
    "Parameterisation",
    "SeededNoise",
    "alpha_of",
    "ancestral_step",
    "cfg",
    "check_sigmas",
    "churn",
    "ddim_step",
    "make_evaluate",
    "noise_for",
    "parameterisation",
    "sigmas_for",
    "stack_embeddings",
    "to_d",
    "with_alpha",
]

_HOMES = {
    "Alpha": "alpha",
    "Ancestral": "samplers.maths",
    "AncestralOptions": "samplers.options",
    "BrownianNoise": "noise",
    "Churn": "samplers.maths",
    "ChurnOptions": "samplers.options",
    "Parameterisation": "parameterisations",
    "SeededNoise": "noise",
    "alpha_of": "alpha",
    "ancestral_step": "samplers.maths",
    "cfg": "guidance",
    "check_sigmas": "schedules",
    "churn": "samplers.maths",
    "ddim_step": "samplers.maths",
    "make_evaluate": "evaluate",
    "noise_for": "noise",
    "parameterisation": "parameterisations",
    "sigmas_for": "schedules",
    "stack_embeddings": "evaluate",
    "to_d": "samplers.maths",
    "with_alpha": "alpha",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'sdkit.sampling' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(f"sdkit.sampling.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
