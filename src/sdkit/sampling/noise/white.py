"""White noise with one stream per image, so that image i of any batch is the image that its seed gives alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sdkit.sampling.noise.streams import MakeStream, cpu_stream, to_device


class SeededNoise:
    """White noise, `[B, C, h, w]` float32 on `device`: row i from a stream of its own, that of `seeds[i]`.

    `shape`: `(C, h, w)`, of one image. `start()` gives the noise to start from and is to be called first; calling the
    object gives further draws, whatever the sigmas. `stream`: what a seed stands for; PyTorch's CPU generator unless
    told otherwise.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        shape: tuple[int, ...],
        device: torch.device | str = "cpu",
        stream: MakeStream = cpu_stream,
    ) -> None:
        self._streams = [stream(seed) for seed in seeds]
        self._shape = shape
        self._device = device

    def start(self) -> torch.Tensor:
        """The next draw: the starting noise, if it is the first."""
        return to_device(torch.stack([draw(self._shape) for draw in self._streams]), self._device)

    def __call__(self, sigma: float, sigma_next: float, /) -> torch.Tensor:
        return self.start()
