"""From prompts to conditioning: edits, several prompts in one, textual inversions, and what is not encoded twice."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import sdkit
from sdkit import Pipeline
from sdkit.errors import CheckpointError, RequestError
from sdkit.models import latent_diffusion
from sdkit.settings import Settings
from sdkit.testing import ToyModel, make_pipeline, random_checkpoint
from sdkit.types import CallPatches, Embedding, Prompt, Run, RunPlan, Segment, StepDone, TextualInversion


def alone(text: str) -> torch.Tensor:
    return ToyModel().encode_text(Prompt(text, (Segment(text),)), 1).context


def test_one_prompt_is_one_embedding_without_a_range() -> None:
    (embedding,) = make_pipeline().encode("a red circle", prompt_syntax="a1111").positive
    assert embedding.sigmas is None
    assert embedding.strength == 1
    assert torch.equal(embedding.context, alone("a red circle"))


def test_edits_become_embeddings_with_ranges_of_sigmas() -> None:
    sigmas = (10.0, 6.0, 3.0, 1.0, 0.0)
    first, second = make_pipeline().encode("a [red:blue:0.5] disc", prompt_syntax="a1111", sigmas=sigmas).positive
    assert torch.equal(first.context, alone("a red disc"))
    assert torch.equal(second.context, alone("a blue disc"))
    assert first.sigmas is not None
    assert second.sigmas is not None
    assert first.sigmas[0] == math.inf
    assert first.sigmas[1] == second.sigmas[0] == pytest.approx(3.003)
    assert second.sigmas[1] == 0


def test_alternation_encodes_each_text_once() -> None:
    model = ToyModel()
    conditioning = make_pipeline(model=model).encode("[red|blue] disc", prompt_syntax="a1111", steps=6)
    assert len(conditioning.positive) == 6
    assert model.texts_encoded == 3  # red, blue, and the negative prompt
    assert conditioning.positive[0].context is conditioning.positive[2].context


@pytest.mark.parametrize(
    ("text", "told"), [("[red:blue:3]", "rrrbbb"), ("[red|blue]", "rbrbrb"), ("[:blue:1]", " bbbbb")]
)
def test_each_step_hears_what_the_prompt_says_then(text: str, told: str) -> None:
    model = ToyModel()
    heard: list[torch.Tensor] = []
    inner = model.predict

    def predict(
        x: torch.Tensor, timestep: float, embedding: Embedding, patches: CallPatches | None = None
    ) -> torch.Tensor:
        heard.append(embedding.context[-1])
        return inner(x, timestep, embedding, patches)

    model.predict = predict
    make_pipeline(model=model)(text, prompt_syntax="a1111", steps=6, sampler="euler", seed=0)
    says = {"r": alone("red")[0], "b": alone("blue")[0], " ": alone("")[0]}
    assert len(heard) == 6
    assert all(torch.equal(context, says[letter]) for context, letter in zip(heard, told, strict=True))


def test_and_adds_what_each_prompt_pulls() -> None:
    """With guidance s: uncond + s·Σ weight·(cond − uncond), worked out from single prompts."""
    pipe = make_pipeline()

    def first_step(prompt: str, scale: float) -> torch.Tensor:
        events = pipe.stream(
            prompt, guidance_scale=scale, prompt_syntax="a1111", negative_prompt="blurred", sampler="euler", seed=3
        )
        return next(event for event in events if isinstance(event, StepDone)).step.denoised

    red, blue = first_step("red", 1.0), first_step("blue", 1.0)
    uncond = (first_step("red", 3.0) - 3 * red) / -2
    expected = uncond + 3.0 * ((red - uncond) + 0.5 * (blue - uncond))
    assert torch.allclose(first_step("red AND blue :0.5", 3.0), expected, atol=1e-4)


def test_parts_can_change_on_the_way() -> None:
    positive = make_pipeline().encode("[red:blue:3] AND green :0.5", prompt_syntax="a1111", steps=6).positive
    assert [(e.strength, e.sigmas is None) for e in positive] == [(1.0, False), (1.0, False), (0.5, True), (-0.5, True)]


def test_pictures_with_other_prompts_share_a_batch() -> None:
    class Colours:
        @sdkit.hookimpl
        def transform_prompt(self, plan: RunPlan) -> Callable[[str, int], str]:
            texts = {1: "red", 2: "[red:blue:3]", 3: "green AND blue :0.5"}
            return lambda text, seed: texts[seed] if text else text

    pipe = make_pipeline([Colours()])
    together = pipe("x", prompt_syntax="a1111", seeds=(1, 2, 3), steps=6, batch_size=3)
    apart = pipe("x", prompt_syntax="a1111", seeds=(1, 2, 3), steps=6, batch_size=1)
    assert torch.allclose(together.latents.tensor, apart.latents.tensor, atol=1e-4)
    assert not torch.allclose(together.latents.tensor[0], together.latents.tensor[1], atol=1e-2)


def test_wrappers_see_the_prompts_of_single_steps() -> None:
    seen: list[str] = []

    class Watching:
        @sdkit.hookimpl
        def wrap_encode(self, run: Run) -> Callable[[Callable[[Prompt], Embedding]], Callable[[Prompt], Embedding]]:
            def wrap(encode: Callable[[Prompt], Embedding]) -> Callable[[Prompt], Embedding]:
                def watched(prompt: Prompt) -> Embedding:
                    assert all(not segment.when for segment in prompt.segments)
                    seen.append(prompt.text)
                    return encode(prompt)

                return watched

            return wrap

    make_pipeline([Watching()]).encode("[red:blue:3] AND green", "bad", prompt_syntax="a1111", steps=6)
    assert seen == ["bad", "red", "blue", " green"]


def test_faults_in_prompts_are_requests_errors() -> None:
    with pytest.raises(RequestError, match="hypernetwork at character 1"):
        make_pipeline()("<hypernet:x:1>", prompt_syntax="a1111", seed=0)


# ── with text encoders ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def pipe(tmp_path: Path) -> Pipeline:
    """A small random model, and a model folder with textual inversions for it and for another one."""
    folder = tmp_path / "embeddings"
    folder.mkdir()
    path = random_checkpoint(tmp_path / "small.safetensors")
    settings = Settings(models=tmp_path, plugins=("none",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SDKIT_MODELS", str(tmp_path))
        patch.setenv("SDKIT_PLUGINS", "none")
        found = Pipeline.load(path)
    assert found is not None
    width = found.encode("a").positive[0].context.shape[-1]
    generator = torch.Generator().manual_seed(0)
    save_file({"emb_params": torch.randn(2, width, generator=generator)}, folder / "mine.safetensors")
    save_file({"emb_params": torch.randn(2, width + 1, generator=generator)}, folder / "other.safetensors")
    return Pipeline(found.model, settings=settings)


def test_inversions_change_what_is_said(pipe: Pipeline) -> None:
    def said(text: str, syntax: str) -> torch.Tensor:
        return pipe.encode(text, prompt_syntax=syntax).positive[0].context

    named = said("a embedding:mine cat", "comfy")
    assert torch.equal(named, said("a mine cat", "a1111"))
    assert torch.equal(named, said("a <mine> cat", "a1111"))
    assert not torch.allclose(named, said("a cat", "comfy"))
    assert torch.equal(said("a embedding:nobody cat", "comfy"), said("a cat", "comfy"))


def test_inversions_that_do_not_fit_or_are_not_there(pipe: Pipeline) -> None:
    width = pipe.encode("a").positive[0].context.shape[-1]
    with pytest.raises(
        RequestError, match=f"vectors of {width + 1} numbers, and the model's text encoder reads {width}"
    ):
        pipe.encode("embedding:other", prompt_syntax="comfy")
    result = pipe("embedding:nobody", prompt_syntax="comfy", steps=1, seed=0)
    (warning,) = result.warnings
    assert "'nobody', which is in no model folder" in warning


def test_another_seed_encodes_nothing(pipe: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    inner = latent_diffusion.encode_chunks

    def counted(*given: object, **named: object) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(1)
        return inner(*given, **named)  # pyright: ignore[reportArgumentType] - passed through

    monkeypatch.setattr(latent_diffusion, "encode_chunks", counted)
    request = {"prompt_syntax": "comfy", "steps": 1, "negative_prompt": "bad"}
    first = pipe("a (embedding:mine:1.2) cat", seed=1, **request)
    assert len(calls) == 2
    again = pipe("a (embedding:mine:1.2) cat", seed=1, **request)
    pipe("a (embedding:mine:1.2) cat", seed=2, **request)
    assert len(calls) == 2
    assert torch.equal(first.latents.tensor, again.latents.tensor)
    pipe("a (embedding:mine:1.3) cat", seed=1, **request)
    assert len(calls) == 3


def test_pickled_inversions_are_read_where_the_settings_say_so(pipe: Pipeline, tmp_path: Path) -> None:
    width = pipe.encode("a").positive[0].context.shape[-1]
    torch.save({"string_to_param": {"*": torch.ones(2, width)}}, tmp_path / "embeddings" / "old.pt")
    with pytest.raises(CheckpointError, match=r"old\.pt is a pickle.* or SDKIT_PICKLES=1"):
        pipe.encode("embedding:old", prompt_syntax="comfy")
    trusting = Pipeline(pipe.model, settings=Settings(models=tmp_path, plugins=("none",), pickles=True))
    found = trusting.encode("embedding:old cat", prompt_syntax="comfy").positive[0].context
    assert not torch.equal(found, pipe.encode("cat", prompt_syntax="comfy").positive[0].context)


def test_a_changed_inversion_is_encoded_again(pipe: Pipeline, tmp_path: Path) -> None:
    before = pipe.encode("embedding:mine", prompt_syntax="comfy").positive[0].context
    width = before.shape[-1]
    save_file({"emb_params": torch.ones(3, width)}, tmp_path / "embeddings" / "mine.safetensors")
    assert not torch.equal(before, pipe.encode("embedding:mine", prompt_syntax="comfy").positive[0].context)


def test_inversions_are_equal_by_content() -> None:
    one, other = (TextualInversion("x", digest, {"": torch.zeros(1, 1)}) for digest in ("a", "b"))
    assert one != other
    assert one == TextualInversion("x", "a", {"": torch.ones(1, 1)})
    assert len({one, other}) == 2
