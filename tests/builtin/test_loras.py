"""LoRAs in the pipeline: by name, at strengths, in steps, in prompts, in threads; and the model never changes."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from sdkit import Request, hookimpl
from sdkit.builtin.loras import Loras
from sdkit.errors import CheckpointError, LoraKeyError, ModelNotFoundError, RequestError
from sdkit.images import read_record
from sdkit.models.hashes import compute_hashes
from sdkit.models.lora import LowRank
from sdkit.models.lora.unmerged import changed
from sdkit.pipeline import Pipeline
from sdkit.settings import Settings
from sdkit.testing import ToyModel, make_pipeline, shared_checkpoint
from sdkit.types import LoraInput, LoraSpec, StepDone
from tests.models.lora._files import randn, save, save_toy_lora
from tests.pipeline._pictures import paint

QUERY = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
CONV = "lora_unet_mid_block_resnets_0_conv1"
TEXT = "lora_te_text_model_encoder_layers_0_self_attn_q_proj"


def save_lora(path: Path, seed: int = 0) -> Path:
    """One for the stand-in of SD1: a matrix, a convolution, and a matrix of the text encoder."""
    tensors: dict[str, Tensor] = {}
    for module, outputs, inputs, side in ((QUERY, 64, 64, 0), (CONV, 64, 64, 3), (TEXT, 32, 32, 0)):
        tensors[f"{module}.lora_up.weight"] = randn(outputs, 4, seed=seed)[(..., *[None] * (2 if side else 0))]
        tensors[f"{module}.lora_down.weight"] = randn(4, inputs, *[side] * (2 if side else 0), seed=seed + 1)
        tensors[f"{module}.alpha"] = torch.tensor(1.0)
    return save(path, tensors)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model folder with LoRAs for the toy: tint, and sub/tone."""
    monkeypatch.setenv("SDKIT_MODELS", str(tmp_path))
    save_toy_lora(tmp_path / "loras" / "tint.safetensors", seed=1)
    save_toy_lora(tmp_path / "loras" / "sub" / "tone.safetensors", seed=7)
    return tmp_path


def toy(lora: LoraInput | Sequence[LoraInput] = (), **spec: object) -> Tensor:
    """The toy's picture with LoRAs."""
    if spec:
        lora = {"name": lora, **spec}
    loras = lora if isinstance(lora, list) else [lora] if lora else []
    return paint(make_pipeline(), loras=loras)  # pyright: ignore[reportArgumentType] - what a request takes


# ── strengths ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_name_a_path_or_a_hash_means_the_file(library: Path) -> None:
    path = library / "loras" / "tint.safetensors"
    by_path = toy(str(path))
    assert not torch.equal(by_path, toy())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for name in ("tint", "tint.safetensors", path, f"sha256:{digest[:12]}", {"name": "moved away", "sha256": digest}):
        assert torch.equal(toy(name), by_path)
    assert torch.equal(toy("sub/tone"), toy("tone"))


def test_strengths_are_of_the_noise_predictor_and_of_the_text_encoders(library: Path) -> None:
    plain = toy()
    assert torch.equal(toy(("tint", 0.0)), plain)
    assert torch.equal(toy(("tint", 0.7)), toy(("tint", 0.7, 0.7)))
    only_unet, only_text = toy(("tint", 0.7, 0.0)), toy(("tint", 0.0, 0.7))
    assert not torch.equal(only_unet, plain)
    assert not torch.equal(only_text, plain)
    assert not torch.equal(only_unet, only_text)
    assert torch.equal(toy("tint", strength=0.7, blocks={"BASE": 0.0}), plain), "the toy has no blocks"
    assert torch.equal(toy("tint", strength=0.7, blocks=(0.5,)), toy(("tint", 0.35)))


def test_stacks_add_up(library: Path) -> None:
    both, other_way = toy([("tint", 0.3), ("tone", 0.4)]), toy([("tone", 0.4), ("tint", 0.3)])
    torch.testing.assert_close(both, other_way)
    assert not torch.equal(both, toy(("tint", 0.3)))
    torch.testing.assert_close(toy([("tint", 0.3), ("tint", 0.4)]), toy(("tint", 0.7)))


