"""DPM-Solver with steps as long as its own estimate of the error allows, for each picture or for all together."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch

from sdkit.errors import NonFiniteError, SamplingError
from sdkit.sampling.alpha import alpha_of
from sdkit.sampling.samplers.dpm_solver import ancestral_step_above, dpm_solver_step, has_zero_step, zero_step
from sdkit.sampling.samplers.maths import renoise
from sdkit.types import Denoiser, Noise, Prediction, Step

CLOSE = 1e-5
"""So near to the end in log σ, no further step is taken."""


def dpm_adaptive(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    order: Literal[2, 3] = 3,
    rtol: float = 0.05,
    atol: float = 0.0078,
    h_init: float = 0.05,
    pcoeff: float = 0.0,
    icoeff: float = 1.0,
    dcoeff: float = 0.0,
    accept_safety: float = 0.81,
    eta: float = 0.0,
    s_noise: float = 1.0,
    per_image: bool = True,
    denoise_to_zero: bool = False,
) -> Iterator[Step]:
    """DPM-Solver-12 or -23 (Lu et al., arXiv:2206.00927): `order` evaluations an attempt; how large its error was says
    how long the next step will be, and whether this one counts.

    Only the first sigma and the last above 0 are looked at; for a final 0, and for noise, see `dpm_fast`. The error has
    to be read, so the device is waited for. With `per_image` each picture takes steps of its own, and `denoise` is
    called with one at a time, so that a picture does not depend on those beside it; a step is yielded when the largest
    sigma of all has fallen, at which time some may be ahead of it. Without, as is the custom, the error is the whole
    batch's. Raises NonFiniteError, and SamplingError where no step is short enough.
    """
    end, to_zero = sigmas[-1] or sigmas[-2], has_zero_step(sigmas, denoise_to_zero)
    run = _Run(denoise, end, order, rtol, atol, eta, s_noise)
    coefficients = _coefficients(pcoeff, icoeff, dcoeff, 1.5 if eta else order)
    draws = _dealt(noise, len(x)) if per_image else [noise]
    lanes = [
        _Lane(run, part, sigmas[0], draw, Controller(h_init, coefficients, accept_safety))
        for part, draw in zip(_parts(x, per_image), draws, strict=True)
    ]
    index, sigma = 0, sigmas[0]
    while sigma > end:
        predictions = [lane.advance() if lane.sigma == sigma else lane.prediction for lane in lanes]
        sigma_next = max(lane.sigma for lane in lanes)
        name = sigmas[-1] if sigma_next == end and not to_zero else sigma_next
        step = Step(index, sigma, name, x, _joined(predictions), torch.cat([lane.x for lane in lanes]))
        yield step
        x = step.x
        for lane, part in zip(lanes, _parts(x, per_image), strict=True):
            lane.x = part
        index, sigma = index + 1, sigma_next
    if to_zero:
        yield zero_step(denoise, x, index, end)


@dataclass(frozen=True, slots=True)
class _Run:
    """What is the same for all pictures."""

    denoise: Denoiser
    end: float
    order: int
    rtol: float
    atol: float
    eta: float
    s_noise: float


class _Lane:
    """A picture, or all of them in step, on the way: where it is, and how far it will go next."""

    def __init__(self, run: _Run, x: torch.Tensor, sigma: float, noise: Noise, controller: Controller) -> None:
        self.x, self.sigma = x, sigma
        self.prediction: Prediction | None = None
        self._run, self._noise, self._controller, self._x_low = run, noise, controller, x

    def advance(self) -> Prediction:
        """Take one step, in as many attempts as it needs; what was predicted where it started."""
        run, sigma = self._run, self.sigma
        while True:
            rest = math.log(sigma / run.end)
            sigma_next = sigma * math.exp(-self._controller.h) if self._controller.h < rest else run.end
            if sigma_next >= sigma:
                raise SamplingError(
                    f"dpm_adaptive cannot keep the error within rtol {run.rtol:g} and atol {run.atol:g} at sigma "
                    f"{sigma:g}, however short the step; raise them, or choose a sampler with steps of fixed length"
                )
            way = ancestral_step_above(run.end, alpha_of(run.denoise), sigma, sigma_next, run.eta)
            # After a rejection, this is known already: evaluated again, so that the count is that of the custom.
            prediction = run.denoise(self.x, sigma)
            t, t_down = -math.log(sigma), -math.log(way.sigma_down)
            x, x_low = dpm_solver_step(run.denoise, self.x, prediction, t, t_down, run.order)
            error = self._error(x, x_low)
            if not math.isfinite(error):
                raise NonFiniteError(
                    f"dpm_adaptive met NaN or infinity from sigma {sigma:g} to {sigma_next:g}", sigma=sigma
                )
            if self._controller.accepts(error):
                break
        self.x = renoise(x, way, sigma, sigma_next, self._noise, run.s_noise)
        self._x_low, self.prediction = x_low, prediction
        self.sigma = sigma_next if math.log(sigma_next / run.end) > CLOSE else run.end
        return prediction

    def _error(self, x: torch.Tensor, x_low: torch.Tensor) -> float:
        """How far the two orders are apart, in units of what is allowed: root of the mean square."""
        allowed = (torch.maximum(x_low.abs(), self._x_low.abs()) * self._run.rtol).clamp(min=self._run.atol)
        return float(((x - x_low) / allowed).square().mean().sqrt())


class Controller:
    """A controller of the step's length h in −log σ, from the errors of this attempt and of the last two steps."""

    def __init__(self, h: float, coefficients: tuple[float, float, float], accept_safety: float) -> None:
        self.h = h
        self._coefficients, self._accept_safety = coefficients, accept_safety
        self._before: tuple[float, float] | None = None

    def accepts(self, error: float) -> bool:
        """Whether the attempt counts; h is set for what comes next, either way."""
        now = 1 / (error + 1e-8)
        before, earlier = self._before = self._before or (now, now)
        b1, b2, b3 = self._coefficients
        factor = 1 + math.atan(now**b1 * before**b2 * earlier**b3 - 1)  # never above 2.6, so h grows gently
        self.h *= factor
        if factor < self._accept_safety:
            return False
        self._before = now, before
        return True


