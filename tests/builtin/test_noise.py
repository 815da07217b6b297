"""The starting noise, and replacing it."""

from __future__ import annotations

import pytest
import torch

from sdkit.hookspecs import hookimpl
from sdkit.plugins import load_manager
from sdkit.sampling import SeededNoise, noise_for
from sdkit.settings import Settings
from sdkit.types import Run
from tests.sampling._figures import make_run


def test_start_is_drawn_from_each_images_seed() -> None:
    run = make_run(seeds=(4, 2**64 - 1))
    drawn = load_manager(settings=Settings(plugins=("none",))).answer("make_noise", torch.Tensor, run=run)
    assert drawn.shape == run.shape
    assert drawn.dtype == torch.float32
    for i, seed in enumerate(run.seeds):
        expected = torch.randn(run.shape[1:], generator=torch.Generator().manual_seed(seed))
        assert torch.equal(drawn[i], expected)


@pytest.mark.hook("make_noise")
def test_a_plugin_replaces_the_start_and_nothing_else() -> None:
    class Flat:
        @hookimpl
        def make_noise(self, run: Run) -> torch.Tensor:
            return torch.ones(run.shape)

    run = make_run(seeds=(4, 5))
    assert torch.equal(
        load_manager([Flat()], settings=Settings(plugins=("none",))).answer("make_noise", torch.Tensor, run=run),
        torch.ones(run.shape),
    )
    source = SeededNoise(run.seeds, run.shape[1:])
    source.start()
    assert torch.equal(noise_for(run, "white", "any")(2.0, 1.0), source(2.0, 1.0))
