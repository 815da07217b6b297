"""Sampling: schedules, samplers, noise, guidance, and the parameterisations (eps, v, flow) behind one denoiser.

Names are loaded when first used: importing this package imports no torch, so samplers can be listed quickly.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from sdkit.sigmas import flow_sigmas, scaled_linear_sigmas, zero_terminal_snr

if TYPE_CHECKING:
    from sdkit.sampling.alpha import Alpha, alpha_of, with_alpha
    from sdkit.sampling.conditioning import (
        average,
        combine,
        compose,
        concat,
        with_area,
        with_mask,
        with_range,
        with_strength,
        zero_out,
    )
    from sdkit.sampling.evaluate import make_evaluate, stack_embeddings
    from sdkit.sampling.guidance import cfg
    from sdkit.sampling.noise.brownian import BrownianNoise
    from sdkit.sampling.noise.of_run import noise_for, starting_noise
    from sdkit.sampling.noise.variation import slerp, with_noise_offset
    from sdkit.sampling.noise.white import SeededNoise
    from sdkit.sampling.parameterisations import Parameterisation, parameterisation, sampling_spec
    from sdkit.sampling.samplers.maths import Ancestral, Churn, ancestral_step, churn, ddim_step, to_d
    from sdkit.sampling.samplers.options import AncestralOptions, ChurnOptions, SdeOptions
    from sdkit.sampling.schedules import (
        AlignYourStepsOptions,
        BetaOptions,
        KarrasOptions,
        LaplaceOptions,
        LinearQuadraticOptions,
        PolyexponentialOptions,
        VpOptions,
        check_sigmas,
        flip_sigmas,
        join_sigmas,
        sigmas_for,
        split_sigmas,
        split_sigmas_at,
        step_range,
    )

__all__ = [
    "AlignYourStepsOptions",
    "Alpha",
    "Ancestral",
    "AncestralOptions",
    "BetaOptions",
    "BrownianNoise",
    "Churn",
    "ChurnOptions",
    "KarrasOptions",
    "LaplaceOptions",
    "LinearQuadraticOptions",
    "Parameterisation",
    "PolyexponentialOptions",
    "SdeOptions",
    "SeededNoise",
    "VpOptions",
    "alpha_of",
    "ancestral_step",
    "average",
    "cfg",
    "check_sigmas",
    "churn",
    "combine",
    "compose",
    "concat",
    "ddim_step",
    "flip_sigmas",
    "flow_sigmas",
    "join_sigmas",
    "make_evaluate",
    "noise_for",
    "parameterisation",
    "sampling_spec",
    "scaled_linear_sigmas",
    "sigmas_for",
    "slerp",
    "split_sigmas",
    "split_sigmas_at",
    "stack_embeddings",
    "starting_noise",
    "step_range",
    "to_d",
    "with_alpha",
    "with_area",
    "with_mask",
    "with_noise_offset",
    "with_range",
    "with_strength",
    "zero_out",
    "zero_terminal_snr",
]

_HOMES = {
    "AlignYourStepsOptions": "schedules",
    "Alpha": "alpha",
    "Ancestral": "samplers.maths",
    "AncestralOptions": "samplers.options",
    "BetaOptions": "schedules",
    "BrownianNoise": "noise.brownian",
    "Churn": "samplers.maths",
    "ChurnOptions": "samplers.options",
    "KarrasOptions": "schedules",
    "LaplaceOptions": "schedules",
    "LinearQuadraticOptions": "schedules",
    "Parameterisation": "parameterisations",
    "PolyexponentialOptions": "schedules",
    "SdeOptions": "samplers.options",
    "SeededNoise": "noise.white",
    "VpOptions": "schedules",
    "alpha_of": "alpha",
    "ancestral_step": "samplers.maths",
    "cfg": "guidance",
    "check_sigmas": "schedules",
    "churn": "samplers.maths",
    "ddim_step": "samplers.maths",
    "flip_sigmas": "schedules",
    "join_sigmas": "schedules",
    "average": "conditioning",
    "combine": "conditioning",
    "compose": "conditioning",
    "concat": "conditioning",
    "with_area": "conditioning",
    "with_mask": "conditioning",
    "with_range": "conditioning",
    "with_strength": "conditioning",
    "zero_out": "conditioning",
    "make_evaluate": "evaluate",
    "noise_for": "noise.of_run",
    "parameterisation": "parameterisations",
    "sampling_spec": "parameterisations",
    "sigmas_for": "schedules",
    "slerp": "noise.variation",
    "split_sigmas": "schedules",
    "split_sigmas_at": "schedules",
    "stack_embeddings": "evaluate",
    "starting_noise": "noise.of_run",
    "step_range": "schedules",
    "to_d": "samplers.maths",
    "with_alpha": "alpha",
    "with_noise_offset": "noise.variation",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'sdkit.sampling' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(f"sdkit.sampling.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
