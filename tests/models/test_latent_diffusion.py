import hashlib
import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sdkit.errors import ModelError, RequestError
from sdkit.models import LatentDiffusion, detect_family, open_checkpoint, sd1
from sdkit.models.clip import CLIP_MEAN, CLIP_STD, clip_pixels
from sdkit.models.tokenizer import plain_prompt
from sdkit.testing.models import random_checkpoint, shared_checkpoint
from sdkit.types import Prompt, Segment


def assert_same(one: Tensor, other: Tensor) -> None:
    """Batches of another size are summed in another order."""
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def load(path: Path) -> LatentDiffusion:
    file = open_checkpoint(path)
    _, detection = detect_family(file, [sd1])
    return sd1.load(file, detection, device=torch.device("cpu"))


@pytest.fixture(scope="module")
def model() -> LatentDiffusion:
    return load(shared_checkpoint())


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def weighted(*segments: tuple[str, float]) -> Prompt:
    return Prompt("", tuple(Segment(text, weight) for text, weight in segments))


# ── weights ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_weights_in_the_right_dtype_are_computed_with_from_the_mapped_file(tmp_path: Path) -> None:
    path = random_checkpoint(tmp_path / "m.safetensors", dtype="float32")
    file = open_checkpoint(path)
    model = sd1.load(file, detect_family(file, [sd1])[1], device=torch.device("cpu"))
    networks = model.networks
    for part in (networks.unet, networks.vae, networks.text):
        weights = part().state_dict()
        assert all(weights[name].data_ptr() == file.tensor(key).data_ptr() for name, key in part.sources.items())
        assert not any(weight.requires_grad for weight in part().parameters())


def test_networks_are_read_at_their_first_use_and_nothing_stays_on_the_meta_device(tmp_path: Path) -> None:
    model = load(random_checkpoint(tmp_path / "m.safetensors"))
    networks = model.networks
    model.decode(randn(1, 4, 4, 4))
    assert [part.filled for part in (networks.unet, networks.vae, networks.text)] == [False, True, False]
    for part in (networks.unet, networks.vae, networks.text):
        module = part()
        assert all(tensor.device.type == "cpu" for tensor in (*module.parameters(), *module.buffers()))


def test_loading_and_computing_open_no_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    model = load(random_checkpoint(tmp_path / "m.safetensors"))
    embedding = model.encode_text(plain_prompt("a cat"))
    assert model.predict(randn(1, 4, 8, 8), 10.0, embedding).isfinite().all()


def test_fingerprint_is_the_files_sha256(model: LatentDiffusion) -> None:
    assert model.fingerprint() == hashlib.sha256(shared_checkpoint().read_bytes()).hexdigest()
    assert model.name == shared_checkpoint().stem


def test_auto_dtype_is_float32_on_a_cpu_and_others_on_request(model: LatentDiffusion) -> None:
    assert model.dtype == torch.float32
    half = model.to("cpu", "bfloat16")
    assert half.dtype == torch.bfloat16
    embedding = model.encode_text(plain_prompt("a cat"))
    x = randn(1, 4, 8, 8)
    rough, exact = half.predict(x, 500.0, embedding), model.predict(x, 500.0, embedding)
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).norm() / exact.norm() < 0.05
    assert torch.equal(half.decode(x), model.decode(x))  # the VAE stays in float32
    assert half.to("cpu", "float32").dtype == torch.float32
    assert model.to("cpu", "auto") is model


