"""Where and when embeddings count: against the same rules told once more, slowly, pixel by pixel."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
import torch

from sdkit.errors import SamplingError
from sdkit.sampling import make_evaluate, parameterisation
from sdkit.types import Area, Conditioning, Embedding, SizeConditioning
from tests.sampling._figures import FormulaModel, as_model

SIGMA = 3.0
LEFT, RIGHT = Area(0, 0, 1, 0.5), Area(0, 0.5, 1, 0.5)


def embedding(value: float, **placed: object) -> Embedding:
    return replace(Embedding(torch.full((1, 77, 8), value)), **placed)


def latents(batch: int = 2, height: int = 16, width: int = 40) -> torch.Tensor:
    return torch.randn(batch, 4, height, width, generator=torch.Generator().manual_seed(1))


def evaluate(
    positive: tuple[Embedding, ...], negative: tuple[Embedding, ...] = (), sigma: float = SIGMA, **shape: int
) -> tuple[dict[str, torch.Tensor], FormulaModel]:
    model = FormulaModel()
    run = make_evaluate(as_model(model), parameterisation(model.spec), Conditioning(positive, negative))
    return run(latents(**shape), sigma, ("negative", "positive") if negative else ("positive",)), model


def alone(value: float, sigma: float = SIGMA, **shape: int) -> torch.Tensor:
    """What an embedding predicts for the whole picture; the formula looks at each pixel by itself."""
    model, x = FormulaModel(), latents(**shape)
    rules = parameterisation(model.spec)
    return x - sigma * model.predict(rules.scale_input(x, sigma), rules.timestep(sigma), embedding(value))


def weight(area: tuple[int, int, int, int], height: int = 16, width: int = 40) -> torch.Tensor:
    """How much an area `(top, left, height, width)` counts in each place, worked out place by place."""
    top, left, high, wide = area
    found = torch.zeros(height, width)
    for row in range(top, top + high):
        for column in range(left, left + wide):
            factor = 1.0
            for at, start, size, whole in ((row, top, high, height), (column, left, wide, width)):
                fade = min(8, size // 4)
                if start > 0 and at - start < fade:
                    factor *= (at - start + 1) / fade
                if start + size < whole and start + size - 1 - at < fade:
                    factor *= (start + size - at) / fade
            found[row, column] = factor
    return found


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    assert torch.allclose(ours, theirs, atol=1e-4), float((ours - theirs).abs().max())


def test_an_area_is_shown_alone_and_fades_inside_the_picture() -> None:
    out, model = evaluate((embedding(0.9), embedding(0.1, area=LEFT, strength=2.0)))
    assert [seen.context.shape[0] for seen in model.seen] == [2, 2]
    share = 2.0 * weight((0, 0, 16, 20))
    close(out["positive"], (alone(0.9) + share * alone(0.1)) / (1 + share))
    assert float(share[0, 12]) == 2.0
    assert float(share[0, 19]) == pytest.approx(2 / 5)


def test_areas_side_by_side_leave_no_seam_of_nothing() -> None:
    out, _ = evaluate((embedding(0.9, area=LEFT), embedding(0.1, area=RIGHT)))
    left, right = weight((0, 0, 16, 20)), weight((0, 20, 16, 20))
    close(out["positive"], (left * alone(0.9) + right * alone(0.1)) / (left + right))


def test_where_nothing_counts_the_prediction_is_0() -> None:
    out, _ = evaluate((embedding(0.9, area=LEFT),))
    close(out["positive"], alone(0.9) * (weight((0, 0, 16, 20)) > 0))
    assert not out["positive"][..., 20:].any()


def test_areas_are_rounded_and_cut() -> None:
    area = Area(0.55, 0.9, 0.7, 0.001)
    out, model = evaluate((embedding(0.9), embedding(0.1, area=area)))
    share = weight((9, 36, 7, 1))
    close(out["positive"], (alone(0.9) + share * alone(0.1)) / (1 + share))
    assert len(model.seen) == 2


def test_the_whole_picture_as_an_area_goes_in_the_same_call() -> None:
    _, model = evaluate((embedding(0.9), embedding(0.1, area=Area(0, 0, 1, 1))))
    assert model.calls == [4]


def test_an_area_has_a_counterpart_in_the_other_branch() -> None:
    """A copy beside the full-size one, so that the mean there is of two: the same, as the formula has no context."""
    out, model = evaluate((embedding(0.9), embedding(0.1, area=LEFT)), (embedding(-0.2),))
    assert model.calls == [4, 4]
    close(out["negative"], alone(-0.2))
    told = [seen.context.mean((1, 2)).tolist()[::2] for seen in model.seen]
    assert told == [pytest.approx([-0.2, 0.9]), pytest.approx([-0.2, 0.1])]


def test_the_counterpart_says_what_the_smallest_area_around_says() -> None:
    inner = Area(0.25, 0.25, 0.25, 0.125)
    negative = (embedding(-0.2), embedding(-0.5, area=LEFT), embedding(-0.7, area=Area(0, 0, 0.1, 0.1)))
    out, _ = evaluate((embedding(0.9), embedding(0.1, area=inner)), negative)
    left, corner, middle = weight((0, 0, 16, 20)), weight((0, 0, 2, 4)), weight((4, 10, 4, 5))
    total = 1 + left + corner + middle
    close(
        out["negative"],
        (alone(-0.2) + (left + middle) * alone(-0.5) + corner * alone(-0.7)) / total,
    )


def test_masks_are_resized_and_weigh_places() -> None:
    mask = torch.rand(1, 8, 20, generator=torch.Generator().manual_seed(2))
    out, model = evaluate((embedding(0.9), embedding(0.1, mask=mask, strength=0.5)))
    assert model.calls == [4]
    share = 0.5 * torch.nn.functional.interpolate(mask[None], size=(16, 40), mode="bilinear")[0, 0]
    close(out["positive"], (alone(0.9) + share * alone(0.1)) / (1 + share))


def test_a_mask_can_have_a_row_per_picture() -> None:
    mask = torch.stack([torch.ones(1, 1), torch.zeros(1, 1)])
    out, _ = evaluate((embedding(0.9, mask=mask), embedding(0.1, mask=1 - mask)))
    close(out["positive"][0], alone(0.9)[0])
    close(out["positive"][1], alone(0.1)[1])


def test_a_mask_bounds_what_the_model_is_shown() -> None:
    mask = torch.zeros(1, 16, 40)
    mask[0, 3:14, 10:12] = 0.5
    seen: list[torch.Size] = []
    model = FormulaModel()
    rules, inner = parameterisation(model.spec), model.predict

    def predict(x: torch.Tensor, timestep: float, embedding: Embedding) -> torch.Tensor:
        seen.append(x.shape)
        return inner(x, timestep, embedding)

    model.predict = predict
    both = embedding(0.9), embedding(0.1, mask=mask, area="mask")
    out = make_evaluate(as_model(model), rules, Conditioning(both, ()))(latents(), SIGMA, ("positive",))
    assert [shape[-2:] for shape in seen] == [(16, 40), (11, 8)]
    close(out["positive"], (alone(0.9) + mask[0] * alone(0.1)) / (1 + mask[0]))
    empty = embedding(0.1, mask=mask * 0, area="mask")
    make_evaluate(as_model(model), rules, Conditioning((both[0], empty), ()))(latents(), SIGMA, ("positive",))
    assert seen[-1][-2:] == (8, 8)


def test_ranges_include_both_ends() -> None:
    ranged = embedding(0.9, sigmas=(5.0, 2.0)), embedding(0.1, sigmas=(2.0, 0.0))
    for sigma, expected in ((5.0, 0.9), (2.1, 0.9), (1.9, 0.1), (5.0 * (1 + 1e-7), 0.9)):
        out, model = evaluate(ranged, sigma=sigma)
        close(out["positive"], alone(expected, sigma))
        assert model.calls == [2]
    out, _ = evaluate(ranged, sigma=2.0)
    close(out["positive"], (alone(0.9, 2.0) + alone(0.1, 2.0)) / 2)


def test_a_step_where_nothing_counts_predicts_0() -> None:
    out, model = evaluate((embedding(0.9, sigmas=(5.0, 2.0)),), (embedding(0.3),), sigma=6.0)
    assert not out["positive"].any()
    close(out["negative"], alone(0.3, 6.0))
    assert model.calls == [2]


def test_what_counts_is_looked_at_in_every_step_but_prepared_once() -> None:
    model = FormulaModel()
    conditioning = Conditioning((embedding(0.9, sigmas=(5.0, 2.0)), embedding(0.1)), ())
    run = make_evaluate(as_model(model), parameterisation(model.spec), conditioning)
    for sigma in (4.0, 3.0, 1.0, 2.5):
        run(latents(), sigma, ("positive",))
    assert model.calls == [4, 4, 2, 4]
    assert model.seen[0] is model.seen[1] is model.seen[3]


def test_an_embedding_of_both_branches_is_evaluated_once() -> None:
    shared = embedding(-0.2)
    out, model = evaluate((embedding(0.9, strength=2.0), replace(shared, strength=-1.0)), (shared,))
    assert model.calls == [4]
    close(out["positive"], 2 * alone(0.9) - alone(-0.2))
    close(out["negative"], alone(-0.2))


def test_parts_are_told_the_whole_size_and_shown_their_own_channels() -> None:
    channels = torch.arange(16 * 40.0).view(1, 1, 16, 40)
    size = SizeConditioning(99, 77)
    _, model = evaluate((embedding(0.9, area=LEFT, channels=channels), embedding(0.1, area=RIGHT, size=size)))
    (first, second) = model.seen
    assert first.size == SizeConditioning(128, 320)
    assert first.channels is not None
    assert torch.equal(first.channels[1], channels[0, :, :, :20])
    assert (second.size, second.channels) == (size, None)


def test_different_sizes_and_channels_go_in_calls_of_their_own() -> None:
    channels = torch.zeros(1, 5, 16, 40)
    _, model = evaluate(
        (embedding(0.9, size=SizeConditioning(1, 1)), embedding(0.1), embedding(0.2, channels=channels))
    )
    assert model.calls == [2, 2, 2]


def test_areas_of_one_size_share_a_call() -> None:
    """Four areas with their counterparts, of two sizes, and the two whole pictures: three calls, and not five."""
    areas = LEFT, RIGHT, Area(0.25, 0.25, 0.25, 0.5), Area(0.5, 0.125, 0.25, 0.5)
    values = 0.1, 0.3, 0.5, 0.7
    parts = tuple(embedding(value, area=area) for value, area in zip(values, areas, strict=True))
    out, model = evaluate((embedding(0.9), *parts), (embedding(-0.2),))
    assert model.calls == [4, 8, 8]
    assert [seen.context[::2].mean((1, 2)).tolist() for seen in model.seen[1:]] == [
        pytest.approx([-0.2, -0.2, 0.1, 0.3]),
        pytest.approx([-0.2, -0.2, 0.5, 0.7]),
    ]
    shares = [weight(place) for place in ((0, 0, 16, 20), (0, 20, 16, 20), (4, 10, 4, 20), (8, 5, 4, 20))]
    expected = alone(0.9) + sum(share * alone(value) for share, value in zip(shares, values, strict=True))
    difference = out["positive"] - expected / (1 + sum(shares))
    assert float(difference.norm() / out["positive"].norm()) < 1e-6


def test_each_area_is_shown_its_own_channels_in_a_shared_call() -> None:
    channels = torch.arange(16 * 40.0).view(1, 1, 16, 40)
    _, model = evaluate((embedding(0.9, area=LEFT, channels=channels), embedding(0.1, area=RIGHT, channels=channels)))
    assert model.calls == [4]
    told = model.seen[0].channels
    assert told is not None
    assert torch.equal(told[1], channels[0, :, :, :20])
    assert torch.equal(told[2], channels[0, :, :, 20:])


def test_faults_are_named() -> None:
    with pytest.raises(SamplingError, match=r"mask of shape \[3, 4, 4\], but the batch is of 2 images"):
        evaluate((embedding(0.9, mask=torch.ones(3, 4, 4)),))
    with pytest.raises(SamplingError, match="the strengths of the positive branch's embeddings add up to 0"):
        evaluate((embedding(0.9), embedding(0.1, strength=-1.0)))
    assert cast("object", evaluate((embedding(0.9), embedding(0.1, area=Area(1.0, 0, 1, 1))))[0]) is not None
