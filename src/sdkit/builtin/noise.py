"""The starting noise: each image's from its own seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit.hookspecs import hookimpl

if TYPE_CHECKING:
    import torch

    from sdkit.types import Run


@hookimpl
def make_noise(run: Run) -> torch.Tensor:
    """The first draw of one generator per image."""
    from sdkit.sampling import SeededNoise  # imports torch

    return SeededNoise(run.seeds, run.shape[1:], run.model.device).start()
