"""The registered guidance."""

from __future__ import annotations

import torch

from sdkit.plugins import load_manager
from sdkit.settings import Settings
from tests.sampling._figures import make_run


def test_cfg_is_classifier_free_guidance() -> None:
    def evaluate(x: torch.Tensor, sigma: float, names: tuple[str, ...]) -> dict[str, torch.Tensor]:
        return {name: x + (2.0 if name == "positive" else 0.5) for name in names}

    guide = load_manager(settings=Settings(plugins=("none",))).guidance["cfg"].load()(make_run(scale=3.0), evaluate)
    assert torch.equal(guide(torch.zeros(2), 1.0).denoised, torch.full((2,), 0.5 + 3 * 1.5))
