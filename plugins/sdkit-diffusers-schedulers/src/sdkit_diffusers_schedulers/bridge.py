"""Runs a scheduler of diffusers as an sdkit sampler: `bridge(scheduler)`, or `bridge.NAME` of this module."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sdkit.errors import SamplingError
from sdkit.sampling import alpha_of
from sdkit.types import Step
from sdkit_diffusers_schedulers.catalogue import SCHEDULERS
from sdkit_diffusers_schedulers.loading import make
from sdkit_diffusers_schedulers.noise import RunNoise
from sdkit_diffusers_schedulers.tables import fill, midpoints

if TYPE_CHECKING:
    import torch

    from sdkit.types import Denoiser, Noise
    from sdkit_diffusers_schedulers.catalogue import Scheduler

BridgedSampler = Callable[..., Iterator[Step]]
"""`sampler(denoise, x, sigmas, noise, **options)`."""


def bridge(scheduler: Scheduler) -> BridgedSampler:
    """An sdkit sampler that leaves each step to the scheduler."""

    def sample(
        denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], noise: Noise, /, **options: object
    ) -> Iterator[Step]:
        flow, options = _is_flow(scheduler, denoise), scheduler.options.model_validate(options).model_dump()
        last = sigmas[-1] > 0 or _can_reach_zero(scheduler, options)
        run = _Run(scheduler, sigmas if last else sigmas[:-1], flow, noise, x.device, options)
        for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
            prediction = denoise(x, sigma)
            if sigma_next == 0 and not last:
                x_next = prediction.denoised
            else:
                x_next = run.step(index, denoise, x, prediction.denoised)
            step = Step(index, sigma, sigma_next, x, prediction, x_next)
            yield step
            if step.x is not x_next and sigma_next > 0:
                run.move(index, step.x - x_next)
            x = step.x

    sample.__name__ = sample.__qualname__ = scheduler.name
    return sample


def __getattr__(name: str) -> BridgedSampler:
    """`sdkit_diffusers_schedulers.bridge.EulerDiscreteScheduler` and all the others: what the registry refers to."""
    if name not in SCHEDULERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return bridge(SCHEDULERS[name])


class _Run:
    """One run of a scheduler: hands latents over in its scaling, and takes them back."""

    def __init__(
        self,
        scheduler: Scheduler,
        sigmas: Sequence[float],
        flow: bool,
        noise: Noise,
        device: torch.device,
        options: Mapping[str, object],
    ) -> None:
        self._scheduler, self._sigmas, self._flow = scheduler, sigmas, flow
        self._step_options = {name: options[name] for name in scheduler.step_options if name in options}
        self._noise = RunNoise(noise)
        if len(sigmas) < 2:
            return
        known = sum(sigma > 0 for sigma in sigmas)
        self._made = make(scheduler, flow, sigmas[-1], known, options)
        self._timesteps = fill(scheduler, self._made, sigmas, flow, device)
        self._midpoints = midpoints(scheduler, sigmas)
        if scheduler.noise == "brownian":
            self._made.noise_sampler = self._noise.sampler

    def step(self, index: int, denoise: Denoiser, x: torch.Tensor, denoised: torch.Tensor) -> torch.Tensor:
        """x after step `index`, given the prediction at x; evaluates again where the scheduler does."""
        sigma, sigma_next, middle = self._sigmas[index], self._sigmas[index + 1], self._midpoints[index]
        timestep = self._timesteps[index]
        if middle is None:
            return self._advance(timestep, sigma, x, denoised, sigma, sigma_next)
        x_middle = self._advance(timestep, sigma, x, denoised, sigma, middle)
        if self._scheduler.tables == "alphas":  # PNDM asks with the timestep that it is evaluated at
            timestep = timestep - 1
        return self._advance(timestep, middle, x_middle, denoise(x_middle, middle).denoised, sigma, sigma_next)

    def move(self, index: int, by: torch.Tensor) -> None:
        """Somebody changed x after step `index`, by this much.

        A scheduler that goes on from an earlier state, not from the x that it is given, would not notice. So that state
        is moved such that the same prediction would have led it to the changed x.
        """
        anchor = getattr(self._made, self._scheduler.anchor, None) if self._scheduler.anchor else None
        if anchor is None:
            return
        since = index
        if hasattr(self._made, "order_list"):
            since -= self._made.order_list[index] - 1
        sigma, now = self._sigmas[since], self._sigmas[index + 1]
        h = math.log(self._alpha(now) * sigma / (self._alpha(sigma) * now))
        factor = sigma / now * math.exp(self._stochastic(index) * h) * self._scale(sigma)
        setattr(self._made, self._scheduler.anchor, anchor + by * factor)

    def _advance(
        self,
        timestep: float,
        at: float,
        x: torch.Tensor,
        denoised: torch.Tensor,
        sigma: float,
        sigma_next: float,
    ) -> torch.Tensor:
        """One call of the scheduler's: x and its prediction at sigma `at`, of a step from `sigma` on, to sigma_next."""
        scale, scale_next = self._scale(at), self._scale(sigma_next)
        if self._scheduler.single:  # as it will be rounded, so that output and x belong together
            x = x.float().to(x.dtype)
        options = dict(self._step_options)
        if self._scheduler.name == "EDMEulerScheduler":
            options["pred_original_sample"] = denoised
        self._noise.span = (sigma, sigma_next)
        with self._drawing():
            taken = self._made.step(
                self._output(x, denoised, at), timestep, x if scale == 1 else x * scale, return_dict=False, **options
            )
        stepped: torch.Tensor = taken[0]
        return stepped if scale_next == 1 else stepped / scale_next

    def _output(self, x: torch.Tensor, denoised: torch.Tensor, sigma: float) -> torch.Tensor:
        """What the scheduler takes for the network's output."""
        kind = self._scheduler.output
        if kind == "sample":
            return denoised
        if kind in ("epsilon", "velocity"):
            return (x - denoised) / sigma
        if kind == "v":  # α·noise − σ·latents, both of variance-preserving scale (arXiv:2202.00512)
            return ((x - denoised) / sigma - denoised * sigma) * self._scale(sigma)
        data: float = self._made.config.sigma_data  # of EDM's preconditioning (arXiv:2206.00364, table 1)
        square = sigma**2 + data**2
        return (denoised - x * (data**2 / square)) * (math.sqrt(square) / (sigma * data))

    def _scale(self, sigma: float) -> float:
        return 1 / math.hypot(1, sigma) if self._scheduler.space == "variance-preserving" and not self._flow else 1.0

    def _alpha(self, sigma: float) -> float:
        return max(1 - sigma, 1e-6) if self._flow else 1.0

    def _stochastic(self, index: int) -> float:
        """τ² of step `index`: 0 for the ODE, 1 for the reverse SDE."""
        if hasattr(self._made, "tau_func"):
            return float(self._made.tau_func(self._timesteps[index])) ** 2
        return 1.0 if str(self._made.config.get("algorithm_type", "")).startswith("sde") else 0.0

    def _drawing(self) -> AbstractContextManager[Any]:
        return self._noise if self._scheduler.noise == "white" else nullcontext()