@pytest.mark.parametrize(
    ("device", "dtype", "message"),
    [
        ("gpu", "auto", "no device 'gpu'; use auto, cpu, cuda"),
        ("meta", "auto", "cannot compute on the device 'meta'; use auto, cpu, cuda"),
        ("cuda:99", "auto", "no device 'cuda:99': torch sees"),
        ("cpu", "int8", "no dtype 'int8' to compute in; use auto, float32, float16, bfloat16"),
    ],
)
def test_a_device_or_dtype_that_is_not_there_is_named(
    model: LatentDiffusion, device: str, dtype: str, message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        model.to(device, dtype)


def test_an_unloaded_model_says_so_and_leaves_those_that_share_with_it_alone() -> None:
    model = load(shared_checkpoint())
    half = model.to("cpu", "bfloat16")
    model.unload()
    with pytest.raises(ModelError, match="'random' was unloaded; load it again"):
        model.decode(randn(1, 4, 4, 4))
    assert half.decode(randn(1, 4, 4, 4)).isfinite().all()


# ── texts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_long_prompts_lie_end_to_end_and_windows_do_not_depend_on_each_other(model: LatentDiffusion) -> None:
    long = model.encode_text(plain_prompt("a " * 100)).context
    assert long.shape == (1, 154, 32)
    assert_same(long[:, :77], model.encode_text(plain_prompt("a " * 75)).context)
    assert_same(long[:, 77:], model.encode_text(plain_prompt("a " * 25)).context)


def test_weights_move_features_away_from_the_empty_prompts(model: LatentDiffusion) -> None:
    plain = model.encode_text(plain_prompt("a red cat")).context
    empty = model.encode_text(plain_prompt("")).context
    heavy = model.encode_text(weighted(("a ", 1.0), ("red", 1.5), (" cat", -0.5))).context
    weights = torch.tensor([1.0, 1.0, 1.5, -0.5] + [1.0] * 73)[None, :, None]
    assert_same(heavy, (plain - empty) * weights + empty)
    assert (heavy - plain)[0, 2:4].abs().amax(1).min() > 0.1
    assert torch.equal(model.encode_text(weighted(("a ", 1.0), ("red cat", 1.0))).context, plain)


def test_a_clip_skip_that_leaves_no_layer_is_refused(model: LatentDiffusion) -> None:
    assert model.encode_text(plain_prompt("a"), 2).context.shape == (1, 77, 32)
    with pytest.raises(RequestError, match="clip_skip 3 is no layer of a text encoder of 2 layers; use 1 to 2"):
        model.encode_text(plain_prompt("a"), 3)
    with pytest.raises(RequestError, match="clip_skip 0 is no layer"):
        model.encode_text(plain_prompt("a"), 0)


def test_only_the_first_window_of_a_long_text_is_compared_with_pictures(model: LatentDiffusion) -> None:
    pixels = torch.rand(2, 3, 100, 80, generator=torch.Generator().manual_seed(1))
    scores = model.similarity(("a " * 75, "a " * 200, "a cat"), pixels)
    assert scores.shape == (3, 2)
    assert scores.abs().max() <= 1
    assert_same(scores[0], scores[1])
    assert (scores[0] - scores[2]).abs().max() > 1e-3


def test_without_an_image_tower_pictures_cannot_be_compared(tmp_path: Path) -> None:
    model = load(random_checkpoint(tmp_path / "m.safetensors", image_tower=False))
    assert not model.spec.has_image_tower
    with pytest.raises(ModelError, match=r"m\.safetensors carries no CLIP image tower"):
        model.similarity(("a",), torch.zeros(1, 3, 64, 64))


def test_pictures_are_cut_and_normalised_for_clip() -> None:
    mean, std = torch.tensor(CLIP_MEAN)[:, None, None], torch.tensor(CLIP_STD)[:, None, None]
    wide = torch.zeros(1, 3, 64, 192)
    wide[..., 64:128] = 1.0
    assert_same(clip_pixels(wide, 64), ((torch.ones(3, 64, 64) - mean) / std)[None])
    grey = clip_pixels(torch.full((2, 3, 300, 50), 0.5), 64)
    assert_same(grey, ((torch.full((2, 3, 64, 64), 0.5) - mean) / std))


# ── batches and threads ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [(16, 16), (9, 13)])
def test_a_picture_of_a_batch_is_what_it_is_alone(model: LatentDiffusion, size: tuple[int, int]) -> None:
    x = randn(4, 4, *size)
    embedding = model.encode_text(plain_prompt("a red circle"))
    together = model.predict(x, 700.25, embedding)
    decoded = model.decode(x)
    encoded = model.encode_image(decoded)
    for index in range(4):
        alone = x[index : index + 1]
        assert_same(together[index : index + 1], model.predict(alone, 700.25, embedding))
        assert_same(decoded[index : index + 1], model.decode(alone))
        assert_same(encoded[index : index + 1], model.encode_image(decoded[index : index + 1]))


def test_a_row_per_picture_is_the_same_as_picture_by_picture(model: LatentDiffusion) -> None:
    x = randn(2, 4, 8, 8)
    cat, dog = (model.encode_text(plain_prompt(text)) for text in ("a cat", "two dogs"))
    both = replace(cat, context=torch.cat((cat.context, dog.context)))
    together = model.predict(x, 5.0, both)
    assert_same(together[:1], model.predict(x[:1], 5.0, cat))
    assert_same(together[1:], model.predict(x[1:], 5.0, dog))
    assert (model.predict(x[:1], 5.0, dog) - together[:1]).abs().max() > 1e-3


def test_prompt_timestep_and_latents_all_count_and_are_left_alone(model: LatentDiffusion) -> None:
    x = randn(1, 4, 8, 8)
    before = x.clone()
    cat = model.encode_text(plain_prompt("a cat"))
    reference = model.predict(x, 500.0, cat)
    assert not reference.requires_grad
    assert torch.equal(x, before)
    for other in (
        model.predict(x, 501.0, cat),
        model.predict(x, 500.5, cat),
        model.predict(x, 500.0, model.encode_text(plain_prompt("a dog"))),
        model.predict(randn(1, 4, 8, 8, seed=1), 500.0, cat),
    ):
        assert (other - reference).abs().max() > 1e-4


def test_decoded_pictures_are_in_range_and_nan_stays_nan(model: LatentDiffusion) -> None:
    pixels = model.decode(3 * randn(1, 4, 4, 6))
    assert pixels.shape == (1, 3, 32, 48)
    assert 0 <= pixels.min() < pixels.max() <= 1
    assert model.decode(torch.full((1, 4, 4, 4), torch.nan)).isnan().any()


def test_eight_threads_on_a_fresh_model_get_what_one_gets(model: LatentDiffusion) -> None:
    fresh = load(shared_checkpoint())
    inputs = [(f"prompt {index}", 8 + 2 * (index % 3), 100.0 * index) for index in range(8)]

    def work(source: LatentDiffusion, text: str, side: int, timestep: float) -> Tensor:
        x = source.predict(randn(1, 4, side, side), timestep, source.encode_text(plain_prompt(text)))
        return source.decode(x)

    results: dict[int, Tensor] = {}
    start = threading.Barrier(8)

    def run(index: int) -> None:
        start.wait()
        results[index] = work(fresh, *inputs[index])

    threads = [threading.Thread(target=run, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, arguments in enumerate(inputs):
        assert torch.equal(results[index], work(model, *arguments))