def test_a_range_of_steps(library: Path) -> None:
    """The toy takes six steps. Text encoders are changed for the whole run."""
    spec = {"strength": 0.8, "text_strength": 0.0}
    whole, plain = toy("tint", **spec), toy()
    assert torch.equal(toy("tint", **spec, start_step=0, end_step=6), whole)
    assert torch.equal(toy("tint", **spec, start_step=6), plain)
    early, late = toy("tint", **spec, end_step=3), toy("tint", **spec, start_step=3)
    assert len({tuple(pixels.flatten().tolist()) for pixels in (whole, plain, early, late)}) == 4
    assert torch.equal(toy([{"name": "tint", **spec, "end_step": 3}, {"name": "tint", **spec, "start_step": 3}]), whole)
    assert torch.equal(toy("tint", strength=0.0, text_strength=0.8, start_step=5), toy(("tint", 0.0, 0.8)))


def test_steps_count_in_the_whole_schedule_where_a_run_is_a_part_of_it(library: Path) -> None:
    pipe, lora = make_pipeline(), LoraSpec(name="tint", text_strength=0, start_step=2, end_step=4)
    whole = pipe("red", seed=1, steps=6, loras=[lora]).latents.tensor
    cond = pipe.encode("red")
    half = pipe.sample(cond, seed=1, steps=6, end_step=3, leftover_noise=True, loras=[lora])
    rest = pipe.sample(cond, latents=half, steps=6, start_step=3, add_noise=False, loras=[lora])
    torch.testing.assert_close(rest.tensor, whole)
    assert not torch.equal(whole, pipe("red", seed=1, steps=6).latents.tensor)


def test_stages_by_hand_are_the_whole_bit_for_bit(library: Path) -> None:
    pipe = make_pipeline()
    whole = pipe("red", seed=1, loras=["tint"])
    by_hand = pipe.sample(pipe.encode("red", loras=["tint"]), seed=1, loras=["tint"])
    assert torch.equal(by_hand.tensor, whole.latents.tensor)
    assert torch.equal(pipe.decode(by_hand)[0].pixels, whole.images[0].pixels)


# ── records, prompts, faults ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_record_has_the_hash_and_makes_the_picture_again(library: Path) -> None:
    result = make_pipeline()("red", seed=1, loras=[("tint", 0.5)])
    digest = hashlib.sha256((library / "loras" / "tint.safetensors").read_bytes()).hexdigest()
    assert result.request.loras == (LoraSpec(name="tint", strength=0.5, sha256=digest),)
    again = Request(**read_record(result.images[0]).request_fields())
    assert torch.equal(make_pipeline().run(again).images[0].pixels, result.images[0].pixels)
    assert Request(**again.model_dump(mode="json")).loras == again.loras
    save_toy_lora(library / "loras" / "tint.safetensors", seed=5)
    (warning,) = make_pipeline().run(again).warnings
    assert f"the LoRA 'tint' was another file when the request was made: its hash was {digest[:10]}" in warning


def test_a_changed_file_is_read_again(library: Path) -> None:
    pipe = make_pipeline()
    before = paint(pipe, loras=["tint"])
    save_toy_lora(library / "loras" / "new.safetensors", seed=5).replace(library / "loras" / "tint.safetensors")
    assert not torch.equal(paint(pipe, loras=["tint"]), before)


def test_prompts_may_ask_for_loras(library: Path) -> None:
    pipe = make_pipeline()
    asked = paint(pipe, "red <lora:tint:0.5>", prompt_syntax="a1111")
    assert torch.equal(asked, paint(pipe, "red ", prompt_syntax="a1111", loras=[("tint", 0.5)]))
    assert not torch.equal(asked, paint(pipe, "red ", prompt_syntax="a1111"))
    with pytest.raises(ModelNotFoundError, match=r"no LoRA 'tnt'.* Did you mean 'tint'"):
        pipe("red <lora:tnt:0.5>", prompt_syntax="a1111")


