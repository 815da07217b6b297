"""A run's noise: what its source draws, with what every source can do besides; and the samplers' noise by its kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from sdkit.errors import RequestError, SamplingError
from sdkit.sampling.noise.per_image import per_image
from sdkit.sampling.noise.streams import shifted
from sdkit.sampling.noise.variation import slerp, with_noise_offset
from sdkit.types import NoiseSource, Run

if TYPE_CHECKING:
    import torch

    from sdkit.types import Noise, NoiseKind

MakeSource = Callable[[Run], NoiseSource]
"""A registered noise source with its options filled in."""


def starting_noise(
    run: Run,
    make: MakeSource = per_image,
    *,
    variation_seed: int | None = None,
    variation_strength: float = 0.0,
    noise_offset: float = 0.0,
) -> torch.Tensor:
    """The noise to start from, `run.shape`, float32 on the model's device: the source's, varied and offset if asked.

    The variation is the same source's noise for other seeds, `variation_seed` for the generation's first image and
    counted up from there; at `variation_strength` 1 there is nothing else. Raises RequestError for a strength outside
    0 … 1, or without a seed.
    """
    if not 0 <= variation_strength <= 1:
        raise RequestError(f"variation_strength is from 0, none, to 1, nothing else, not {variation_strength:g}")
    noise = make(run).start()
    if variation_strength > 0:
        if variation_seed is None:
            raise RequestError("variation_strength needs a variation_seed to draw the second noise from")
        noise = slerp(noise, make(_with_seeds_from(run, variation_seed)).start(), variation_strength)
    return with_noise_offset(noise, noise_offset, run.seeds) if noise_offset else noise


def noise_for(run: Run, kind: NoiseKind, sampler: str, make: MakeSource = per_image) -> Noise:
    """The noise for the sampler of this name, of the kind that it declared, as the run's source draws it.

    The source is made anew, and does not depend on the start: a plugin may replace that without touching the rest, and
    sampling the same run twice gives the same noise twice.
    """
    return _no_noise(sampler) if kind == "none" else make(run).steps(kind)


def _with_seeds_from(run: Run, first: int) -> Run:
    """The same run, with the generation's seeds counted up from `first`."""
    seeds = tuple(shifted(first, index) for index in range(run.total))
    request = run.request.model_copy(update={"seed": None, "seeds": seeds, "count": 1})
    return replace(run, request=request, seeds=seeds[run.first : run.first + len(run.seeds)])


def _no_noise(sampler: str) -> Noise:
    def refuse(sigma: float, sigma_next: float, /) -> torch.Tensor:
        raise SamplingError(
            f'sampler {sampler!r} declared noise="none" but asked for noise from sigma {sigma:g} to {sigma_next:g}; '
            'register it with noise="white" or noise="brownian"'
        )

    return refuse
