"""Hooks for the inside of the noise predictor, and for what is around the guidance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import sdkit
from sdkit import Pipeline
from sdkit.errors import HookResultError, SdkitError
from sdkit.sampling import with_area
from sdkit.testing import make_pipeline, shared_checkpoint
from sdkit.types import (
    Area,
    Attend,
    AttentionPatch,
    AttentionSite,
    BlockPatch,
    BlockSite,
    Conditioning,
    Guide,
    NetworkCall,
    NetworkPatches,
    Patch,
    PatchableEvaluate,
    Prediction,
    Run,
)

ASKED: dict[str, Any] = {"width": 64, "height": 64, "steps": 2, "sampler": "euler", "guidance_scale": 3.0, "seed": 1}


@pytest.fixture(scope="module")
def pipe() -> Pipeline:
    return Pipeline.load(shared_checkpoint(), device="cpu", dtype="float32")


def latents(pipe: Pipeline, *plugins: object, **fields: Any) -> torch.Tensor:
    return pipe.using(*plugins)("a cat", **{**ASKED, **fields}).latents.tensor


def itself(
    attend: Attend, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, site: AttentionSite
) -> torch.Tensor:
    return value if (site.part, site.kind) == ("middle", "self") else attend(query, key, value)


class Watching:
    """Block patches that look, and are told so."""

    def __init__(self) -> None:
        self.runs = 0
        self.calls: list[NetworkCall] = []

    @sdkit.hookimpl
    def block_patches(self, run: Run) -> BlockPatch:
        self.runs += 1
        return BlockPatch(middle=self.middle)

    def middle(self, x: torch.Tensor, site: BlockSite) -> torch.Tensor:
        self.calls.append(site.call)
        return x


@pytest.mark.hook("block_patches")
def test_block_patches_are_asked_for_once_per_run_and_called_in_every_evaluation(pipe: Pipeline) -> None:
    watching = Watching()
    assert torch.equal(
        latents(pipe, watching, seeds=[1, 2, 3], batch_size=2, seed=None),
        latents(pipe, seeds=[1, 2, 3], batch_size=2, seed=None),
    )
    assert watching.runs == 2
    assert [call.shape for call in watching.calls] == [(4, 4, 8, 8), (4, 4, 8, 8), (2, 4, 8, 8), (2, 4, 8, 8)]
    assert {call.branches for call in watching.calls} == {(("negative",), ("positive",))}
    first, second = watching.calls[:2]
    assert first.sigma > second.sigma > 0
    assert first.timestep == pytest.approx(999)
    assert first.whole


class Dampened:
    def __init__(self, factor: float) -> None:
        self.factor = factor

    @sdkit.hookimpl
    def block_patches(self, run: Run) -> tuple[BlockPatch, ...]:
        return (BlockPatch(middle=lambda x, site: x * self.factor), BlockPatch(middle=lambda x, site: x + 1))


@pytest.mark.hook("block_patches")
def test_block_patches_come_in_turn_the_nearest_last_and_for_one_run(pipe: Pipeline) -> None:
    class Once:
        def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
            self.function = function

        @sdkit.hookimpl
        def block_patches(self, run: Run) -> BlockPatch:
            return BlockPatch(middle=lambda x, site: self.function(x))

    plain = latents(pipe)
    both = latents(pipe, Dampened(0.5), Dampened(0.0))
    assert torch.equal(both, latents(pipe, Once(torch.ones_like)))
    assert not torch.equal(both, latents(pipe, Dampened(0.0), Dampened(0.5)))
    assert torch.equal(latents(pipe), plain), "runs without them are as they were"


@pytest.mark.hook("attention_patches")
def test_attention_patches_change_the_run_that_they_are_for(pipe: Pipeline) -> None:
    asked: list[Run] = []

    class Perturbed:
        @sdkit.hookimpl
        def attention_patches(self, run: Run) -> AttentionPatch | None:
            asked.append(run)
            return AttentionPatch(mixing=itself) if run.request.steps == 2 else None

    plain = latents(pipe)
    assert not torch.equal(latents(pipe, Perturbed()), plain)
    assert torch.equal(latents(pipe, Perturbed(), steps=3), latents(pipe, steps=3))
    assert torch.equal(latents(pipe), plain)
    assert len(asked) == 2
    assert asked[0].noise is not None, "what is sampled from is known"


@pytest.mark.hook("attention_patches")
def test_patches_hold_where_models_take_turns_and_for_areas(pipe: Pipeline) -> None:
    watching = Watching()

    class Turns:
        @sdkit.hookimpl
        def patch_model(self, run: Run) -> Patch:
            same = frozenset({"unet.out.2.bias"})
            return Patch(key="turns", targets=same, apply=lambda name, bias: bias + 1, sigmas=(5.0, 0.0))

        @sdkit.hookimpl
        def attention_patches(self, run: Run) -> AttentionPatch:
            return AttentionPatch(mixing=itself)

    used = pipe.using(watching, Turns())
    prompt = used.encode("a cat").positive
    conditioning = Conditioning((*prompt, *with_area(prompt, Area(0, 0, 0.5, 1.0))), prompt)
    used.sample(conditioning, **ASKED)
    assert {(call.shape, call.whole) for call in watching.calls} == {((1, 4, 8, 8), True), ((1, 4, 4, 8), False)}
    assert {call.branches for call in watching.calls} == {(("negative", "positive"),)}, "both branches say the same"


@pytest.mark.hook("attention_patches")
@pytest.mark.hook("block_patches")
def test_faults_carry_the_plugins_name(pipe: Pipeline) -> None:
    class Failing:
        name = "failing"

        @sdkit.hookimpl
        def attention_patches(self, run: Run) -> AttentionPatch:
            return AttentionPatch(layer=self.layer)

        def layer(self, *given: object) -> torch.Tensor:
            raise ValueError("no")

    class Wrong:
        name = "wrong"

        def __init__(self, answer: Any) -> None:
            self.answer = answer

        @sdkit.hookimpl
        def block_patches(self, run: Run) -> Any:
            return self.answer

    with pytest.raises(ValueError, match="no") as caught:
        latents(pipe, Failing())
    assert caught.value.__notes__ == ["raised by plugin 'failing' in its hook 'attention_patches'"]
    with pytest.raises(HookResultError, match="'wrong': block_patches must return BlockPatch, not str"):
        latents(pipe, Wrong("patch"))
    nothing: Any = lambda x, site: None  # noqa: E731
    with pytest.raises(HookResultError, match="'wrong': block_patches must return Tensor, not None"):
        latents(pipe, Wrong(BlockPatch(middle=nothing)))
    with pytest.raises(HookResultError, match="'wrong': block_patches must return tuple, not None"):
        latents(pipe, Wrong(BlockPatch(output=lambda x, skip, site: nothing(x, site))))
    with pytest.raises(SdkitError, match="the toy model 'toy' has no layers and blocks"):
        make_pipeline([Dampened(0.5)])("a cat", seed=1)


@pytest.mark.hook("wrap_guidance")
def test_what_is_around_the_guidance_may_evaluate_again_with_other_patches(pipe: Pipeline) -> None:
    """Perturbed-attention guidance by hand."""
    seen: list[dict[str, torch.Tensor]] = []

    class Away:
        @sdkit.hookimpl
        def wrap_guidance(self, run: Run, evaluate: PatchableEvaluate) -> Callable[[Guide], Guide]:
            perturbed = evaluate.patched(NetworkPatches(attention=(AttentionPatch(mixing=itself),)))

            def wrap(guide: Guide) -> Guide:
                def guided(x: torch.Tensor, sigma: float) -> Prediction:
                    inner = guide(x, sigma)
                    worse = perturbed(x, sigma, ("positive",))["positive"]
                    again = evaluate(x, sigma, ("positive", "negative"))
                    seen.append({"cond": inner.cond, "worse": worse, "again": again["positive"]})
                    return Prediction(inner.denoised + (inner.cond - worse) * 2, inner.cond, inner.uncond)

                return guided

            return wrap

    class Perturbed:
        @sdkit.hookimpl
        def attention_patches(self, run: Run) -> AttentionPatch:
            return AttentionPatch(mixing=itself)

    assert not torch.equal(latents(pipe, Away()), latents(pipe))
    assert all(torch.allclose(each["cond"], each["again"], atol=1e-6) for each in seen)
    assert all(float((each["cond"] - each["worse"]).abs().max()) > 1e-6 for each in seen)
    seen.clear()
    torch.testing.assert_close(latents(pipe, Away(), Perturbed()), latents(pipe, Perturbed()), atol=1e-3, rtol=0)
    assert len(seen) == 2, "with the run's own patches inside, both evaluations are one"


@pytest.mark.hook("wrap_guidance")
def test_the_nearest_around_the_guidance_is_the_outermost_and_before_adjustments() -> None:
    order: list[str] = []

    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

        @sdkit.hookimpl
        def wrap_guidance(self, run: Run, evaluate: PatchableEvaluate) -> Callable[[Guide], Guide]:
            def wrap(guide: Guide) -> Guide:
                def guided(x: torch.Tensor, sigma: float) -> Prediction:
                    prediction = guide(x, sigma)
                    order.append(self.name)
                    return prediction

                return guided

            return wrap

        @sdkit.hookimpl
        def adjust_prediction(self, run: Run) -> Callable[[Prediction, float], Prediction]:
            def adjust(prediction: Prediction, sigma: float) -> Prediction:
                order.append(f"adjusted by {self.name}")
                return prediction

            return adjust

    make_pipeline([Named("a"), Named("b")])("a cat", seed=1, steps=1, sampler="euler")
    assert order == ["a", "b", "adjusted by a", "adjusted by b"]