def test_a_lora_that_is_asked_for_twice_counts_twice_but_not_for_a_negative_prompt_that_repeats_it(
    library: Path,
) -> None:
    pipe, fields = make_pipeline(), {"prompt_syntax": "a1111", "guidance_scale": 2.0}

    def asked(prompt: str, negative: str = "") -> Tensor:
        return paint(pipe, prompt, negative_prompt=negative, **fields)

    twice, once = asked("red <lora:tint:0.3><lora:tint:0.3>"), asked("red <lora:tint:0.3>")
    torch.testing.assert_close(twice, asked("red <lora:tint:0.6>"))
    assert not torch.equal(twice, once)
    assert torch.equal(asked("red <lora:tint:0.3>", "<lora:tint:0.3>"), once)
    torch.testing.assert_close(asked("red <lora:tint:0.3>", "<lora:tint:0.2>"), asked("red <lora:tint:0.5>"))


def test_a_picture_says_which_files_the_loras_were_that_its_prompt_names(library: Path) -> None:
    path = library / "loras" / "tint.safetensors"
    pipe = make_pipeline()
    result = pipe("red <lora:tint:0.5>", seed=1, prompt_syntax="a1111")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    record = read_record(result.images[0])
    assert record.request["options"] == {"loras": {"hashes": {"tint": digest}}}
    assert f"Lora hashes: tint: {digest[:10]}" in result.images[0].text["parameters"].replace('"', "")
    again = Request(**record.request_fields())
    assert pipe.run(again).warnings == ()
    assert read_record(pipe("red", seed=1).images[0]).request["options"] == {}
    moved = path.rename(path.with_name("renamed.safetensors"))
    assert torch.equal(make_pipeline().run(again).images[0].pixels, result.images[0].pixels), "found by its hash"
    moved.unlink()
    save_toy_lora(path, seed=5)
    for given in (again, again.replace(options={"loras": {"hashes": {"tint": digest[:10]}}})):
        (warning,) = make_pipeline().run(given).warnings
        assert f"the LoRA 'tint' was another file when the request was made: its hash was {digest[:10]}" in warning
    short = compute_hashes(path).auto_v3
    assert pipe.run(again.replace(options={"loras": {"hashes": {"tint": short}}})).warnings == (), "A1111's own hash"
    with pytest.raises(RequestError, match="hashes"):
        pipe("red", options={"loras": {"hashes": {"tint": "not a hash"}}})


def test_pictures_of_a_batch_cannot_ask_for_different_loras(library: Path) -> None:
    class Wild:
        @hookimpl
        def transform_prompt(self, plan: object):
            return lambda text, seed: text.replace("WHICH", ("tint", "tone")[seed % 2])

    pipe = make_pipeline(plugins=[Wild])
    with pytest.raises(RequestError, match=r"'red <lora:tint:1>' and 'red <lora:tone:1>' of one batch"):
        pipe("red <lora:WHICH:1>", seed=0, count=2, prompt_syntax="a1111")
    result = pipe("red <lora:WHICH:1>", seed=0, count=2, batch_size=1, prompt_syntax="a1111")
    for image, name in zip(result.images, ("tint", "tone"), strict=True):
        assert torch.equal(image.pixels, paint(pipe, "red ", seed=image.seed, prompt_syntax="a1111", loras=[name])[0])


