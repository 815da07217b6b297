"""Classifier-free guidance."""

from __future__ import annotations

import torch

from sdkit.sampling import cfg
from tests.sampling._figures import make_run

X = torch.zeros(1, 4, 2, 2)


class Branches:
    """An evaluation with fixed answers that remembers what was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, x: torch.Tensor, sigma: float, names: tuple[str, ...]) -> dict[str, torch.Tensor]:
        self.asked.append(names)
        return {name: torch.full_like(x, {"positive": 3.0, "negative": 1.0}[name]) for name in names}


def test_moves_from_the_negative_past_the_positive() -> None:
    branches = Branches()
    prediction = cfg(make_run(scale=7.0), branches)(X, 2.0)
    assert torch.equal(prediction.denoised, torch.full_like(X, 1 + 7 * 2))
    assert prediction.uncond is not None
    assert (float(prediction.cond.mean()), float(prediction.uncond.mean())) == (3.0, 1.0)
    assert branches.asked == [("negative", "positive")]


def test_scale_1_does_not_evaluate_the_negative() -> None:
    branches = Branches()
    prediction = cfg(make_run(scale=1.0), branches)(X, 2.0)
    assert torch.equal(prediction.denoised, torch.full_like(X, 3.0))
    assert prediction.uncond is None
    assert branches.asked == [("positive",)]


def test_scale_0_is_the_negative() -> None:
    assert torch.equal(cfg(make_run(scale=0.0), Branches())(X, 2.0).denoised, torch.full_like(X, 1.0))