def _coefficients(pcoeff: float, icoeff: float, dcoeff: float, order: float) -> tuple[float, float, float]:
    """The exponents of 1/error of this attempt and of the two steps before."""
    return (pcoeff + icoeff + dcoeff) / order, -(pcoeff + 2 * dcoeff) / order, dcoeff / order


def _parts(x: torch.Tensor, per_image: bool) -> list[torch.Tensor]:
    """What takes its own steps: each picture, as a batch of one, or the batch."""
    return [x[i : i + 1] for i in range(len(x))] if per_image else [x]


def _dealt(noise: Noise, images: int) -> list[Noise]:
    """Noise for each picture by itself: its k-th request gets its part of the k-th draw, as it would alone."""
    waiting: list[deque[torch.Tensor]] = [deque() for _ in range(images)]

    def dealt(queue: deque[torch.Tensor]) -> Noise:
        def draw(sigma: float, sigma_next: float, /) -> torch.Tensor:
            if not queue:
                for each, part in zip(waiting, _parts(noise(sigma, sigma_next), True), strict=True):
                    each.append(part)
            return queue.popleft()

        return draw

    return [dealt(queue) for queue in waiting]


def _joined(predictions: list[Prediction | None]) -> Prediction:
    """The pictures' predictions as one; every picture has one from the first step on."""
    made = [prediction for prediction in predictions if prediction is not None]
    if len(made) == 1:
        return made[0]
    unconds = [prediction.uncond for prediction in made if prediction.uncond is not None]
    return Prediction(
        denoised=torch.cat([prediction.denoised for prediction in made]),
        cond=torch.cat([prediction.cond for prediction in made]),
        uncond=torch.cat(unconds) if len(unconds) == len(made) else None,
    )