def test_faults_show_before_anything_is_computed(library: Path) -> None:
    model = ToyModel()
    pipe = Pipeline(model)
    with pytest.raises(ModelNotFoundError, match=r"there is no LoRA 'tin'.* Did you mean 'tint'"):
        pipe.stream("red", loras=["tin"])
    save(library / "loras" / "other.safetensors", {"lora_unet_colour.lora_up.weight": randn(4, 2)})
    with pytest.raises(LoraKeyError, match="none of the 1 keys"):
        pipe.stream("red", loras=[{"name": "other", "strict": False}])
    tensors = {"lora_unet_colours.diff": randn(4, 4), "lora_unet_hues.diff": randn(4, 4)}
    save(library / "loras" / "more.safetensors", tensors)
    with pytest.raises(LoraKeyError, match="1 of 2 keys"):
        pipe.stream("red", loras=["more"])
    assert model.texts_encoded == 0
    (warning,) = pipe("red", loras=[{"name": "more", "strict": False}]).warnings
    assert "1 of 2 keys" in warning
    assert "lora_unet_hues.diff" in warning


@pytest.mark.parametrize(
    ("lora", "message"),
    [
        (("tint", float("nan")), "finite number"),
        (("tint", "strong"), "valid number"),
        (("tint", 1, 1, 1), "a LoRA is a name"),
        ({"name": "tint", "start_step": 4, "end_step": 2}, "there is no step between"),
        ({"name": "tint", "strenght": 4}, "strenght"),
        ("", "at least 1 character"),
    ],
)
def test_specs_that_make_no_sense_are_refused(lora: object, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        Request(loras=[lora])


# ── a real network ───────────────────────────────────────────────────────────────────────────────────────────────────


def weights_of(pipe: Pipeline) -> dict[str, Tensor]:
    networks = pipe.model.networks  # pyright: ignore[reportAttributeAccessIssue] - a LatentDiffusion
    return {
        f"{name}.{key}": tensor.clone()
        for name, part in networks.parts.items()
        for key, tensor in part().state_dict().items()
    }


def draw(pipe: Pipeline, loras: Sequence[LoraInput] = (), seed: int = 1) -> Tensor:
    return pipe("a cat", seed=seed, steps=2, width=32, height=32, loras=list(loras)).latents.tensor


@pytest.fixture(scope="module")
def pipe() -> Pipeline:
    return Pipeline.load(shared_checkpoint())


def test_the_model_is_bit_for_bit_as_it_was(pipe: Pipeline, tmp_path: Path) -> None:
    lora, other = save_lora(tmp_path / "a.safetensors"), save_lora(tmp_path / "b.safetensors", seed=5)
    before, plain = weights_of(pipe), draw(pipe)
    changed = draw(pipe, [lora])
    assert not torch.equal(changed, plain)
    assert not torch.equal(draw(pipe, [other, lora]), changed)
    stream = pipe.stream("a cat", steps=2, width=32, height=32, loras=[lora])
    next(stream)
    with pytest.raises(ZeroDivisionError):
        raise_inside(pipe, lora)
    stream.close()
    assert torch.equal(draw(pipe), plain)
    after = weights_of(pipe)
    assert all(torch.equal(before[name], after[name]) for name in before)


def raise_inside(pipe: Pipeline, lora: Path) -> None:
    for event in pipe.stream("a cat", steps=2, width=32, height=32, loras=[lora]):
        if isinstance(event, StepDone):
            raise ZeroDivisionError


def test_unmerged_adds_the_same_and_copies_nothing(pipe: Pipeline, tmp_path: Path) -> None:
    lora, other = save_lora(tmp_path / "a.safetensors"), save_lora(tmp_path / "b.safetensors", seed=5)
    for stack in ([lora], [lora, other]):
        merged = draw(pipe, [(path, 0.3) for path in stack])
        unmerged = draw(pipe, [{"name": str(path), "strength": 0.3, "merged": False} for path in stack])
        torch.testing.assert_close(unmerged, merged, rtol=1e-3, atol=1e-3)
        assert not torch.equal(draw(pipe), merged)
    mixed = draw(pipe, [(lora, 0.3), {"name": str(other), "strength": 0.3, "merged": False}])
    torch.testing.assert_close(mixed, draw(pipe, [(lora, 0.3), (other, 0.3)]), rtol=1e-3, atol=1e-3)


def test_unmerged_is_merged_within_rounding(pipe: Pipeline, tmp_path: Path) -> None:
    """With changes of the size that training makes, of a tenth of the weights."""
    tensors: dict[str, Tensor] = {}
    for seed, (module, sides) in enumerate(((QUERY, ()), (CONV, (3, 3)), (TEXT, ()))):
        width = 32 if module == TEXT else 64
        tensors[f"{module}.lora_up.weight"] = randn(width, 4, *[1] * len(sides), seed=seed) * 0.05
        tensors[f"{module}.lora_down.weight"] = randn(4, width, *sides, seed=seed + 1) * 0.05
    lora = save(tmp_path / "a.safetensors", tensors)
    merged, plain = draw(pipe, [lora]), draw(pipe)
    unmerged = draw(pipe, [{"name": str(lora), "merged": False}])
    size = plain.square().mean().sqrt()
    assert (unmerged - merged).abs().max() / size < 1e-5
    assert (merged - plain).abs().max() / size > 1e-3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_weights_are_rounded_once(dtype: torch.dtype) -> None:
    """W + s·(Δ₁ + Δ₂) in float32, then rounded; rounding after each LoRA would lose what is below the last bit."""
    weight = torch.ones(64, 64, dtype=dtype)
    step = torch.finfo(dtype).eps * 0.3
    lora = LowRank(torch.ones(64, 1), torch.full((1, 64), step))
    assert torch.equal(changed(weight, ((lora, 1.0),)), weight)
    three = changed(weight, ((lora, 1.0),) * 3)
    assert torch.equal(three, (torch.ones(64, 64) + 3 * step).to(dtype))
    assert not torch.equal(three, weight)
    assert torch.equal(weight, torch.ones(64, 64, dtype=dtype)), "the model's own weight is left alone"


BAD_FILES = {
    "cut off": "is cut off",
    "empty": "is empty",
    "not a number": "holds NaN or infinity",
    "ranks differ": "do not fit",
    "no partner": "It lacks 1",
}


@pytest.mark.parametrize("fault", BAD_FILES)
def test_a_bad_file_is_refused_and_the_pipeline_goes_on(pipe: Pipeline, tmp_path: Path, fault: str) -> None:
    tensors = {f"{QUERY}.lora_up.weight": randn(64, 4), f"{QUERY}.lora_down.weight": randn(4, 64)}
    if fault == "not a number":
        tensors[f"{QUERY}.lora_up.weight"][0, 0] = torch.nan
    if fault == "ranks differ":
        tensors[f"{QUERY}.lora_down.weight"] = randn(3, 64)
    if fault == "no partner":
        del tensors[f"{QUERY}.lora_down.weight"]
    path = save(tmp_path / "bad.safetensors", tensors)
    if fault in ("cut off", "empty"):
        path.write_bytes(path.read_bytes()[:-9] if fault == "cut off" else b"")
    good, plain = save_lora(tmp_path / "good.safetensors"), draw(pipe)
    with pytest.raises((CheckpointError, LoraKeyError), match=BAD_FILES[fault]):
        draw(pipe, [good, path])
    assert torch.equal(draw(pipe), plain)


def test_one_byte_weights_are_read(pipe: Pipeline, tmp_path: Path) -> None:
    tensors = {f"{QUERY}.lora_up.weight": randn(64, 4), f"{QUERY}.lora_down.weight": randn(4, 64, seed=1)}
    small = {key: tensor.to(torch.float8_e4m3fn) for key, tensor in tensors.items()}
    save_file(small, tmp_path / "small.safetensors")
    large = save(tmp_path / "large.safetensors", {key: tensor.float() for key, tensor in small.items()})
    assert torch.equal(draw(pipe, [tmp_path / "small.safetensors"]), draw(pipe, [large]))


def test_unmerged_does_what_has_no_low_rank_too(pipe: Pipeline, tmp_path: Path) -> None:
    tensors = {
        f"{QUERY}.lora_up.weight": randn(64, 4),
        f"{QUERY}.lora_down.weight": randn(4, 64, seed=1),
        f"{QUERY}.dora_scale": randn(64, 1, seed=2).abs(),
        f"{CONV}.diff": randn(64, 64, 3, 3, seed=3) * 0.1,
        f"{CONV}.diff_b": randn(64, seed=4),
        "lora_unet_mid_block_attentions_0_norm.w_norm": randn(64, seed=5),
    }
    lora = save(tmp_path / "a.safetensors", tensors)
    merged = draw(pipe, [(lora, 0.5)])
    unmerged = draw(pipe, [{"name": str(lora), "strength": 0.5, "merged": False}])
    torch.testing.assert_close(unmerged, merged, rtol=1e-4, atol=1e-4)
    assert not torch.equal(merged, draw(pipe))


def test_eight_threads_with_eight_loras_give_the_pictures_of_one(tmp_path: Path) -> None:
    pipe = Pipeline.load(shared_checkpoint())
    files = [save_lora(tmp_path / f"{seed}.safetensors", seed=10 * seed) for seed in range(8)]
    alone = [draw(pipe, [file], seed=seed) for seed, file in enumerate(files)]
    plain = draw(pipe)
    fresh = Pipeline.load(shared_checkpoint())
    together = threading.Barrier(8)

    def one(seed: int) -> list[Tensor]:
        together.wait(20)
        return [draw(fresh, [files[seed]], seed=seed)]

    with ThreadPoolExecutor(8) as threads:
        drawn = list(threads.map(one, range(8)))
    for expected, found in zip(alone, drawn, strict=True):
        assert all(torch.equal(expected, latents) for latents in found)
    assert torch.equal(draw(fresh), plain)
    assert len({tuple(latents.flatten().tolist()) for latents in alone}) == 8


def test_a_suspended_stream_neither_blocks_nor_changes_another(pipe: Pipeline, tmp_path: Path) -> None:
    first, second = save_lora(tmp_path / "a.safetensors"), save_lora(tmp_path / "b.safetensors", seed=5)
    alone = draw(pipe, [first]), draw(pipe, [second])
    stream = pipe.stream("a cat", seed=1, steps=2, width=32, height=32, loras=[first])
    events = [next(stream) for _ in range(3)]
    assert any(isinstance(event, StepDone) for event in events)
    assert torch.equal(draw(pipe, [second]), alone[1])
    *_, finished = stream
    assert torch.equal(finished.result.latents.tensor, alone[0])  # pyright: ignore[reportAttributeAccessIssue] - the last event


def test_a_repeated_run_reads_and_patches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Pipeline.load(shared_checkpoint())
    (plugin,) = (each for each in pipe.manager._plugins.values() if isinstance(each, Loras))
    lora = save_lora(tmp_path / "a.safetensors")
    first = draw(pipe, [lora])
    derived = pipe.model._derived  # pyright: ignore[reportAttributeAccessIssue] - a LatentDiffusion
    assert (plugin.files.made, derived.made) == (1, 1)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something was computed")

    for module in ("reading.read_lora", "matching.match_lora", "unmerged.changed"):
        monkeypatch.setattr(f"sdkit.models.lora.{module}", refuse)
    assert torch.equal(draw(pipe, [lora]), first)
    assert (plugin.files.made, derived.made) == (1, 1)


def test_settings_say_where_loras_are(library: Path) -> None:
    assert Settings.load().models == library
    assert make_pipeline()("red", seed=1, loras=["TINT"]).request.loras[0].name == "TINT"


def test_stages_by_hand_apply_the_loras_that_prompts_name(library: Path) -> None:
    pipe = make_pipeline()
    prompt = "red <lora:tint:0.8>"
    whole = pipe(prompt, prompt_syntax="a1111", seed=3, steps=2).latents.tensor
    by_hand = pipe.sample(pipe.encode(prompt, prompt_syntax="a1111"), seed=3, steps=2).tensor
    assert torch.equal(by_hand, whole)
    assert not torch.equal(pipe.sample(pipe.encode("red", prompt_syntax="a1111"), seed=3, steps=2).tensor, whole)
