"""Branches in one call: what the model gets, what comes out, and how often it is called."""

from __future__ import annotations

import pytest
import torch

from sdkit.errors import RequestError, SamplingError
from sdkit.sampling import make_evaluate, parameterisation, stack_embeddings
from sdkit.types import Conditioning, Embedding
from tests.sampling._figures import FormulaModel, as_model

BOTH = ("negative", "positive")


def embedding(value: float, tokens: int = 77, rows: int = 1, strength: float = 1.0, pooled: bool = False) -> Embedding:
    context = torch.full((rows, tokens, 8), value) + torch.arange(rows).view(-1, 1, 1)
    return Embedding(context, context[:, 0, :3] if pooled else None, strength)


def latents(batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, 4, 6, 5, generator=torch.Generator().manual_seed(1))


def evaluate(
    positive: tuple[Embedding, ...],
    negative: tuple[Embedding, ...],
    names: tuple[str, ...] = BOTH,
    batch: int = 2,
) -> tuple[dict[str, torch.Tensor], FormulaModel]:
    model = FormulaModel()
    rules = parameterisation(model.spec)
    return make_evaluate(as_model(model), rules, Conditioning(positive, negative))(latents(batch), 3.0, names), model


def alone(one: Embedding, batch: int = 2) -> torch.Tensor:
    """What one embedding predicts, worked out without `make_evaluate`."""
    model, x = FormulaModel(), latents(batch)
    rules = parameterisation(model.spec)
    output = model.predict(rules.scale_input(x, 3.0), rules.timestep(3.0), one)
    return x - 3.0 * output


def test_branches_go_in_one_call_and_come_out_by_name() -> None:
    out, model = evaluate((embedding(0.3),), (embedding(-0.1),))
    assert model.calls == [4]
    assert torch.allclose(out["positive"], alone(embedding(0.3)), atol=1e-5)
    assert torch.allclose(out["negative"], alone(embedding(-0.1)), atol=1e-5)
    contexts = model.seen[0].context.mean((1, 2))
    assert contexts.tolist() == pytest.approx([-0.1, -0.1, 0.3, 0.3])


def test_one_branch_is_not_copied() -> None:
    one = embedding(0.3)
    out, model = evaluate((one,), (embedding(0.0),), ("positive",), batch=1)
    assert (list(out), model.calls) == (["positive"], [1])
    assert model.seen[0].context.shape == (1, 77, 8)


def test_each_image_gets_its_own_row() -> None:
    out, _ = evaluate((embedding(0.3, rows=2),), (embedding(0.0),))
    assert torch.allclose(out["positive"], alone(embedding(0.3, rows=2)), atol=1e-5)


def test_several_embeddings_are_a_mean_weighted_by_strength() -> None:
    out, model = evaluate((embedding(0.9, strength=3.0), embedding(0.1)), (embedding(0.0),))
    assert model.calls == [6]
    expected = (3 * alone(embedding(0.9)) + alone(embedding(0.1))) / 4
    assert torch.allclose(out["positive"], expected, atol=1e-5)


def test_strength_0_is_not_evaluated() -> None:
    _, model = evaluate((embedding(0.9), embedding(0.1, strength=0.0)), (), ("positive",))
    assert model.calls == [2]


def test_lengths_meet_at_their_least_common_multiple() -> None:
    long = Embedding(torch.linspace(0, 1, 231 * 8).view(1, 231, 8))
    out, model = evaluate((long,), (embedding(-0.1),))
    assert model.calls == [4]
    assert model.seen[0].context.shape == (4, 231, 8)
    assert torch.equal(model.seen[0].context[2], long.context[0])
    assert torch.allclose(out["positive"], alone(long), atol=1e-5)
    assert torch.allclose(out["negative"], alone(embedding(-0.1)), atol=1e-5)


def test_lengths_too_far_apart_go_in_two_calls() -> None:
    out, model = evaluate((embedding(0.3, tokens=77 * 5),), (embedding(-0.1),))
    assert model.calls == [2, 2]
    assert [seen.context.shape[1] for seen in model.seen] == [77, 77 * 5]
    assert torch.allclose(out["positive"], alone(embedding(0.3)), atol=1e-5)


def test_pooled_goes_along() -> None:
    _, model = evaluate((embedding(0.3, rows=2, pooled=True),), (embedding(-0.1, pooled=True),))
    pooled = model.seen[0].pooled
    assert pooled is not None
    assert pooled[:, 0].tolist() == pytest.approx([-0.1, -0.1, 0.3, 1.3])


def test_with_and_without_pooled_cannot_share_a_call() -> None:
    _, model = evaluate((embedding(0.3, pooled=True),), (embedding(-0.1),))
    assert model.calls == [2, 2]
    assert [seen.pooled is None for seen in model.seen] == [True, False]


def test_contexts_are_prepared_once_per_run() -> None:
    model = FormulaModel()
    conditioning = Conditioning((embedding(0.3),), (embedding(-0.1),))
    run = make_evaluate(as_model(model), parameterisation(model.spec), conditioning)
    for sigma in (3.0, 2.0):
        run(latents(), sigma, BOTH)
    run(latents(1), 1.0, BOTH)
    assert model.seen[0] is model.seen[1]
    assert model.seen[2].context.shape[0] == 2


def test_faults_are_named() -> None:
    with pytest.raises(SamplingError, match="no branch 'middle' to evaluate; there are positive, negative"):
        evaluate((embedding(0.3),), (embedding(0.0),), ("middle",))
    with pytest.raises(SamplingError, match="the negative branch has no embedding"):
        evaluate((embedding(0.3),), ())
    with pytest.raises(SamplingError, match=r"context of shape \[3, 77, 8\], but the batch is of 2 images"):
        evaluate((embedding(0.3, rows=3),), (embedding(0.0),))


def test_stacking_makes_rows() -> None:
    stacked = stack_embeddings([embedding(0.1, pooled=True), embedding(0.2, tokens=154, pooled=True)])
    assert stacked.context.shape == (2, 154, 8)
    assert stacked.pooled is not None
    assert stacked.pooled[:, 0].tolist() == pytest.approx([0.1, 0.2])


def test_stacking_lengths_without_a_small_common_multiple_is_refused() -> None:
    with pytest.raises(RequestError, match=r"prompts of 847 and 1001 tokens cannot share a batch.*batch_size=1"):
        stack_embeddings([embedding(0.1, tokens=77 * 11), embedding(0.2, tokens=77 * 13)])
