"""What weights do to features, by each dialect's formula."""

from __future__ import annotations

import torch

from sdkit.models.encoding import weigh

FEATURES = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0)) + 1
NEUTRAL = torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(1))
WEIGHTS = torch.tensor([[1.0, 1.3, 0.0, -1.0, 1.0], [1.0, 1.0, 1.0, 1.0, 0.7]])


def test_comfy_moves_away_from_the_empty_prompt() -> None:
    found = weigh(FEATURES, WEIGHTS[..., None], NEUTRAL)
    for row, weights in enumerate(WEIGHTS.tolist()):
        for place, weight in enumerate(weights):
            own, empty = FEATURES[row, place], NEUTRAL[0, place]
            assert torch.allclose(found[row, place], empty + weight * (own - empty), atol=1e-6), (row, place)
            assert weight != 1 or torch.equal(found[row, place], own), "to the last digit where the weight is 1"


def test_a1111_keeps_each_windows_mean() -> None:
    found = weigh(FEATURES, WEIGHTS[..., None], None)
    assert torch.allclose(found.mean((1, 2)), FEATURES.mean((1, 2)), atol=1e-6)
    ratio = found / FEATURES
    assert torch.allclose(ratio[1, 4] / ratio[1, 0], torch.full((8,), 0.7), atol=1e-5)
    assert torch.allclose(found[0, 2], torch.zeros(8))
