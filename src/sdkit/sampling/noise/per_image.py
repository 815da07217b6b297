"""The source "per_image": image i's noise is drawn from image i's seed alone, whatever it is made together with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit.sampling.noise.brownian import BrownianNoise
from sdkit.sampling.noise.white import SeededNoise

if TYPE_CHECKING:
    import torch

    from sdkit.types import Noise, NoiseKind, NoiseSource, Run


class PerImage:
    """One PyTorch generator on the CPU per image, drawn from again and again: first the start, then the steps."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def start(self) -> torch.Tensor:
        """The first draw of each image's generator."""
        return self._white().start()

    def steps(self, kind: NoiseKind) -> Noise:
        """The draws after the first, from generators made anew: the start may have come from elsewhere."""
        white = self._white()
        white.start()
        return white if kind == "white" else BrownianNoise(white)

    def _white(self) -> SeededNoise:
        return SeededNoise(self._run.seeds, self._run.shape[1:], self._run.model.device)


def per_image(run: Run) -> NoiseSource:
    """The noise of `run.seeds`, each row from a generator of its own."""
    return PerImage(run)