def _is_flow(scheduler: Scheduler, denoise: Denoiser) -> bool:
    """Whether the model is a flow model. Raises SamplingError where that does not go with the scheduler."""
    alpha = alpha_of(denoise)(0.5)
    if alpha not in (1.0, 0.5):
        raise SamplingError(
            f"diffusers' schedulers know x = latents + σ·noise and (1 − σ)·latents + σ·noise, and this model's "
            f"share of latents is {alpha:g} at sigma 0.5; use a sampler of sdkit's"
        )
    flow = alpha == 0.5
    if flow and not scheduler.flow:
        able = ", ".join(other.name for other in SCHEDULERS.values() if other.flow)
        raise SamplingError(
            f"diffusers' {scheduler.name} samples eps and v models only, and this is a flow model; those that sample "
            f"flow models: {able}"
        )
    if not flow and scheduler.space == "flow":
        raise SamplingError(
            f"diffusers' {scheduler.name} samples flow models only, and this is an eps or v model; "
            "use another one, such as diffusers:EulerDiscreteScheduler"
        )
    return flow


def _can_reach_zero(scheduler: Scheduler, options: Mapping[str, object]) -> bool:
    """Whether the scheduler itself can step to sigma 0, infinitely far in λ: not where it predicts noise, nor bh1."""
    predicts_noise = options.get("algorithm_type") in ("dpmsolver", "sde-dpmsolver")
    unable = predicts_noise or options.get("predict_x0") is False or options.get("solver_type") == "bh1"
    return scheduler.reaches_zero and not unable
