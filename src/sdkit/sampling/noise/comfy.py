"""The source "comfy": what ComfyUI draws for a seed, one tensor for the whole batch."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Literal

import torch

from sdkit.errors import RequestError
from sdkit.sampling.noise.philox import cuda_stream
from sdkit.sampling.noise.streams import MakeStream, Stream, cpu_stream, shifted, to_device
from sdkit.sampling.noise.tree import TreeNoise

if TYPE_CHECKING:
    from sdkit.types import Noise, NoiseKind, NoiseSource, Run

Generator = Literal["cpu", "cuda"]


class ComfyNoise:
    """All noise in the shape of the whole generation, from the seed of its first image; a run takes its rows of it."""

    def __init__(
        self, run: Run, batch_indices: tuple[int, ...] | None, white: MakeStream, brownian: MakeStream, delta: int
    ) -> None:
        self._run, self._white, self._brownian, self._delta = run, white, brownian, delta
        self._seed = run.request.image_seeds()[0]
        self._rows = slice(run.first, run.first + len(run.seeds))
        self._indices = None if batch_indices is None else batch_indices[self._rows]

    def start(self) -> torch.Tensor:
        """The first draw on the CPU; with batch indices, the draws of these numbers, an image at a time."""
        draw = cpu_stream(self._seed)
        if self._indices is None:
            return to_device(self._whole(draw), self._run.model.device)
        images: dict[int, torch.Tensor] = {}
        for index in range(max(self._indices) + 1):
            noise = draw((1, *self._run.shape[1:]))
            if index in self._indices:
                images[index] = noise
        return to_device(torch.cat([images[index] for index in self._indices]), self._run.model.device)

    def steps(self, kind: NoiseKind) -> Noise:
        """White noise from a generator of its own with the same seed, so that on the CPU the first draw is the start's;
        Brownian noise from a tree."""
        device = self._run.model.device
        if kind == "brownian":
            return TreeNoise([self._seed], lambda seed: self._whole(self._brownian(seed)), self._run.sigmas, device)
        stream = self._white(shifted(self._seed, self._delta))

        def white(sigma: float, sigma_next: float, /) -> torch.Tensor:
            return to_device(self._whole(stream), device)

        return white

    def _whole(self, draw: Stream) -> torch.Tensor:
        """This run's rows of a draw for the whole generation."""
        return draw((self._run.total, *self._run.shape[1:]))[self._rows]


def comfy(
    run: Run,
    *,
    batch_indices: tuple[int, ...] | None = None,
    white_from: Generator = "cpu",
    white_seed_delta: int = 0,
    brownian_from: Generator = "cpu",
    cuda_threads: int | None = None,
) -> NoiseSource:
    """The noise of the generation's first seed, as ComfyUI draws it for the whole batch.

    `batch_indices`: which image of an earlier batch each image was, one per image of the generation. `white_from`,
    `brownian_from`: on which device ComfyUI drew the samplers' noise; `cuda_threads`: how many threads that keeps
    resident, where a batch has more numbers than that. `white_seed_delta`: 1 for the releases that add 1 to the seed of
    white noise on the CPU. Raises RequestError where there are more or fewer indices than images.
    """
    if batch_indices is not None and len(batch_indices) != run.total:
        raise RequestError(
            f"batch_indices are one per image: {run.total} for this request, not {len(batch_indices)} "
            f"({', '.join(map(str, batch_indices))})"
        )
    streams: dict[Generator, MakeStream] = {
        "cpu": cpu_stream,
        "cuda": functools.partial(cuda_stream, threads=cuda_threads),
    }
    return ComfyNoise(run, batch_indices, streams[white_from], streams[brownian_from], white_seed_delta)
