"""Measure what Restart is good for: `python measure.py` prints the table of the README.

A mixture of three narrow Gaussians is sampled by three samplers with as many evaluations each; what is measured is
the 1-Wasserstein distance of the samples from the mixture, which for sorted samples is their mean distance. The model
is exact, or errs in a smooth way, as networks do.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import torch

from sdkit.sampling import SeededNoise, ddim_step
from sdkit.testing import MixtureDenoiser
from sdkit.types import Denoiser, Prediction, Step
from sdkit_restart.sampler import heun, with_restarts
from sdkit_restart.segments import Segment

if TYPE_CHECKING:
    from sdkit.types import BoundSampler

MEANS, STD = (-1.0, 0.0, 1.5), 0.1
SEGMENT = Segment(5, 4, 0.1, 1.0)
STEPS = 12


class Measured(NamedTuple):
    """A sampler's cost and quality."""

    evaluations: int
    distance: float


@dataclass
class Erring:
    """The mixture's model, off by up to `error`: wavy in x, the more the noisier; counts its calls."""

    error: float
    calls: int = 0

    def __call__(self, x: torch.Tensor, sigma: float, /) -> Prediction:
        self.calls += 1
        exact = MixtureDenoiser(tuple((mean,) for mean in MEANS), STD)(x, sigma)
        wave = torch.sin(3 * x / (1 + sigma)) * (self.error * sigma / (1 + sigma))
        return replace(exact, denoised=exact.denoised + wave)


def euler(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...]) -> Iterator[Step]:
    """Euler's method."""
    for index in range(len(sigmas) - 1):
        prediction = denoise(x, sigmas[index])
        x_next = ddim_step(x, prediction.denoised, sigmas[index], sigmas[index + 1])
        yield Step(index, sigmas[index], sigmas[index + 1], x, prediction, x_next)
        x = x_next


def karras(steps: int, high: float = 14.6, low: float = 0.03) -> tuple[float, ...]:
    """Stable Diffusion's range of sigmas, spaced as in arXiv:2206.00364, eq. 5."""
    first, last = high ** (1 / 7), low ** (1 / 7)
    return (*((first + (last - first) * i / (steps - 1)) ** 7 for i in range(steps)), 0.0)


def run(sampler: BoundSampler, sigmas: tuple[float, ...], error: float, count: int) -> Measured:
    """Sample `count` points from a model that errs by `error`, and measure."""
    denoise = Erring(error)
    x = SeededNoise((1,), (1, count, 1)).start().double() * sigmas[0]
    for step in sampler(denoise, x, sigmas):
        x = step.x
    return Measured(denoise.calls, float((x.flatten().sort().values - _mixture(count)).abs().mean()))


def compare(error: float, count: int) -> dict[str, Measured]:
    """Restart, Heun and Euler, at the evaluations that Restart takes."""
    restarting = with_restarts(heun, (SEGMENT,), SeededNoise((2,), (1, count, 1)))
    restart = run(restarting, karras(STEPS), error, count)
    return {
        "restart": restart,
        "heun": run(heun, karras((restart.evaluations + 1) // 2), error, count),
        "euler": run(euler, karras(restart.evaluations), error, count),
    }


def _mixture(count: int) -> torch.Tensor:
    """`count` sorted points of the mixture: its quantiles, from four times as many draws."""
    generator = torch.Generator().manual_seed(0)
    which = torch.randint(0, len(MEANS), (4 * count,), generator=generator)
    draws = torch.tensor(MEANS)[which] + STD * torch.randn(4 * count, generator=generator)
    return draws.double().sort().values.view(count, 4).mean(1)


def table(count: int = 40_000) -> str:
    """The README's table."""
    rows = ["| the model errs by | restart | heun | euler | evaluations |", "|---|---|---|---|---|"]
    for error in (0.0, 0.05, 0.1, 0.2):
        found = compare(error, count)
        distances = " | ".join(f"{measured.distance:.3f}" for measured in found.values())
        rows.append(f"| {error:g} | {distances} | {found['restart'].evaluations} each |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
