"""assert_sampler_ok: everything that sdkit expects of a sampler, checked against models whose answers are known."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch

from sdkit.sampling import BrownianNoise, SeededNoise
from sdkit.testing.denoisers import ConstantDenoiser, GaussianDenoiser, RecordingDenoiser, karras_sigmas, log_sigmas
from sdkit.types import Denoiser, Noise, NoiseKind, Prediction, Step

SamplerFunction = Callable[..., Iterator[Step]]
"""`sampler(denoise, x, sigmas, noise, **options)`, a generator function."""

SHAPE = (2, 5, 3)
ORDER_TOLERANCE = 0.25
STATISTICS_STEPS = 200
STATISTICS_TOLERANCE = 0.05
"""Relative: about 1 % is the spread of the variance of 2¹⁴ samples, and ancestral Euler is 1–2 % off in 200 steps."""


def assert_sampler_ok(
    sampler: SamplerFunction,
    *,
    order: float | None = None,
    noise: NoiseKind = "none",
    flow: bool = True,
    steps: tuple[int, int] = (80, 160),
    adaptive: bool = False,
    consistency: bool = False,
    **options: Any,
) -> None:
    """Check a sampler with these options; AssertionError says what is wrong and, where it helps, what to write instead.

    In float64, for eps-like and (unless `flow=False`) for flow models:

    - it takes one step, or several, from the first sigma to the last, yielding `Step`s that are numbered from 0 and
      meet;
    - it lands on the answer of a model that always gives the same one, at sigma 0;
    - it goes on from `step.x` as it finds it after the yield;
    - it changes none of its inputs, keeps shape and dtype, calls the model with Python floats, and leaves torch's
      global random generator alone;
    - every image of a batch comes out as it does alone, noise included;
    - it asks for noise only if `noise` (what it is registered with) says so;
    - if it draws no noise: it follows the closed-form path of Gaussian data, and if `order` is given, its error from
      `steps[0]` to `steps[1]` steps falls by their ratio to the power of order (± 0.25 in the exponent); grids are
      those of Karras et al. with ρ = 7, see `karras_sigmas`;
    - if it draws noise: Gaussian data keep their mean and variance (5 % of it) in 200 steps.

    `order` can be measured only without noise: give options that turn it off (`eta=0.0`), in a call of its own.

    `steps`: other numbers than 80 and 160, for a sampler whose last steps depend on the number.
    `adaptive`: it chooses its own steps. In place of the order, its error must fall to a fifth or less where its
    options `rtol` and `atol` are a hundredth of what they are.
    `consistency`: it is for models that predict where the path ends, so what it makes of others' predictions has too
    little variance; its noise is checked on data that are the same value everywhere, which both kinds predict alike.
    """

    def run(
        denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], draw: Noise, **changed: Any
    ) -> Iterator[Step]:
        return sampler(denoise, x, sigmas, draw, **(options | changed))

    tighter = _tighter(sampler, options) if adaptive else None

    state = torch.random.get_rng_state()
    for is_flow in (False, True) if flow else (False,):
        first, last = (0.95, 0.05) if is_flow else (10.0, 0.1)
        check = _Checks(run, noise, is_flow, first, last)
        check.numbering()
        check.landing()
        check.reads_x_again()
        check.inputs()
        check.batch()
        if check.draws():
            assert order is None, (
                "the sampler drew noise, so its order cannot be measured; give options that turn the noise off, or "
                "leave order out"
            )
            check.statistics(GaussianDenoiser(0.6, 0.0 if consistency else 0.8, flow=is_flow))
        elif tighter is not None:
            check.tolerance(tighter)
        else:
            check.path(order, steps)
    assert torch.equal(state, torch.random.get_rng_state()), (
        "the sampler drew from torch's global random generator; use the noise that it is given"
    )


class _Checks:
    """The checks, for one kind of model. Each runs the sampler anew."""

    def __init__(
        self,
        run: SamplerFunction,
        kind: NoiseKind,
        flow: bool,
        first: float,
        last: float,
    ) -> None:
        self.run, self.kind, self.flow, self.first, self.last = run, kind, flow, first, last
        self.gauss = GaussianDenoiser(0.6, 0.8, flow=flow)
        self.where = "with a flow model: " if flow else "with an eps model: "

    def numbering(self) -> None:
        for count in (1, 2, 7):
            for sigmas in (self._grid(count), (*self._grid(count)[:-1], 0.0)):
                x, steps = self._take(self.gauss, sigmas)
                before = self._x()
                assert steps, f"{self.where}the sampler yielded no step for sigmas {sigmas}"
                for i, step in enumerate(steps):
                    assert step.index == i, f"{self.where}step {i} has index {step.index}; number steps from 0"
                    assert torch.equal(step.x_in, before), (
                        f"{self.where}step {i}: x_in must be the state that the step started from"
                    )
                    assert isinstance(step.prediction, Prediction), (
                        f"{self.where}step {i}: prediction must be what the denoiser returned, not {step.prediction!r}"
                    )
                    before = step.x
                met = [sigmas[0], *(step.sigma_next for step in steps)]
                assert ([step.sigma for step in steps], met[-1]) == (met[:-1], sigmas[-1]), (
                    f"{self.where}steps must lead from {sigmas[0]:g} to {sigmas[-1]:g}, each from where "
                    f"the one before ended; these were {[(step.sigma, step.sigma_next) for step in steps]}"
                )
                assert x.shape == SHAPE, f"{self.where}x had shape {list(SHAPE)} and came out as {list(x.shape)}"
                assert x.dtype == torch.float64, f"{self.where}x was float64 and came out as {x.dtype}"
                assert bool(x.isfinite().all()), f"{self.where}x is not finite after sigmas {sigmas}"

    def landing(self) -> None:
        for count in (1, 2, 5):
            x, _ = self._take(ConstantDenoiser(0.4, flow=self.flow), (*self._grid(count)[:-1], 0.0))
            off = float((x - 0.4).abs().max())
            assert off < 1e-9, (
                f"{self.where}a model that always predicts 0.4 was sampled in {count} steps to sigma 0, and x is off "
                f"by {off:.3g}; the last step must land on the prediction"
            )

    def reads_x_again(self) -> None:
        untouched, _ = self._take(self.gauss, self._grid(5))
        previous: Step | None = None
        x = untouched
        for step in self.run(self.gauss, self._x(), self._grid(5), self._noise()):
            x = step.x
            assert previous is None or torch.equal(step.x_in, previous.x), (
                f"{self.where}step.x was assigned after step {step.index - 1}, and the sampler went on from its own x; "
                "write `x = step.x` after the yield"
            )
            step.x = step.x * 0.5 + 1.0
            previous = step
        assert not torch.equal(x, untouched), (
            f"{self.where}step.x was assigned after each step, and the result is what it was without; compute with "
            "what step.x is after the yield"
        )

    def inputs(self) -> None:
        x = self._x()
        denoise = RecordingDenoiser(self.gauss)
        for _ in self.run(denoise, x, self._grid(5), self._noise()):
            pass
        assert torch.equal(x, self._x()), f"{self.where}the sampler changed the x that it was given; make new tensors"
        assert denoise.untouched(), (
            f"{self.where}the sampler changed a tensor of the denoiser's in place; make new tensors"
        )
        for sigma in denoise.sigmas:
            assert type(sigma) is float, (
                f"{self.where}the denoiser was called with sigma {sigma!r}; give it a Python float, so that nothing "
                "waits for the device"
            )

    def batch(self) -> None:
        sigmas, x = self._grid(6), self._x()
        together, _ = self._take(self.gauss, sigmas)
        for i in range(SHAPE[0]):
            alone = x[i : i + 1]
            for step in self.run(self.gauss, alone, sigmas, self._noise(seeds=(i,))):
                alone = step.x
            off = float((alone[0] - together[i]).abs().max())
            assert off < 1e-9, (
                f"{self.where}image {i} of a batch differs by {off:.3g} from the same image alone; a sampler must "
                "not mix the images of a batch, and must ask for noise as often whatever the batch"
            )

    def draws(self) -> bool:
        """Whether the sampler asks for noise."""
        asked = _Asked(self._noise())
        for _ in self.run(self.gauss, self._x(), self._grid(5), asked):
            pass
        return asked.count > 0

    def path(self, order: float | None, counts: tuple[int, int]) -> None:
        errors = [self._error(count) for count in counts]
        assert errors[0] < 0.05, (
            f"{self.where}the sampler strays {errors[0]:.3g} from the closed-form path of Gaussian data in {counts[0]} "
            "steps"
        )
        if order is not None:
            measured = math.log(errors[0] / errors[1], counts[1] / counts[0]) if errors[1] > 0 else math.inf
            assert abs(measured - order) <= ORDER_TOLERANCE, (
                f"{self.where}the order of convergence was said to be {order:g}, but from {counts[0]} to {counts[1]} "
                f"steps the error falls from {errors[0]:.3g} to {errors[1]:.3g}: order {measured:.2f}"
            )

    def _error(self, count: int) -> float:
        """The largest distance from the path on the way: at the end alone, errors may cancel by chance."""
        start = self._x()
        _, steps = self._take(self.gauss, self._grid(count))
        return max(float((s.x - self.gauss.path(start, self.first, s.sigma_next)).abs().max()) for s in steps)

    def tolerance(self, tighter: dict[str, float]) -> None:
        """At the end only: on the way, pictures of an adaptive sampler may be ahead of the step's sigma."""
        loose, tight = (self._error_at_end(changed) for changed in ({}, tighter))
        assert tight < 0.05, (
            f"{self.where}the sampler ends {tight:.3g} from the closed-form path of Gaussian data with {tighter}"
        )
        assert tight * 5 <= loose, (
            f"{self.where}the error should fall to a fifth or less with {tighter}; it went from {loose:.3g} to "
            f"{tight:.3g}"
        )

    def _error_at_end(self, changed: dict[str, float]) -> float:
        start = x = self._x()
        for step in self.run(self.gauss, start, self._grid(8), self._noise(), **changed):
            x = step.x
        return float((x - self.gauss.path(start, self.first, self.last)).abs().max())

    def statistics(self, gauss: GaussianDenoiser) -> None:
        shape = (2, 96, 96)
        first, last = (0.9, 0.2) if self.flow else (4.0, 0.4)
        (mean, std), (mean_end, std_end) = gauss.marginal(first), gauss.marginal(last)
        draw = self._noise(shape=shape)
        x = mean + std * SeededNoise((11, 12), shape[1:]).start().double()
        for step in self.run(gauss, x, log_sigmas(first, last, STATISTICS_STEPS), draw):
            x = step.x
        got_mean, got_std = float(x.mean()), float(x.std())
        assert abs(got_mean - mean_end) <= STATISTICS_TOLERANCE * std_end, (
            f"{self.where}Gaussian data should have mean {mean_end:.4f} at sigma {last:g}, and have {got_mean:.4f}"
        )
        assert abs(got_std**2 / std_end**2 - 1) <= STATISTICS_TOLERANCE, (
            f"{self.where}Gaussian data should have variance {std_end**2:.4f} at sigma {last:g}, and "
            f"have {got_std**2:.4f}: check how much noise is added for how much is removed, "
            "and α (sdkit.sampling.alpha_of) for flow models"
        )

    def _grid(self, count: int) -> tuple[float, ...]:
        return karras_sigmas(self.first, self.last, count)

    def _x(self) -> torch.Tensor:
        mean, std = self.gauss.marginal(self.first)
        return mean + std * SeededNoise(range(100, 100 + SHAPE[0]), SHAPE[1:]).start().double()

    def _noise(self, seeds: tuple[int, ...] = tuple(range(SHAPE[0])), shape: tuple[int, ...] = SHAPE) -> Noise:
        if self.kind == "none":
            return _no_noise
        white = SeededNoise(seeds, shape[1:])
        return white if self.kind == "white" else BrownianNoise(white)

    def _take(self, denoise: Denoiser, sigmas: tuple[float, ...]) -> tuple[torch.Tensor, list[Step]]:
        x = self._x()
        steps = list(self.run(denoise, x, sigmas, self._noise()))
        return (steps[-1].x if steps else x), steps


class _Asked:
    """Noise that counts how often it was asked for, and checks what for."""

    def __init__(self, inner: Noise) -> None:
        self.count = 0
        self._inner = inner

    def __call__(self, sigma: float, sigma_next: float, /) -> torch.Tensor:
        assert sigma > sigma_next >= 0, (
            f"noise was asked for from sigma {sigma:g} to {sigma_next:g}; the first must be the larger one"
        )
        self.count += 1
        return self._inner(sigma, sigma_next)


def _tighter(sampler: SamplerFunction, options: dict[str, Any]) -> dict[str, float]:
    """The options `rtol` and `atol` of an adaptive sampler, a hundredth of what they are."""
    parameters = inspect.signature(sampler).parameters
    missing = [name for name in ("rtol", "atol") if name not in parameters]
    assert not missing, f"an adaptive sampler is expected to have the options rtol and atol; missing: {missing}"
    return {name: options.get(name, parameters[name].default) / 100 for name in ("rtol", "atol")}


def _no_noise(sigma: float, sigma_next: float, /) -> torch.Tensor:
    raise AssertionError(
        f"the sampler asked for noise from sigma {sigma:g} to {sigma_next:g}; register it with "
        'noise="white" or "brownian", and check it with the same'
    )
