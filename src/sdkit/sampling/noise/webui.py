"""The sources "a1111" and "nv": what AUTOMATIC1111's web UI draws for its random number sources CPU and NV."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdkit.sampling.noise.philox import cuda_stream
from sdkit.sampling.noise.streams import MakeStream, cpu_stream, shifted
from sdkit.sampling.noise.tree import TreeNoise
from sdkit.sampling.noise.white import SeededNoise

if TYPE_CHECKING:
    import torch

    from sdkit.types import Noise, NoiseKind, NoiseSource, Run


@dataclass(frozen=True)
class WebuiNoise:
    """One stream per image for the start and for white noise, one Brownian tree per image for the SDE samplers.

    `seed_delta`, the web UI's "eta noise seed delta" (ENSD): where it is not 0, white noise after the start comes from
    the stream of the seed so many further on, from its beginning; where it is, the start's stream goes on.
    """

    run: Run
    stream: MakeStream
    seed_delta: int

    def start(self) -> torch.Tensor:
        """The first draw of each image's stream."""
        return self._white(0).start()

    def steps(self, kind: NoiseKind) -> Noise:
        """White noise, or the trees' of the images' own seeds, whatever the delta."""
        run = self.run
        if kind == "brownian":
            return TreeNoise(run.seeds, self._draw, run.sigmas, run.model.device)
        white = self._white(self.seed_delta)
        if self.seed_delta == 0:
            white.start()
        return white

    def _white(self, delta: int) -> SeededNoise:
        seeds = [shifted(seed, delta) for seed in self.run.seeds]
        return SeededNoise(seeds, self.run.shape[1:], self.run.model.device, self.stream)

    def _draw(self, seed: int) -> torch.Tensor:
        return self.stream(seed)((1, *self.run.shape[1:]))


def a1111(run: Run, *, eta_noise_seed_delta: int = 0) -> NoiseSource:
    """The noise of `run.seeds` as the web UI draws it on the CPU."""
    return WebuiNoise(run, cpu_stream, eta_noise_seed_delta)


def nv(run: Run, *, eta_noise_seed_delta: int = 0, cuda_threads: int | None = None) -> NoiseSource:
    """The noise of `run.seeds` as the web UI draws it on an Nvidia GPU, computed on the CPU.

    `cuda_threads`: how many threads the GPU keeps resident, where an image has more numbers than that.
    """
    return WebuiNoise(run, functools.partial(cuda_stream, threads=cuda_threads), eta_noise_seed_delta)
