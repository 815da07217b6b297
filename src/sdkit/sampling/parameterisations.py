"""Parameterisations: what the network's input and output mean. Only this file knows whether a model is eps, v or flow.

The noisy latents are x = α(σ)·x₀ + σ·noise throughout: α = 1 for eps and v models, which are variance-exploding here
whatever they were trained as (σ = √(1 − ᾱ)/√ᾱ, Karras et al., arXiv:2206.00364, appendix C.3); α = 1 − σ for flow
models, whose σ is the time t in 0…1. All scalars are Python floats, so nothing here waits for a device.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sdkit.errors import RequestError, SamplingError
from sdkit.rounding import float32, log32
from sdkit.sigmas import distilled_sigmas, flow_sigmas, sigma_at, sigma_at_time
from sdkit.sigmas import zero_terminal_snr as stretched

if TYPE_CHECKING:
    import torch

    from sdkit.types import ModelSpec, PredictionType

BEYOND_SIGMA_MAX = 999999999.9
"""The sigma of percent 0 for eps and v models: larger than any, so that ranges that start there include the first step
of every schedule. Flow models need none, for no sigma of theirs is above 1."""


@dataclass(frozen=True)
class Parameterisation:
    """How one model's noise levels, inputs and outputs are to be read; make it by `parameterisation(spec)`.

    `sigmas`: noise std at each training timestep, ascending. `stride`: training timesteps per sigma, the last of which
    it belongs to, for models that were distilled on few of them; see `distilled_sigmas`.
    """

    prediction: PredictionType
    sigmas: tuple[float, ...]
    stride: int = 1
    _log_sigmas: tuple[float, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_log_sigmas", tuple(map(log32, self.sigmas)))

    @property
    def sigma_min(self) -> float:
        """The least noise that the model was trained on."""
        return self.sigmas[0]

    @property
    def sigma_max(self) -> float:
        """The most noise that the model was trained on."""
        return self.sigmas[-1]

    def alpha(self, sigma: float) -> float:
        """The share of the clean latents in x at this sigma: 1 for eps and v, 1 − σ for flow."""
        return 1.0 - sigma if self.prediction == "flow" else 1.0

    def timestep(self, sigma: float) -> float:
        """What the network is told instead of sigma: the training timestep nearest in log σ; σ·1000 for flow.

        Flow networks that were trained on another unit than thousandths convert it themselves.
        """
        if self.prediction == "flow":
            return sigma * 1000.0
        return float((self._nearest(sigma) + 1) * self.stride - 1)

    def _nearest(self, sigma: float) -> int:
        """The index of the nearest sigma. A schedule's sigmas may lie half-way between two, to the last digit: float32
        decides, as it does in other programs."""
        if sigma <= self.sigma_min:
            return 0
        above = bisect_left(self._log_sigmas, log := log32(sigma))
        if above in (0, len(self._log_sigmas)):
            return max(above - 1, 0)
        nearer_above = float32(self._log_sigmas[above] - log) < float32(log - self._log_sigmas[above - 1])
        return above if nearer_above else above - 1

    def scale_input(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """x as the network wants it: divided by √(σ² + 1), to unit variance, for eps and v; unchanged for flow."""
        return x if self.prediction == "flow" else x * (1.0 / math.sqrt(sigma * sigma + 1.0))

    def denoised(self, x: torch.Tensor, output: torch.Tensor, sigma: float) -> torch.Tensor:
        """The clean latents that the network's output means at (unscaled) x. Shapes broadcast.

        eps and flow: x − σ·output. v (Salimans & Ho, arXiv:2202.00512, eq. 10): x/(σ² + 1) − output·σ/√(σ² + 1).
        """
        if self.prediction == "v":
            square = sigma * sigma + 1.0
            return x * (1.0 / square) - output * (sigma / math.sqrt(square))
        return x - output * sigma

    def add_noise(self, latents: torch.Tensor, noise: torch.Tensor, sigma: float) -> torch.Tensor:
        """Forward diffusion: clean latents → latents with noise of std sigma; `noise` has unit variance."""
        return noise * sigma + latents * self.alpha(sigma)

    def start(self, latents: torch.Tensor | None, noise: torch.Tensor, sigma: float) -> torch.Tensor:
        """x to start sampling from at `sigma`; `latents` is the initial image's, or None for a new picture.

        At sigma_max (within 1e-5) and beyond, eps and v models start from noise·√(σ² + 1), as if x₀ were more noise of
        unit variance: their training ended at noise of unit variance after scaling, and it is what their users' other
        programs do.
        """
        whole = self.prediction != "flow" and sigma >= self.sigma_max * (1.0 - 1e-5)
        if latents is None:
            return noise * (math.sqrt(sigma * sigma + 1.0) if whole else sigma)
        return noise * math.sqrt(sigma * sigma + 1.0) + latents if whole else self.add_noise(latents, noise, sigma)

    def finish(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """The latents that a run leaves at its last sigma: x/α(σ), which is x for eps and v and wherever sigma is 0.

        So left-over noise is σ/α(σ) times as strong as the picture, in the picture's own scale, and `start` with zero
        noise goes on from there. Raises SamplingError at the sigma 1 of flow models, where nothing is left of the
        picture.
        """
        alpha = self.alpha(sigma)
        if alpha <= 0:
            raise SamplingError(f"at sigma {sigma:g} a flow model's latents are noise alone; take at least one step")
        return x if alpha == 1 else x / alpha

    def percent_to_sigma(self, percent: float) -> float:
        """The sigma at a share of the training timesteps, from 0 (most noise) to 1 (none): for ranges of steps.

        1 and more give 0. 0 and less give what no sigma is above, so that ranges include both ends. For flow models
        the share is of the unshifted time.
        """
        if percent >= 1:
            return 0.0
        if self.prediction == "flow":
            return 1.0 if percent <= 0 else sigma_at_time(self.sigmas, 1.0 - percent)
        if percent <= 0:
            return BEYOND_SIGMA_MAX
        timestep = float32((1.0 - percent) * (len(self.sigmas) * self.stride - 1))
        return sigma_at(self.sigmas, float32(timestep + 1 - self.stride) / self.stride, self.prediction)


def parameterisation(spec: ModelSpec) -> Parameterisation:
    """The parameterisation of a model."""
    return Parameterisation(spec.prediction, spec.sigmas, spec.timestep_stride)


def sampling_spec(
    spec: ModelSpec,
    prediction: PredictionType | None = None,
    zero_terminal_snr: bool | None = None,
    flow_shift: float | None = None,
    distilled_timesteps: int | None = None,
) -> ModelSpec:
    """The model with another meaning of its output or another table of sigmas, for files that do not say themselves how
    they were trained; None leaves what the model has.

    `prediction`: "eps" or "v"; to or from "flow" is no question of meaning. `zero_terminal_snr`: stretch the table
    until its last timestep is noise alone (arXiv:2305.08891), which v models can be trained for. `flow_shift`: shift an
    even table by so much, instead of what the model has. `distilled_timesteps`: how many evenly spaced training
    timesteps a distilled model knows; see `distilled_sigmas`. Raises RequestError for what the model cannot be.
    """
    flow = spec.prediction == "flow"
    if prediction is not None and flow != (prediction == "flow"):
        raise RequestError(
            f"prediction: {prediction!r} is not possible, for the model is {_kind(spec.prediction)}; "
            + ("a flow model has no other" if flow else "it can be 'eps' or 'v'")
        )
    if zero_terminal_snr and flow:
        raise RequestError(
            "zero_terminal_snr: a flow model begins with noise alone by itself; leave it out (it is for eps and v)"
        )
    if flow_shift is not None and not flow:
        raise RequestError(
            f"flow_shift: the model is {_kind(prediction or spec.prediction)}, and only flow models have one"
        )
    sigmas = spec.sigmas
    if zero_terminal_snr:
        sigmas = stretched(sigmas)
    if flow_shift is not None:
        sigmas = flow_sigmas(flow_shift, len(sigmas))
    spec = replace(spec, prediction=prediction or spec.prediction, sigmas=sigmas)
    return spec if distilled_timesteps is None else _distilled(spec, distilled_timesteps)


def _distilled(spec: ModelSpec, timesteps: int) -> ModelSpec:
    if spec.prediction == "flow":
        raise RequestError("distilled_timesteps: a flow model knows every time; leave it out (it is for eps and v)")
    if timesteps == len(spec.sigmas):
        return spec
    if spec.timestep_stride != 1 or timesteps > len(spec.sigmas):
        raise RequestError(
            f"distilled_timesteps: the model knows {len(spec.sigmas)} timesteps, of which {timesteps} cannot be taken"
        )
    return replace(spec, sigmas=distilled_sigmas(spec.sigmas, timesteps), timestep_stride=len(spec.sigmas) // timesteps)


def _kind(prediction: PredictionType) -> str:
    return {"eps": "an eps model", "v": "a v model", "flow": "a flow model"}[prediction]
